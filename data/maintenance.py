"""Maintenance windows: times in which nobody is to be woken, and nothing is learnt."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from data.records import Maintenance

WEEK = timedelta(weeks=1)
LONGEST = timedelta(days=92)  # a year mistyped would silence a desk for good
MOST_GLOBS = 100
MOST_LETTERS = 300


def new_maintenance(
    desk: str,
    starts_at: datetime,
    ends_at: datetime,
    *,
    series: Sequence[str] = (),
    categories: Sequence[str] = (),
    weekly: bool = False,
    note: str = "",
    by: str,
    now: datetime,
) -> Maintenance:
    """A fresh window; ValueError says what about it cannot be meant.

    >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    >>> new_maintenance("it", noon, noon, by="ada", now=noon)
    Traceback (most recent call last):
    ...
    ValueError: a maintenance must end after it starts, got 2026-03-02 12:00
        until 2026-03-02 12:00 UTC
    """
    if ends_at <= starts_at:
        told = [f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" for at in (starts_at, ends_at)]
        raise ValueError(f"a maintenance must end after it starts, got {' until '.join(told)} UTC")
    if ends_at <= now and not weekly:
        raise ValueError(
            f"a maintenance must end in the future, got {ends_at.astimezone(UTC):%Y-%m-%d %H:%M}"
            " UTC; what is past has been learnt (incidents that were known: `forewarn ingest`)"
        )
    if weekly and ends_at - starts_at >= WEEK:
        raise ValueError("a weekly maintenance must be shorter than a week; leave out every week")
    if ends_at - starts_at > LONGEST:
        n_days = (ends_at - starts_at).days
        raise ValueError(f"a maintenance must last at most {LONGEST.days} days, got {n_days}")
    globs = (*series, *categories)
    if any(not 0 < len(glob) <= MOST_LETTERS or not glob.isprintable() for glob in globs):
        raise ValueError(f"a glob must have 1 to {MOST_LETTERS} printable letters, such as vpn_*")
    if len(globs) > MOST_GLOBS:
        raise ValueError(f"a maintenance names at most {MOST_GLOBS} globs, got {len(globs)}")
    if len(note) > MOST_LETTERS or not (note.isprintable() or not note):
        raise ValueError(f"a note must have at most {MOST_LETTERS} printable letters, on one line")
    return Maintenance(
        secrets.token_hex(6),
        desk,
        starts_at,
        ends_at,
        tuple(series),
        tuple(categories),
        weekly,
        note,
        created_by=by,
        created_at=now,
    )


def exactly(name: str) -> str:
    """A glob that fits this name and no other.

    >>> exactly("disk[0]")
    'disk[[]0]'
    """
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def spans(
    one: Maintenance, start: datetime, stop: datetime, zone: ZoneInfo
) -> list[tuple[datetime, datetime]]:
    """When a maintenance holds within [start, stop); a weekly one by the clock on the wall.

    >>> berlin, at = ZoneInfo("Europe/Berlin"), datetime(2026, 3, 22, 1, tzinfo=UTC)
    >>> sunday = Maintenance("m", "it", at, at + timedelta(hours=2), weekly=True)
    >>> for begin, end in spans(sunday, at, at + WEEK + timedelta(hours=3), berlin):
    ...     print(begin.astimezone(berlin), end - begin)
    2026-03-22 02:00:00+01:00 2:00:00
    2026-03-29 03:00:00+02:00 1:00:00
    """
    first = (one.starts_at.astimezone(zone), one.ends_at.astimezone(zone))
    until = min(stop, one.removed_at or stop)
    found = []
    # A week too early, for the clocks may have been moved since.
    number = max((start - one.ends_at) // WEEK, 0) if one.weekly else 0
    while True:
        begin, end = ((at + number * WEEK).astimezone(UTC) for at in first)
        if begin >= until:
            return found
        if end > start and min(end, until) > begin:
            found.append((begin, min(end, until)))
        if not one.weekly:
            return found
        number += 1


def now_or_next(
    one: Maintenance, now: datetime, zone: ZoneInfo
) -> tuple[datetime, datetime] | None:
    """The span that holds now, or the next one to come; None where it is over."""
    end = max(now, one.starts_at) + 2 * WEEK
    return next(iter(spans(one, now, end, zone)), None)
