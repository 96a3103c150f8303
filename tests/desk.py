"""A small simulated desk's files, and a workspace on a home of its own."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from data.points import Points
from data.records import Crossing, Fan
from data.settings import Settings
from data.simulate import simulate, write
from data.store import Store
from pipelines.workspace import Workspace, workspace

DESK = "small"
END = datetime(2026, 3, 2, tzinfo=UTC)
LIVE = END - timedelta(weeks=1)  # from here on the desk has incidents
STEP = timedelta(minutes=15)


def files(folder: Path) -> Path:
    """tickets.csv, metrics.csv and incidents.csv of a desk with three weeks of history."""
    write(simulate(3, end=END, desk=DESK, weeks=3, incident_weeks=1, tickets_a_week=900), folder)
    return folder


@contextmanager
def placed(home: Path, **changed: object) -> Iterator[Workspace]:
    """The workspace of the desk under `home`."""
    given = {"step_seconds": int(STEP.total_seconds())} | changed
    with workspace(Settings(home=home, desk=DESK, **given)) as place:
        yield place


def wave(start: datetime, days: float, *, series: str = "cpu", seed: int = 0) -> Points:
    """A day's rhythm with noise, a point a step."""
    n = int(timedelta(days=days) / STEP)
    first, step = np.datetime64(start.replace(tzinfo=None), "ms"), STEP // timedelta(milliseconds=1)
    at = first + np.arange(n) * np.timedelta64(step, "ms")
    of_day = at.astype("datetime64[s]").astype(np.int64) % 86_400 / 86_400
    noise = np.random.default_rng(seed).normal(0, 1, n)
    return Points(np.full(n, series, object), at, 50 + 10 * np.sin(2 * np.pi * of_day) + noise)


def with_fault(points: Points, at: datetime, hours: float, size: float = 60.0) -> Points:
    """The same points, higher by `size` for some hours."""
    start = np.datetime64(at.replace(tzinfo=None), "ms")
    end = start + np.timedelta64(int(hours * 3600), "s")
    values = points.values + size * ((points.at >= start) & (points.at < end))
    return Points(points.series, points.at, values)


def between(points: Points, start: datetime, stop: datetime) -> Points:
    """The points of [start, stop)."""
    first, end = (np.datetime64(at.replace(tzinfo=None), "ms") for at in (start, stop))
    kept = (points.at >= first) & (points.at < end)
    return Points(points.series[kept], points.at[kept], points.values[kept])


def told(store: Store) -> list[tuple]:
    """Every alert with its chart, in an order of its own."""
    found = store.alerts(desks=[DESK], limit=10_000)
    return [(alert, store.trace(alert.id)) for alert in sorted(found, key=lambda one: one.id)]


def table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """A CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    """A CSV file's rows."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def a_crossing(**changed: object) -> Crossing:
    """A disk of desk `default` that is full in 3.2 days."""
    now = datetime(2026, 3, 23, tzinfo=UTC)
    told = {
        "desk": "default", "series": "disk_db", "limit": 95.0, "direction": "up",
        "horizon_seconds": 14 * 86_400.0, "at": now, "state": "crosses", "now": 81.5,
        "median": 276_480.0, "lower_80": 181_440.0, "upper_80": 518_400.0, "lower_95": 9e4,
        "upper_95": None, "chance": 0.93, "last_reset_at": now - timedelta(days=9), "n_resets": 1,
        "unit": "%",
        "fan": Fan((now,), (81.5,), (now + timedelta(days=1),), ((82.0, 83.0, 85.0, 86.0, 87.0),)),
    }  # fmt: skip
    return Crossing(**told | changed)
