"""Where in the day and in the week a moment lies, by the clock on the wall."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS
THURSDAY = 3  # the weekday of 1970-01-01, Monday = 0


class Offsets(NamedTuple):
    """A time zone as a table: `seconds[i]` are added to UTC from `since[i]` on (unix seconds)."""

    since: np.ndarray
    seconds: np.ndarray


@cache
def offsets(zone: str, first_year: int = 2000, last_year: int = 2060) -> Offsets:
    """The shifts of a time zone between two years; before and after, the outermost hold.

    >>> london = offsets("Europe/London", 2026, 2027)
    >>> london.seconds
    array([   0, 3600,    0, 3600,    0])
    >>> london.since[1:3].astype("datetime64[s]")
    array(['2026-03-29T01:00:00', '2026-10-25T01:00:00'], dtype='datetime64[s]')
    """
    info = ZoneInfo(zone)
    start = datetime(first_year, 1, 1, tzinfo=UTC)
    n_days = (datetime(last_year + 1, 1, 1, tzinfo=UTC) - start).days
    days = [start + timedelta(days=i) for i in range(n_days)]
    shifts = [_shift(info, day) for day in days]
    changes = [i for i in range(1, n_days) if shifts[i] != shifts[i - 1]]
    since = [0] + [_moment_of_change(info, days[i - 1], days[i]) for i in changes]
    return Offsets(np.array(since), np.array([shifts[0]] + [shifts[i] for i in changes]))


def _shift(info: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(info).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _moment_of_change(info: ZoneInfo, before: datetime, after: datetime) -> int:
    """Unix second of the one change that lies in (before, after], by bisection."""
    low, high = int(before.timestamp()), int(after.timestamp())
    old = _shift(info, before)
    while high - low > 1:
        middle = (low + high) // 2
        if _shift(info, datetime.fromtimestamp(middle, UTC)) == old:
            low = middle
        else:
            high = middle
    return high


def local_seconds(at: np.ndarray | np.datetime64, zone: Offsets) -> np.ndarray:
    """Unix seconds of UTC times, moved to the wall clock of `zone`.

    >>> summer = np.datetime64("2026-07-01T12:00")
    >>> local_seconds(summer, offsets("Europe/London")).astype("datetime64[s]")
    np.datetime64('2026-07-01T13:00:00')
    """
    seconds = np.asarray(at).astype("datetime64[s]").astype(np.int64)
    row = np.searchsorted(zone.since, seconds, side="right") - 1
    local: np.ndarray = seconds + zone.seconds[np.maximum(row, 0)]
    return local


def slot_of_day(at: np.ndarray | np.datetime64, n_slots: int, zone: Offsets) -> np.ndarray:
    """Which of `n_slots` equal parts of the local day each moment lies in, from 0.

    >>> int(slot_of_day(np.datetime64("2026-01-05T09:07"), 288, offsets("UTC")))
    109
    """
    return local_seconds(at, zone) % DAY_SECONDS * n_slots // DAY_SECONDS


def slot_of_week(at: np.ndarray | np.datetime64, n_slots: int, zone: Offsets) -> np.ndarray:
    """Which of `n_slots` equal parts of the local week each moment lies in; 0 begins on Monday.

    >>> int(slot_of_week(np.datetime64("2026-01-06T01:30"), 168, offsets("UTC")))
    25
    """
    since_monday = (local_seconds(at, zone) + THURSDAY * DAY_SECONDS) % WEEK_SECONDS
    return since_monday * n_slots // WEEK_SECONDS


def is_weekend(at: np.ndarray | np.datetime64, zone: Offsets) -> np.ndarray:
    """Whether each moment lies on a Saturday or a Sunday, by the clock of `zone`.

    >>> is_weekend(np.datetime64("2026-01-09T22:00"), offsets("Asia/Tokyo"))
    np.True_
    """
    weekend: np.ndarray = slot_of_week(at, 7, zone) >= 5
    return weekend
