"""Episodes that a detector saw, as alerts that a person can read."""

import hashlib
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from data.records import AlertKind
from models.watch import Change

ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def alert_id(desk: str, kind: AlertKind, key: str, opened_at: datetime) -> str:
    """The id that an alert gets when it opens and keeps.

    >>> alert_id("it", "metric", "vpn_errors", datetime(2026, 3, 2, 9, tzinfo=UTC))
    '9cd22df61b0cf2a4'
    """
    about = "\n".join([desk, kind, key, opened_at.isoformat()])
    return hashlib.sha256(about.encode()).hexdigest()[:16]


def utc(at: np.datetime64) -> datetime:
    """The same moment as an aware datetime.

    >>> utc(np.datetime64("2026-03-02T09:05"))
    datetime.datetime(2026, 3, 2, 9, 5, tzinfo=datetime.timezone.utc)
    """
    return at.astype("datetime64[us]").item().replace(tzinfo=UTC)


def short(value: float) -> str:
    """A number with three digits that count.

    >>> [short(value) for value in (0.01234, 4.5, 180.0, 1234567.0, 0.0, float("nan"))]
    ['0.0123', '4.5', '180', '1,230,000', '0', 'unknown']
    """
    if not np.isfinite(value):
        return "unknown"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


class Told(NamedTuple):
    """What an alert says in numbers: at its peak, and what would have been normal then."""

    observed: float
    expected: float
    lower: float
    upper: float


def why(kind: AlertKind, key: str, peak_at: datetime, told: Told, zone: ZoneInfo) -> str:
    """One sentence: what was seen when, and what would have been normal then.

    >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    >>> why("metric", "vpn_errors", noon, Told(412.3, 200.0, 180.0, 240.0), ZoneInfo("UTC"))
    'vpn_errors is 412, expected 180 to 240 at 12:00 on a Monday'
    >>> why("surge", "vpn", noon, Told(31.0, 12.4, 3.1, 22.0), ZoneInfo("UTC"))
    '31 tickets on vpn in the hour to 12:00 on a Monday, expected 12, at most 22'
    """
    at = peak_at.astimezone(zone)
    when = f"{at:%H:%M} on a {at:%A}"
    if kind == "metric":
        normal = f"expected {short(told.lower)} to {short(told.upper)}"
        return f"{key} is {short(told.observed)}, {normal} at {when}"
    about = "in all" if key == "total" else f"on {key}"
    normal = f"expected {round_count(told.expected)}, at most {round_count(told.upper)}"
    return f"{round_count(told.observed)} tickets {about} in the hour to {when}, {normal}"


def ordinal(n: int) -> str:
    """The n-th, n at least 1.

    >>> [ordinal(n) for n in (1, 3, 12, 21, 1003)]
    ['first', 'third', '12th', '21st', '1,003rd']
    """
    if n < len(ORDINALS):
        return ORDINALS[n]
    ending = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{'th' if 10 < n % 100 < 14 else ending}"


def since_told(change: Change, zone: ZoneInfo) -> str:
    """How long a series is outside already, and when it last was; nothing where that is nothing.

    >>> from types import SimpleNamespace
    >>> before = np.datetime64("2026-03-02T09:05")
    >>> twice = SimpleNamespace(n_outside=3, last_seen=before, flapping=False)
    >>> since_told(twice, ZoneInfo("UTC"))
    '; third step outside; last seen 2026-03-02'
    """
    told = []
    if change.n_outside > 1:
        told.append(f"{ordinal(change.n_outside)} step outside")
    if change.flapping:
        told.append("flapping: it keeps opening and closing")
    if change.last_seen is not None:
        told.append(f"last seen {utc(change.last_seen).astimezone(zone):%Y-%m-%d}")
    return "".join(f"; {one}" for one in told)


def silent_why(key: str, last_at: datetime, zone: ZoneInfo, late_at: datetime | None) -> str:
    """One sentence: since when no points come; or, with `late_at`, that they come too late.

    >>> silent_why("vpn_errors", datetime(2026, 3, 2, 12, tzinfo=UTC), ZoneInfo("UTC"), None)
    'vpn_errors sends no points; the last one came at 12:00 on a Monday'
    """
    at = last_at.astimezone(zone)
    if late_at is not None:
        return (
            f"{key} sends points that come too late to be judged, since {at:%H:%M} on a {at:%A}; "
            f"the last of them is of {late_at.astimezone(zone):%H:%M}"
        )
    return f"{key} sends no points; the last one came at {at:%H:%M} on a {at:%A}"


def round_count(value: float) -> str:
    """A number of tickets, which is whole."""
    return f"{value:.0f}" if np.isfinite(value) else "unknown"
