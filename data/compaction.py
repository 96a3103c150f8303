"""One day of metric points from the hot table to Parquet, in steps that may each be the last."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine

from data import points_table as table
from data.days import DAY_MS, Block, folder_of, keep_day, read_day, write_day
from data.points_table import Rows


class Compacted(NamedTuple):
    """How many days and points went from the hot table to Parquet."""

    days: int
    points: int


@contextmanager
def only_one(folder: Path, desk: str) -> Iterator[None]:
    """Wait until no other process compacts or expires this desk. A killed one leaves no lock."""
    home = folder_of(folder, desk)
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def compact_day(
    engine: Engine, folder: Path, desk: str, day: int, after: Callable[[str], None]
) -> None:
    """Merge the hot points of `day` with its file, if it has one, into a new file.

    Points that come while the file is written stay hot.
    """
    with engine.execution_options(readonly=True).connect() as connection:
        hot = table.hot(connection, desk, day, day + DAY_MS)
        kept = [row.file for row in table.kept_days(connection, desk) if row.day == day]
        ids = table.ids_of(connection, desk)
    files = [folder_of(folder, desk) / file for file in kept]
    block = _merged([read_day(file) for file in files], hot, ids)
    aside = write_day(folder, desk, datetime.fromtimestamp(day / 1000, UTC).date(), block)
    after("written")
    path = keep_day(aside)
    after("kept")
    with engine.begin() as connection:
        table.lock(connection, desk)
        _drop_moved(connection, desk, day, hot)
        table.set_day(connection, _manifest(desk, day, path.name, block))
        after("committing")
    after("committed")
    for file in files:
        file.unlink(missing_ok=True)
    after("removed")


def _merged(blocks: list[Block], hot: Rows, ids: dict[str, int]) -> Block:
    """All points, by series and time; of equal ones the last, which is the hot one."""
    names = sorted(ids)
    place = {name: code for code, name in enumerate(names)}
    codes = np.full(max(ids.values(), default=0) + 1, -1)
    for name, number in ids.items():
        codes[number] = place[name]
    told = [np.array([place[name] for name in b.names], np.int64)[b.codes] for b in blocks]
    columns = [
        np.concatenate([*told, codes[hot.ids]]),
        *(
            np.concatenate([*(getattr(block, name) for block in blocks), getattr(hot, name)])
            for name in ("at", "values", "late")
        ),
    ]
    order = np.lexsort((columns[1], columns[0]))
    rows = Rows(*(column[order] for column in columns))
    again = (rows.ids[1:] == rows.ids[:-1]) & (rows.at[1:] == rows.at[:-1])
    return _used(names, rows.take(np.append(~again, True)))


def _used(names: list[str], rows: Rows) -> Block:
    """A block that names only the series it has points of."""
    used, codes = np.unique(rows.ids, return_inverse=True)
    return Block([names[code] for code in used.tolist()], codes, rows.at, rows.values, rows.late)


def _drop_moved(connection: Connection, desk: str, day: int, moved: Rows) -> None:
    """Delete the hot points that were moved, and none that came or changed meanwhile."""
    now = table.hot(connection, desk, day, day + DAY_MS)
    stay = ~_found(now, moved)
    table.drop(connection, desk, day, day + DAY_MS)
    table.put(connection, now.take(stay))


def _found(rows: Rows, known: Rows) -> np.ndarray:
    """Which of `rows` stand in `known`, with their value."""
    order = np.argsort(known.keys())
    place = np.searchsorted(known.keys()[order], rows.keys()).clip(max=len(order) - 1)
    twins = known.take(order[place])
    same = (twins.keys() == rows.keys()) & (twins.values == rows.values)
    return same & (twins.late == rows.late)


def _manifest(desk: str, day: int, file: str, block: Block) -> dict[str, object]:
    return {
        "desk": desk,
        "day": day,
        "file": file,
        "n": len(block.at),
        "first_at": int(block.at.min()),
        "last_at": int(block.at.max()),
    }
