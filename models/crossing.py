"""A forecast in words, the same on the command line, in a picture and on the page."""

from data.records import Crossing

DAY = 86_400


def told(one: Crossing) -> str:
    """When it crosses, in words.

    >>> from datetime import UTC, datetime
    >>> at = datetime(2026, 3, 4, tzinfo=UTC)
    >>> some = (3.2 * DAY, 2.1 * DAY, 6.0 * DAY, 1.9 * DAY, None)
    >>> told(Crossing("it", "disk", 95.0, "up", 14 * DAY, at, "crosses", 80.0, *some, 0.93))
    'in 3.2 days (2.1 to 6.0 days, 80 %)'
    """
    if one.state == "over":
        return "has crossed it"
    if one.state == "unknown":
        return f"cannot say yet: {one.why}"
    cleaned = one.cleaned_first is not None and one.cleaned_first >= 0.5
    habit = "; the cleanup comes first" if cleaned else ""
    if one.state == "holds" or one.median is None:
        return f"not within {lasting(one.horizon_seconds)}{habit}"
    low = "0 min" if one.lower_80 is None else lasting(one.lower_80)
    high = f"over {lasting(one.horizon_seconds)}" if one.upper_80 is None else lasting(one.upper_80)
    number, _, unit = low.partition(" ")
    low = number if high.endswith(f" {unit}") and not high.startswith("over") else low
    return f"in {lasting(one.median)} ({low} to {high}, 80 %)"


def lasting(seconds: float) -> str:
    """A length of time in words.

    >>> lasting(300), lasting(5 * 3600), lasting(1.25 * DAY), lasting(14 * DAY)
    ('5 min', '5.0 h', '1.2 days', '14 days')
    """
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < DAY:
        return f"{seconds / 3600:.1f} h"
    days = seconds / DAY
    return f"{days:.0f} days" if days >= 10 else f"{days:.1f} days"


def measured(value: float | None, unit: str) -> str:
    """A value with its unit.

    >>> measured(81.26, "%"), measured(1234567.0, ""), measured(None, "GB")
    ('81.3 %', '1,234,567', 'unknown')
    """
    if value is None:
        return "unknown"
    shown = f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.3g}"
    return f"{shown} {unit}".rstrip()


def percent(chance: float | None) -> str:
    """A probability as a person reads it.

    >>> percent(0.937), percent(0.9999), percent(0.0), percent(None)
    ('94 %', 'over 99 %', 'under 1 %', 'unknown')
    """
    if chance is None:
        return "unknown"
    if chance > 0.99:
        return "over 99 %"
    return "under 1 %" if chance < 0.01 else f"{chance:.0%}".replace("%", " %")
