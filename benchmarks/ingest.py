"""A million points and a hundred thousand tickets from files, beside pandas doing it bare."""

import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.meter import Took, took
from benchmarks.page import table
from data.points import Points
from data.settings import Settings
from data.simulate import Simulated, simulate, write
from pipelines.workspace import workspace

N_POINTS, N_SERIES, N_TICKETS = 1_000_000, 500, 100_000
END = datetime(2026, 3, 2, tzinfo=UTC)
MB = 1_000_000
COLUMNS = ("", "rows", "seconds", "rows a second", "peak memory, MB", "database, MB", "rows kept")


class Row(NamedTuple):
    """One command. `n_kept` is how many rows stood in the database after it."""

    name: str
    n: int
    took: Took
    database_bytes: int
    n_kept: int


def rows(n_points: int = N_POINTS, n_tickets: int = N_TICKETS) -> Iterator[Row]:
    """Each file ingested, ingested again, and by pandas."""
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside)
        files(folder, n_points, n_tickets)
        for what, n in (("metrics", n_points), ("tickets", n_tickets)):
            file, home = folder / f"{what}.csv", folder / f"home-{what}"
            command = [sys.executable, "-m", "pipelines", "--home", str(home), "ingest", what]
            for name in (f"ingest {what}", "the same again"):
                run = took([*command, str(file)], os.environ)
                yield Row(name, n, run, size_of(home), kept(home, what))
            yield bare(file, folder / f"{what}.db", n)


def files(folder: Path, n_points: int, n_tickets: int) -> None:
    """metrics.csv and tickets.csv: many series of noise, and a large simulated desk."""
    weeks = 8
    desk = simulate(
        0, end=END, weeks=weeks, incident_weeks=0, tickets_a_week=1.2 * n_tickets / weeks
    )
    tickets = list(islice(desk.tickets, n_tickets))
    if len(tickets) < n_tickets:
        raise ValueError(f"wanted {n_tickets} tickets, the simulator gave {len(tickets)}")
    write(Simulated(tickets, points(n_points), []), folder)


def points(n: int) -> Points:
    """`n` points, those of one moment together, a moment every five minutes."""
    rng, number = np.random.default_rng(0), np.arange(n)
    names = np.array([f"host{i:03d}.cpu" for i in range(N_SERIES)], object)
    at = np.datetime64("2026-02-01", "ms") + number // N_SERIES * np.timedelta64(300, "s")
    return Points(names[number % N_SERIES], at, rng.gamma(4.0, 10.0, n).round(4))


def kept(home: Path, what: str) -> int:
    """How many points, or tickets, stand under a home."""
    with workspace(Settings(home=home)) as place:
        desk = place.settings.desk
        return place.history.count(desk) if what == "metrics" else place.store.counts(desk)[what]


def bare(file: Path, database: Path, n: int) -> Row:
    """The same rows by pandas."""
    command = [sys.executable, "-m", "benchmarks.bare", str(file), str(database)]
    return Row("pandas, bare", n, took(command, os.environ), database.stat().st_size, n)


def size_of(home: Path) -> int:
    """What a home takes on the disk."""
    return sum(file.stat().st_size for file in home.rglob("*") if file.is_file())


def markdown(found: list[Row]) -> str:
    return table(COLUMNS, map(cells, found))


def cells(row: Row) -> list[str]:
    seconds, peak, _ = row.took
    return [
        *(row.name, f"{row.n:,}", f"{seconds:.1f}", f"{row.n / seconds:,.0f}"),
        *(f"{peak / MB:.0f}", f"{row.database_bytes / MB:.0f}", f"{row.n_kept:,}"),
    ]
