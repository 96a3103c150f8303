"""Where in the day and in the week a moment lies, by the clock and the calendar on the wall."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS
THURSDAY = 3  # the weekday of 1970-01-01, Monday = 0
SUNDAY = 6
NEAR = np.timedelta64(2, "D")  # from a moment in UTC, no zone's date lies further


class Calendar(NamedTuple):
    """A clock and days off: `seconds[i]` are added to UTC from `since[i]` on (unix seconds).

    `days_off` are local dates as days since 1970, in order: the week takes each for a Sunday.
    """

    since: np.ndarray
    seconds: np.ndarray
    days_off: np.ndarray = np.zeros(0, np.int64)


def calendar(zone: str, days_off: str = "") -> Calendar:
    """The clock of a time zone with these days off, dates parted by commas.

    >>> calendar("Europe/Berlin", "2026-12-25,2026-12-26").days_off.astype("datetime64[D]")
    array(['2026-12-25', '2026-12-26'], dtype='datetime64[D]')
    """
    dates = np.array(days_off.split(",") if days_off else [], "datetime64[D]")
    return offsets(zone)._replace(days_off=np.unique(dates.astype(np.int64)))


def days_near(days_off: str, at: np.datetime64) -> str:
    """Those of the days off that can matter to the rhythm at `at` (UTC), whatever the zone.

    >>> days_near("2026-05-01,2026-12-25,2026-12-26", np.datetime64("2026-12-24T12:00"))
    '2026-12-25,2026-12-26'
    """
    day = at.astype("datetime64[D]")
    return ",".join(d for d in days_off.split(",") if d and abs(np.datetime64(d) - day) <= NEAR)


@cache
def offsets(zone: str, first_year: int = 2000, last_year: int = 2060) -> Calendar:
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
    return Calendar(np.array(since), np.array([shifts[0]] + [shifts[i] for i in changes]))


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


def local_seconds(at: np.ndarray | np.datetime64, zone: Calendar) -> np.ndarray:
    """Unix seconds of UTC times, moved to the wall clock of `zone`.

    >>> summer = np.datetime64("2026-07-01T12:00")
    >>> local_seconds(summer, offsets("Europe/London")).astype("datetime64[s]")
    np.datetime64('2026-07-01T13:00:00')
    """
    seconds = np.asarray(at).astype("datetime64[s]").astype(np.int64)
    row = np.searchsorted(zone.since, seconds, side="right") - 1
    local: np.ndarray = seconds + zone.seconds[np.maximum(row, 0)]
    return local


def slot_of_day(at: np.ndarray | np.datetime64, n_slots: int, zone: Calendar) -> np.ndarray:
    """Which of `n_slots` equal parts of the local day each moment lies in, from 0.

    >>> int(slot_of_day(np.datetime64("2026-01-05T09:07"), 288, offsets("UTC")))
    109
    """
    return local_seconds(at, zone) % DAY_SECONDS * n_slots // DAY_SECONDS


def slot_of_week(at: np.ndarray | np.datetime64, n_slots: int, zone: Calendar) -> np.ndarray:
    """Which of `n_slots` equal parts of the local week each moment lies in; 0 begins on Monday.

    A day off is a Sunday.

    >>> int(slot_of_week(np.datetime64("2026-01-06T01:30"), 168, offsets("UTC")))
    25
    >>> int(slot_of_week(np.datetime64("2026-01-06T01:30"), 7, calendar("UTC", "2026-01-06")))
    6
    """
    day, second = np.divmod(local_seconds(at, zone), DAY_SECONDS)
    weekday = np.where(_is_off(day, zone.days_off), SUNDAY, (day + THURSDAY) % 7)
    slot: np.ndarray = (weekday * DAY_SECONDS + second) * n_slots // WEEK_SECONDS
    return slot


def is_weekend(at: np.ndarray | np.datetime64, zone: Calendar) -> np.ndarray:
    """Whether each moment lies on a Saturday, a Sunday or a day off, by the clock of `zone`.

    >>> is_weekend(np.datetime64("2026-01-09T22:00"), offsets("Asia/Tokyo"))
    np.True_
    """
    weekend: np.ndarray = slot_of_week(at, 7, zone) >= 5
    return weekend


def _is_off(day: np.ndarray, days_off: np.ndarray) -> np.ndarray | bool:
    """Which days are among the days off. `np.isin` takes twenty times as long for one day."""
    if not days_off.size:
        return False
    place = np.minimum(np.searchsorted(days_off, day), len(days_off) - 1)
    found: np.ndarray = days_off[place] == day
    return found
