"""A desk's own stored points, and the incidents that are known, for a replay."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from data.records import Incident
from data.settings import Settings
from data.sources.files import read_incidents
from data.sources.rejects import Rejects
from models import DETECTORS
from models.floors import floors_of
from models.replay import replay
from models.watch import Watch
from pipelines.console import Report, Step
from pipelines.days_off import days_off
from pipelines.detect import LOOK_BACK
from pipelines.feeds import DETECTOR_OF, METRICS, Steps, feed, floor, n_spans
from pipelines.floors import read_floors
from pipelines.ladder import Ladder
from pipelines.windows import left_alone
from pipelines.workspace import Workspace

MOST_CELLS = 15_000_000  # steps times series at once: about 1.2 GB
FEW_FILLED = 0.6  # of the steps with a point: with fewer the grid is too fine for the points


def replay_desk(
    place: Workspace, ladder: Ladder, step: Step, incidents: Sequence[Incident] = ()
) -> list[str]:
    """Replay the stored points of twelve weeks, or those since `ladder.since` and as many before.

    `incidents` set no threshold, beside those of the store. What is to be said of the replay, such
    as that the desk holds more than fits into memory.
    """
    settings, span = place.settings, place.history.span(place.settings.desk)
    if span is None:
        raise LookupError(
            f"desk {settings.desk!r} has no metric points yet: `forewarn ingest metrics FILE` "
            "stores some, or name a file to replay"
        )
    seconds = settings.step_seconds
    stop = floor(span[1], seconds) + timedelta(seconds=seconds)
    if ladder.since is not None and ladder.since >= stop:
        raise ValueError(
            f"--since {ladder.since:%Y-%m-%d %H:%M} lies behind the last point stored, "
            f"{span[1]:%Y-%m-%d %H:%M} UTC"
        )
    start = floor(max(span[0], (ladder.since or stop) - LOOK_BACK), seconds)
    n_series = len(place.history.series(settings.desk))
    fits = stop - MOST_CELLS // n_series * timedelta(seconds=seconds)
    notes = []
    if start < fits:
        start = floor(fits, seconds)
        notes.append(f"{n_series:,} series: replayed from {start:%Y-%m-%d} on, for want of memory")
    times, keys, values = step("read", lambda report: stored(place, start, stop, report))
    filled = np.isfinite(values).any(axis=1).mean()
    if filled < FEW_FILLED:
        notes.append(
            f"only {filled:.0%} of the steps of {seconds} s have a point: set "
            "FOREWARN_STEP_SECONDS to how far apart your points are"
        )
    watch = watch_of(settings, len(keys), seconds)
    watch.floors = floors_of(read_floors(settings.metric_floors), keys)
    masks = left_alone(place).beside(incidents, seconds).masks(METRICS, keys, times)
    seen = step("replay", lambda report: replay(watch, times, values, **masks, progress=report))
    step(
        "budgets",
        lambda report: ladder.add(
            seen, times, values, keys, seconds, report, masks["left_out"], watch.floors
        ),
    )
    return notes


def stored(
    place: Workspace, start: datetime, stop: datetime, report: Report
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """The grid of [start, stop): times (n_steps,), keys, values (n_steps, n_keys)."""
    parts: list[Steps] = []
    total = n_spans(start, stop, place.settings.step_seconds)
    for part in feed(place, METRICS, start, stop):
        parts.append(part)
        report(len(parts), total)
    keys = list(dict.fromkeys(key for part in parts for key in part.keys))
    return (
        np.concatenate([part.times for part in parts]),
        keys,
        np.concatenate([part.of(keys) for part in parts]),
    )


def watch_of(settings: Settings, n_series: int, step_seconds: int) -> Watch:
    """A watch on metrics that has seen nothing."""
    detector = DETECTORS[DETECTOR_OF[METRICS]](
        n_series,
        step_seconds=step_seconds,
        timezone=settings.timezone,
        days_off=days_off(settings),
    )
    return Watch(detector, float("nan"), n_series=n_series, step_seconds=step_seconds)


# -- incidents ----------------------------------------------------------------------------------


class FirstBad(Rejects):
    """Keeps what was wrong with the first row that could not be read."""

    first: str = ""

    def add(self, line: int | None, field: str, reason: str, row: Mapping[str, str] | str) -> None:
        self.first = self.first or f"line {line}: {field} {reason}"
        super().add(line, field, reason, row)


def incidents_of(path: Path, settings: Settings) -> tuple[list[Incident], list[str]]:
    """The incidents of a file, and what is said of the rows that could not be read."""
    rejects = FirstBad()
    found = read_incidents(path, desk=settings.desk, timezone=settings.timezone, rejects=rejects)
    if not found:
        wrong = rejects.first or "it holds no rows"
        raise ValueError(f"{path}, {wrong}; wanted incidents with title and onset_at, got none")
    found = list({one.id: one for one in found}.values())  # told twice, the last one counts
    if not rejects.n:
        return found, []
    others = f" and {rejects.n - 1} more" if rejects.n > 1 else ""
    return found, [f"{path}, {rejects.first}{others}: left out, {len(found)} kept"]


def known(place: Workspace) -> Sequence[Incident] | None:
    """The incidents that the store knows of; None where it knows none."""
    return place.store.incidents(place.settings.desk) or None
