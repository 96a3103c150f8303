"""A replay of metrics as it is asked for: files or the desk's own past, told for every budget."""

import csv
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from data.records import Incident
from data.replays import ReplayTold
from data.settings import Settings
from data.store_replays import Replay
from pipelines.console import Step
from pipelines.feeds import METRICS, TICKETS
from pipelines.ladder import Ladder
from pipelines.ladder_figure import check_chart, write_chart
from pipelines.replay import Told, replay_metrics, targets_of
from pipelines.replay_desk import incidents_of, known, replay_desk
from pipelines.replay_tickets import replay_tickets
from pipelines.windows import known_windows
from pipelines.workspace import Workspace, workspace
from pipelines.writing import written

MOST_KEPT = 200  # alerts of one budget, the strongest: a page must open quickly
CHART, ALERTS = "replay.svg", "replay-alerts.csv"
ALERT_COLUMNS = (
    "budget", "opened_at", "closed_at", "series", "score", "threshold", "observed", "expected",
    "lower", "upper", "incident", "why",
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What to replay: files under `path`, or, where it is None, the desk's own stored points."""

    path: Path | None = None
    out: Path | None = None
    mapping: dict[str, str] = field(default_factory=dict)
    since: datetime | None = None
    incidents: Path | None = None
    chart: Path | None = None
    save: bool = False

    def folder(self, settings: Settings) -> Path:
        """Where the files of this replay go."""
        if self.out is not None:
            return self.out
        if self.path is not None:
            raise ValueError(f"--out wants a folder for the scores of {self.path}, got none")
        return settings.home / "replay" / settings.desk

    def command(self, settings: Settings) -> str:
        """The command that does the same again.

        >>> Asked(incidents=Path("known.csv")).command(Settings(desk="it"))
        'forewarn --desk it replay metrics --incidents known.csv'
        """
        words = ["forewarn"]
        words += ["--desk", settings.desk] if settings.desk != Settings.desk else []
        words += ["replay", "metrics", *([str(self.path)] if self.path else [])]
        for name in ("out", "incidents"):
            words += [f"--{name}", str(given)] if (given := getattr(self, name)) else []
        return shlex.join([*words, *(["--save"] if self.path else [])])


@dataclass(frozen=True)
class Done:
    """What a replay told, and the files it wrote; `ladder` is None where time was too short."""

    ladder: ReplayTold | None
    files: Told | None = None
    chart: Path | None = None
    alerts: Path | None = None
    saved: bool = False


def replayed(settings: Settings, asked: Asked, step: Step) -> Done:
    """Replay what is asked for, write chart and alerts, and keep for the page what it is for."""
    out = asked.folder(settings)
    chart, alerts = asked.chart or out / CHART, out / ALERTS
    check_chart(chart)
    ladder = Ladder.of(settings, asked.since)
    incidents, notes = incidents_of(asked.incidents, settings) if asked.incidents else (None, [])
    if asked.path is None:
        with workspace(settings) as place:
            told = replayed_desk(place, ladder, incidents, notes, step)
            keep(place, asked, told)
        write(told, chart, alerts)
        return Done(told, None, chart, alerts, saved=True)
    files = replayed_files(asked.path, out, settings, asked.mapping, ladder, step, incidents or ())
    if not ladder.parts:
        return Done(None, files)
    refused = [f"{files.n_rejected:,} rows refused, see {out}"] if files.n_rejected else []
    told = ladder.told(incidents, [*notes, *refused])
    write(told, chart, alerts)
    if asked.save:
        with workspace(settings) as place:
            keep(place, asked, told)
    return Done(told, files, chart, alerts, asked.save)


def replayed_tickets(settings: Settings, asked: Asked, step: Step) -> Done:
    """Replay a ticket file, of which `asked.out` takes the alerts; the chart goes beside it."""
    if asked.path is None or asked.out is None:
        raise ValueError("wanted a ticket file, and --out with the CSV for its alerts")
    path, out, chart = asked.path, asked.out, asked.chart or asked.out.with_suffix(".svg")
    check_chart(chart)
    ladder = Ladder.of(settings, asked.since, TICKETS)
    incidents, notes = incidents_of(asked.incidents, settings) if asked.incidents else (None, [])
    files = step(
        "replay tickets",
        lambda report: replay_tickets(
            path,
            out,
            settings,
            mapping=asked.mapping,
            ladder=ladder,
            left_alone=known_windows(settings).beside(incidents or (), settings.step_seconds),
            report=report,
        ),
    )
    if not ladder.parts:
        return Done(None, files, alerts=out)
    told = ladder.told(incidents, notes)
    write_chart(told, chart)
    return Done(told, files, chart, out)


def replayed_files(
    path: Path,
    out: Path,
    settings: Settings,
    mapping: dict[str, str],
    ladder: Ladder,
    step: Step,
    incidents: Sequence[Incident] = (),
) -> Told:
    """Replay files, none of whose scores would go where the alerts do."""
    if out / ALERTS in targets_of(path, out).values():
        raise ValueError(f"{path} holds a file whose scores would be {out / ALERTS}: rename it")
    return step(
        "replay",
        lambda report: replay_metrics(
            path,
            out,
            settings,
            mapping=mapping,
            ladder=ladder,
            left_alone=known_windows(settings).beside(incidents, settings.step_seconds),
            report=report,
        ),
    )


def replayed_desk(
    place: Workspace,
    ladder: Ladder,
    incidents: Sequence[Incident] | None,
    notes: Sequence[str],
    step: Step,
) -> ReplayTold:
    """Replay the stored points, beside the incidents of the file or those in the store."""
    said = replay_desk(place, ladder, step, incidents or ())
    return ladder.told(known(place) if incidents is None else incidents, [*notes, *said])


def keep(place: Workspace, asked: Asked, told: ReplayTold) -> None:
    """Store what was told, for the page."""
    replay = Replay(datetime.now(UTC), asked.command(place.settings), told.trimmed(MOST_KEPT))
    place.store.put_replay(place.settings.desk, METRICS, replay)


def write(told: ReplayTold, chart: Path, alerts: Path) -> None:
    """The chart, and one row an alert of every budget."""
    write_chart(told, chart)
    with written(alerts) as file:
        rows = csv.writer(file)
        rows.writerow(ALERT_COLUMNS)
        for one in told.fired:
            row = {name: getattr(one, name) for name in ALERT_COLUMNS}
            rows.writerow([cell(value) for value in row.values()])


def cell(value: object) -> str:
    """A value as a CSV holds it; empty where nobody knows.

    >>> cell(datetime(2026, 3, 2, tzinfo=UTC)), cell(None), cell(float("nan")), cell(0.25)
    ('2026-03-02T00:00:00+00:00', '', '', '0.25')
    """
    if value is None or value != value:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
