"""Metric points: a table for what just came, Parquet by UTC day behind it."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine, Row

from data import points_table as table
from data.compaction import Compacted, compact_day, only_one
from data.days import DAY_MS, folder_of, read_day, sweep
from data.points import Points
from data.points_rows import compared, joined, last_of_each, matrix_of, placed
from data.points_table import Rows

BATCH = 50_000  # points a transaction: other writers get in between
N_TRIES = 5  # a day's file may be replaced between reading the manifest and opening it
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

__all__ = ["Appended", "Compacted", "History"]


class Appended(NamedTuple):
    """How many points were new, changed a value, stood there already; of these first two, late."""

    new: int
    changed: int
    same: int
    late: int


class Columns(NamedTuple):
    """Points of many series without a cell for every moment of each: columns of one length.

    `series` (n,) indexes `keys`, sorted, of which `counters` (n_keys,) are counters. The points
    stand by series and time, one a moment; `at` is datetime64[ms].
    """

    keys: list[str]
    counters: np.ndarray
    series: np.ndarray
    at: np.ndarray
    values: np.ndarray


class History:
    """All metric points of all desks; `folder` holds the days that were compacted.

    The last value written for a series and a moment counts. Processes may share one history.

    >>> import tempfile
    >>> from data.database import connect
    >>> folder = tempfile.TemporaryDirectory()
    >>> history = History(connect(f"sqlite:///{folder.name}/f.db"), Path(folder.name))
    >>> at = np.array(["2026-01-05T09:00", "2026-01-05T09:05"], "datetime64[ms]")
    >>> history.append("it", Points(np.array(["cpu", "cpu"], object), at, np.array([0.5, 0.7])))
    Appended(new=2, changed=0, same=0, late=0)
    >>> first, last = history.span("it")
    >>> times, keys, matrix = history.read("it", "c*", first, last)
    >>> keys, matrix
    (['cpu'], array([[0.5]]))
    >>> history.engine.dispose(), folder.cleanup()
    (None, None)
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self._reading = engine.execution_options(readonly=True)
        self._series: dict[str, table.Series] = {}  # what is known stays: no series is ever deleted

    def append(
        self,
        desk: str,
        points: Points,
        *,
        watermark: datetime | None = None,
        counters: Collection[str] | None = None,
    ) -> Appended:
        """Store points. One before the `watermark` is marked late: nobody will score it.

        `counters` are those of the series that only ever count up; None where nobody knows.
        """
        if not np.isfinite(points.values).all():
            raise ValueError("values must be finite: a point that did not come is left out")
        if np.isnat(points.at).any() or (points.at < np.datetime64("1970-01-01")).any():
            raise ValueError("every point needs a time from 1970 on")
        if not len(points):
            return Appended(0, 0, 0, 0)
        rows = self._rows(desk, points, watermark, counters)
        rows, n_same, n_changed = last_of_each(rows)
        done = np.array([0, n_changed, n_same, 0])
        for start in range(0, len(rows.at), BATCH):
            done += self._append(desk, rows.take(slice(start, start + BATCH)))
        return Appended(*done.tolist())

    def _rows(
        self,
        desk: str,
        points: Points,
        watermark: datetime | None,
        counters: Collection[str] | None,
    ) -> Rows:
        names = points.series.tolist()
        ids = self._ids(desk, dict.fromkeys(names), counters)
        at = points.at.astype(np.int64)
        late = np.zeros(len(at), bool) if watermark is None else at < _ms(watermark)
        numbers = np.fromiter(map(ids.__getitem__, names), np.int64, len(names))
        return Rows(numbers, at, points.values, late)

    def _ids(
        self, desk: str, wanted: Collection[str], counters: Collection[str] | None
    ) -> dict[str, int]:
        known = self._series.get(desk)
        if known is None or not known.knows(wanted, counters):
            with self.engine.begin() as connection:
                table.lock(connection, desk)
                known = table.make_series(connection, desk, wanted, counters)
            self._series[desk] = known
        return known.ids

    def _append(self, desk: str, rows: Rows) -> np.ndarray:
        days = rows.at - rows.at % DAY_MS
        done = np.zeros(4, int)
        with self.engine.begin() as connection:
            table.lock(connection, desk)
            for day in np.unique(days).tolist():
                done += self._append_day(connection, desk, day, rows.take(days == day))
        return done

    def _append_day(self, connection: Connection, desk: str, day: int, rows: Rows) -> np.ndarray:
        known = self._known(connection, desk, day, rows)
        new, changed = compared(rows, known)
        written = rows.take(new | changed)
        table.put(connection, written)
        n_new, n_changed = int(new.sum()), int(changed.sum())
        n_same = len(rows.at) - n_new - n_changed
        return np.array([n_new, n_changed, n_same, int(written.late.sum())])

    def _known(self, connection: Connection, desk: str, day: int, rows: Rows) -> Rows:
        """What stands already between the first and the last of `rows`, the hot ones last."""
        ids = np.unique(rows.ids).tolist()
        first, end = int(rows.at.min()), int(rows.at.max()) + 1
        hot = table.hot(connection, desk, first, end, ids)
        kept = table.kept_days(connection, desk, day, day + DAY_MS)
        if not kept:
            return hot
        numbers = table.ids_of(connection, desk)
        wanted = {name for name, number in numbers.items() if number in set(ids)}
        return joined(self._day(desk, kept[0].file, numbers, wanted), hot)

    def _day(
        self, desk: str, file: str, ids: dict[str, int], wanted: set[str] | None = None
    ) -> Rows:
        path = folder_of(self.folder, desk) / file
        few = wanted if wanted is not None and len(wanted) < len(ids) / 2 else None
        block = read_day(path, few)
        numbers = np.array([ids.get(name, -1) for name in block.names], np.int64)
        return Rows(numbers[block.codes], block.at, block.values, block.late)

    def read(
        self, desk: str, selector: Sequence[str] | str | None, start: datetime, end: datetime
    ) -> tuple[np.ndarray, list[str], np.ndarray]:
        """(times, keys, matrix) of the points in [start, end).

        `times` are datetime64[ms] at which any of the series has a point, shape (n_times,);
        `keys` the series, sorted; `matrix` float64 of shape (n_times, n_keys), NaN where no
        point is. `selector` is None for every series the desk ever had, a pattern such as
        "web*.latency", or the keys themselves: each gets its column, be it empty.
        """
        if isinstance(selector, Sequence) and not isinstance(selector, str):
            keys: list[str] = sorted(set(selector))
        else:
            keys = [key for key in self.series(desk) if _fits(key, selector)]
        ids, parts = self._parts(desk, keys, _ms(start), _ms(end))
        times, matrix = matrix_of([ids.get(key) for key in keys], parts)
        return times, keys, matrix

    def columns(
        self, desk: str, start: datetime, end: datetime, wanted: Collection[str] | None = None
    ) -> Columns:
        """The points in [start, end) of the `wanted` series, or of every one the desk ever had.

        A series that has none there is a key, too. Where targets are scraped at
        different moments, a matrix of them all would be mostly empty and far larger.
        """
        with self._reading.connect() as connection:
            counters = table.counters_of(connection, desk)
        keys = self.series(desk) if wanted is None else sorted(set(wanted))
        ids, parts = self._parts(desk, keys, _ms(start), _ms(end))
        numbers = [ids.get(key) for key in keys]
        rows, _, _ = last_of_each(joined(*(placed(numbers, part) for part in parts)))
        rows = rows.take(np.lexsort((rows.at, rows.ids)))
        told = np.array([key in counters for key in keys], bool)
        return Columns(keys, told, rows.ids, rows.at.astype("datetime64[ms]"), rows.values)

    def late(self, desk: str, start: datetime, end: datetime) -> dict[str, datetime]:
        """The series with points in [start, end) that nobody will score, for they came late.

        With each stands the time of the last such point. Only points not yet compacted count.
        """
        with self._reading.connect() as connection:
            return dict(
                (series, _time(at))
                for series, at in table.late(connection, desk, _ms(start), _ms(end))
            )

    def has_counters(self, desk: str) -> bool:
        """Whether any series of the desk only ever counts up."""
        with self._reading.connect() as connection:
            return bool(table.counters_of(connection, desk))

    def _parts(
        self, desk: str, keys: list[str], start: int, end: int
    ) -> tuple[dict[str, int], list[Rows]]:
        """The points of each day file, then the hot ones."""
        for _ in range(N_TRIES):
            with self._reading.connect() as connection:
                ids = table.ids_of(connection, desk)
                wanted = {ids[key] for key in keys if key in ids}
                # Hot first: what a compaction moves meanwhile is then seen twice, never missed.
                hot = table.hot(connection, desk, start, end, wanted)
                kept = table.kept_days(connection, desk, start, end)
            try:
                days = [self._day(desk, row.file, ids, set(keys)) for row in kept]
            except FileNotFoundError:
                continue
            return ids, [part.take((part.at >= start) & (part.at < end)) for part in (*days, hot)]
        raise LookupError(
            f"{folder_of(self.folder, desk)} lacks {_missing(self.folder, desk, kept)}, which the "
            "database names: restore database and folder from the same backup"
        )

    def series(self, desk: str) -> list[str]:
        """Every series that the desk ever had, sorted."""
        with self._reading.connect() as connection:
            return sorted(table.ids_of(connection, desk))

    def span(self, desk: str) -> tuple[datetime, datetime] | None:
        """When the first and the last point stand; None when there is none."""
        with self._reading.connect() as connection:
            ends = list(table.hot_span(connection, desk))
            for row in table.kept_days(connection, desk):
                ends += [row.first_at, row.last_at]
        found = [moment for moment in ends if moment is not None]
        return (_time(min(found)), _time(max(found))) if found else None

    def count(self, desk: str) -> int:
        """How many points the desk has."""
        for _ in range(N_TRIES):
            try:
                with self._reading.connect() as connection:
                    return self._count(connection, desk)
            except FileNotFoundError:
                continue
        raise LookupError(f"{folder_of(self.folder, desk)} lacks a file that the database names")

    def _count(self, connection: Connection, desk: str, end: int | None = None) -> int:
        days = dict(table.hot_days(connection, desk, 1 << 62 if end is None else end))
        n, ids = sum(days.values()), table.ids_of(connection, desk)
        for row in table.kept_days(connection, desk, end=end):
            n += row.n
            if row.day in days:  # points that were changed after they had been compacted
                hot = table.hot(connection, desk, row.day, row.day + DAY_MS)
                n -= len(np.intersect1d(hot.keys(), self._day(desk, row.file, ids).keys()))
        return n

    def missing(self) -> list[str]:
        """The files that the database names, of any desk, and the folder lacks."""
        with self._reading.connect() as connection:
            named = table.all_files(connection)
        paths = [folder_of(self.folder, desk) / file for desk, file in named]
        return [str(path) for path in paths if not path.exists()]

    def compact(
        self,
        desk: str,
        before: datetime,
        *,
        progress: Callable[[int, int], None] | None = None,
        after: Callable[[str], None] = lambda step: None,
    ) -> Compacted:
        """Move the whole UTC days before `before` to Parquet.

        It may be killed at any moment: what counts changes in one transaction, and the next run
        sweeps what lies about. `after` is called with the name of each step that is done.
        """
        with only_one(self.folder, desk):
            with self._reading.connect() as connection:
                kept = {row.file for row in table.kept_days(connection, desk)}
                days = table.hot_days(connection, desk, _ms(before) // DAY_MS * DAY_MS)
            sweep(self.folder, desk, kept)
            for done, (day, _) in enumerate(days, start=1):
                compact_day(self.engine, self.folder, desk, day, after)
                if progress is not None:
                    progress(done, len(days))
        return Compacted(len(days), sum(n for _, n in days))

    def expire(self, desk: str, before: datetime) -> int:
        """Delete the whole UTC days before `before`; how many points went."""
        end = _ms(before) // DAY_MS * DAY_MS
        with only_one(self.folder, desk):
            with self.engine.begin() as connection:
                table.lock(connection, desk)
                n = self._count(connection, desk, end)
                table.drop(connection, desk, -(1 << 62), end)
                table.drop_days(connection, desk, end)
                kept = {row.file for row in table.kept_days(connection, desk)}
            sweep(self.folder, desk, kept)
        return n


def _missing(folder: Path, desk: str, kept: Sequence[Row]) -> str:
    files = [row.file for row in kept if not (folder_of(folder, desk) / row.file).exists()]
    return ", ".join(files[:3]) or "a file"


def _fits(key: str, selector: Sequence[str] | str | None) -> bool:
    return selector is None or fnmatchcase(key, str(selector))


def _ms(time: datetime) -> int:
    if time.tzinfo is None:
        raise ValueError(f"wanted a time with its zone, got {time.isoformat()}")
    return (time - EPOCH) // timedelta(milliseconds=1)


def _time(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)
