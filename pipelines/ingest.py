"""Files into the store: tickets, metric points, and the incidents that are known.

Every write is idempotent, so a run that was killed is mended by running it again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.secret_files import pseudonym_key
from data.sources.files import find_files, read_incidents, read_points, read_tickets
from data.sources.rejects import Rejects
from pipelines.console import Report, silent
from pipelines.feeds import METRICS
from pipelines.workspace import Workspace


@dataclass
class Ingested:
    """How many rows of a file, or of a folder of files, became what."""

    new: int = 0
    changed: int = 0
    same: int = 0
    late: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    rejects_path: Path | None = None

    @property
    def read(self) -> int:
        return self.new + self.changed + self.same + self.rejected

    def add(self, written: object) -> None:
        """Count what one write did."""
        for name in ("new", "changed", "same", "late"):
            setattr(self, name, getattr(self, name) + getattr(written, name, 0))

    def close(self, rejects: Rejects) -> None:
        """Take over what a file's reject list holds."""
        self.rejected += rejects.n
        self.reasons.update(rejects.reasons)
        self.left_out.update(rejects.left_out)
        self.rejects_path = rejects.path if rejects.n else self.rejects_path


def ingest_tickets(
    place: Workspace,
    path: Path,
    *,
    source: str | None = None,
    mapping: Mapping[str, str] | None = None,
    label_columns: Sequence[str] = (),
    report: Report = silent,
) -> Ingested:
    """Read tickets from a file or a folder and store them, texts masked, requesters hashed."""
    settings, done = place.settings, Ingested()
    for file in find_files(path):
        with Rejects(place.rejects_path(flat(file, path))) as rejects:
            for tickets in read_tickets(
                file,
                desk=settings.desk,
                source=source,
                mapping=mapping or {},
                label_columns=label_columns,
                timezone=settings.timezone,
                hmac_key=pseudonym_key(settings),
                rejects=rejects,
            ):
                done.add(place.store.put_tickets(tickets))
                report(done.read + rejects.n, None)
        done.close(rejects)
    return done


def ingest_points(
    place: Workspace,
    path: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    report: Report = silent,
) -> Ingested:
    """Read metric points from a file or a folder; those behind the watermark are marked late."""
    settings, done = place.settings, Ingested()
    detection = place.store.detection(settings.desk, METRICS)
    watermark = detection.watermark if detection else None
    for file in find_files(path):
        with Rejects(place.rejects_path(flat(file, path))) as rejects:
            for points in read_points(
                file, mapping=mapping or {}, timezone=settings.timezone, rejects=rejects
            ):
                done.add(place.history.append(settings.desk, points, watermark=watermark))
                report(done.read + rejects.n, None)
        done.close(rejects)
    return done


def ingest_incidents(place: Workspace, path: Path) -> Ingested:
    """Read incidents that are known, for comparison with what the detectors found."""
    settings, done = place.settings, Ingested()
    with Rejects(place.rejects_path(path)) as rejects:
        incidents = read_incidents(
            path, desk=settings.desk, timezone=settings.timezone, rejects=rejects
        )
        done.add(place.store.put_incidents(incidents))
    done.close(rejects)
    return done


def flat(file: Path, path: Path) -> Path:
    """A name for a file of the tree `path` that no other file of it has.

    >>> flat(Path("export/may/cpu.csv"), Path("export")), flat(Path("cpu.csv"), Path("cpu.csv"))
    (PosixPath('may-cpu.csv'), PosixPath('cpu.csv'))
    """
    return file if file == path else Path("-".join(file.relative_to(path).parts))
