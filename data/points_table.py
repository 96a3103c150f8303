"""The tables under the history: its series, its hot points, and which day files count."""

import zlib
from collections.abc import Collection, Iterable
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Double,
    Insert,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from data.days import DAY_MS

META = MetaData()
SERIES = Table(
    "history_series",
    META,
    Column("id", Integer, primary_key=True),
    Column("desk", Text),
    Column("series", Text),
    Column("counter", Boolean),
)
POINTS = Table(
    "history_points",
    META,
    Column("series_id", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Double),
    Column("late", Boolean),
)
DAYS = Table(
    "history_days",
    META,
    Column("desk", Text, primary_key=True),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("file", Text),
    Column("n", Integer),
    Column("first_at", BigInteger),
    Column("last_at", BigInteger),
)
MAX_NAMED = 1000  # series asked for by id; beyond, all of the desk are read


class Series(NamedTuple):
    """The series of a desk: the id of each, and which are counters."""

    ids: dict[str, int]
    counters: set[str]

    def knows(self, wanted: Iterable[str], counters: Collection[str] | None) -> bool:
        """Whether all these series have ids, and are what `counters` makes of them."""
        names = set(wanted)
        as_told = counters is None or names & self.counters == names & set(counters)
        return as_told and names <= self.ids.keys()


class Rows(NamedTuple):
    """Points as columns; `at` in milliseconds since 1970."""

    ids: np.ndarray
    at: np.ndarray
    values: np.ndarray
    late: np.ndarray

    def take(self, where: np.ndarray) -> "Rows":
        return Rows(*(column[where] for column in self))

    def keys(self) -> np.ndarray:
        """One number for series and moment; tells points of one day apart."""
        return self.ids * DAY_MS + self.at % DAY_MS


def lock(connection: Connection, desk: str) -> None:
    """Nobody else writes this desk's history until the transaction ends.

    On SQLite it holds already: a transaction begins with the write lock.
    """
    if connection.dialect.name == "postgresql":
        key = zlib.crc32(f"history {desk}".encode())
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def ids_of(connection: Connection, desk: str) -> dict[str, int]:
    """Every series that the desk ever had, and its id."""
    found = connection.execute(select(SERIES.c.series, SERIES.c.id).where(SERIES.c.desk == desk))
    return {series: number for series, number in found}


def counters_of(connection: Connection, desk: str) -> set[str]:
    """The series of the desk that only ever count up."""
    mine = select(SERIES.c.series).where(SERIES.c.desk == desk, SERIES.c.counter)
    return set(connection.execute(mine).scalars())


def make_series(
    connection: Connection, desk: str, wanted: Iterable[str], counters: Collection[str] | None
) -> Series:
    """Every series of the desk, once those `wanted` that are new have their ids.

    Of those wanted, the ones in `counters` are counters and the others are not; with None they
    stay what they are.
    """
    known = ids_of(connection, desk)
    new = [{"desk": desk, "series": one, "counter": False} for one in wanted if one not in known]
    if new:
        connection.execute(_insert(connection, SERIES).on_conflict_do_nothing(), new)
        known = ids_of(connection, desk)
    if counters is not None:
        _tell_counters(connection, desk, wanted, counters)
    return Series(known, counters_of(connection, desk))


def _tell_counters(
    connection: Connection, desk: str, wanted: Iterable[str], counters: Collection[str]
) -> None:
    were = counters_of(connection, desk)
    other = [
        {"one": one, "now": one in counters} for one in wanted if (one in counters) != (one in were)
    ]
    if other:
        mine = and_(SERIES.c.desk == desk, SERIES.c.series == bindparam("one"))
        connection.execute(update(SERIES).where(mine).values(counter=bindparam("now")), other)


def hot(
    connection: Connection, desk: str, start: int, end: int, ids: Collection[int] | None = None
) -> Rows:
    """Hot points in [start, end); with `ids`, at least those of these series."""
    wanted = select(POINTS.c.series_id, POINTS.c.at, POINTS.c.value, POINTS.c.late)
    # The driver's own rows, as floats that hold milliseconds exactly: three times as fast. One by
    # one, since as a list half a day of 2,000 series would take more than a gigabyte.
    found: Any = connection.execute(wanted.where(_within(desk, start, end, ids))).cursor
    table = np.fromiter(chain.from_iterable(found), np.float64).reshape(-1, 4)
    kinds = (np.int64, np.int64, np.float64, np.bool_)
    return Rows(*(column.astype(kind) for column, kind in zip(table.T, kinds, strict=True)))


def late(connection: Connection, desk: str, start: int, end: int) -> list[tuple[str, int]]:
    """The series with hot points in [start, end) that came late, and when the last of each was."""
    wanted = select(SERIES.c.series, func.max(POINTS.c.at)).join(
        POINTS, POINTS.c.series_id == SERIES.c.id
    )
    mine = wanted.where(_within(desk, start, end), POINTS.c.late).group_by(SERIES.c.series)
    return [(series, at) for series, at in connection.execute(mine.order_by(SERIES.c.series))]


def _within(
    desk: str, start: int, end: int, ids: Collection[int] | None = None
) -> ColumnElement[bool]:
    if ids is not None and len(ids) <= MAX_NAMED:
        mine = POINTS.c.series_id.in_(list(ids))
    else:
        mine = POINTS.c.series_id.in_(select(SERIES.c.id).where(SERIES.c.desk == desk))
    return and_(mine, POINTS.c.at >= start, POINTS.c.at < end)


def put(connection: Connection, rows: Rows) -> None:
    """Write points; one that is there is overwritten."""
    if not len(rows.at):
        return
    insert = _insert(connection, POINTS)
    insert = insert.on_conflict_do_update(
        index_elements=["series_id", "at"],
        set_={"value": insert.excluded.value, "late": insert.excluded.late},
    )
    columns = [column.tolist() for column in rows]
    names = ("series_id", "at", "value", "late")
    connection.execute(
        insert, [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    )


def drop(connection: Connection, desk: str, start: int, end: int) -> None:
    """Delete the hot points in [start, end)."""
    connection.execute(delete(POINTS).where(_within(desk, start, end)))


def hot_days(connection: Connection, desk: str, end: int) -> list[tuple[int, int]]:
    """(day, number of points) of each UTC day before `end` that has hot points."""
    day = (POINTS.c.at - POINTS.c.at % DAY_MS).label("day")
    mine = POINTS.c.series_id.in_(select(SERIES.c.id).where(SERIES.c.desk == desk))
    counted = select(day, func.count()).where(mine, POINTS.c.at < end).group_by(day).order_by(day)
    return [(day, n) for day, n in connection.execute(counted)]


def hot_span(connection: Connection, desk: str) -> tuple[int | None, int | None]:
    mine = POINTS.c.series_id.in_(select(SERIES.c.id).where(SERIES.c.desk == desk))
    first, last = connection.execute(
        select(func.min(POINTS.c.at), func.max(POINTS.c.at)).where(mine)
    ).one()
    return first, last


def kept_days(
    connection: Connection, desk: str, start: int | None = None, end: int | None = None
) -> list[Row]:
    """The manifest: day, file, n, first_at and last_at of days that touch [start, end)."""
    wanted = select(DAYS).where(DAYS.c.desk == desk).order_by(DAYS.c.day)
    if start is not None:
        wanted = wanted.where(DAYS.c.last_at >= start)
    if end is not None:
        wanted = wanted.where(DAYS.c.first_at < end)
    return list(connection.execute(wanted))


def all_files(connection: Connection) -> list[tuple[str, str]]:
    """Desk and name of every day's file that counts."""
    query = select(DAYS.c.desk, DAYS.c.file).order_by(DAYS.c.desk, DAYS.c.day)
    return [(row.desk, row.file) for row in connection.execute(query)]


def set_day(connection: Connection, row: dict[str, object]) -> None:
    """Let the manifest name this file for its day."""
    insert = _insert(connection, DAYS)
    others = {name: insert.excluded[name] for name in ("file", "n", "first_at", "last_at")}
    connection.execute(
        insert.on_conflict_do_update(index_elements=["desk", "day"], set_=others), [row]
    )


def drop_days(connection: Connection, desk: str, end: int) -> None:
    """Let the manifest forget the days before `end`."""
    connection.execute(delete(DAYS).where(DAYS.c.desk == desk, DAYS.c.day < end))


def _insert(connection: Connection, table: Table) -> Insert:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
