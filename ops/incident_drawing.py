"""Where the marks of an incident's pictures stand: x in percent of the width, y in pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from data.records import Alert, Change, DetectedIncident, Membership, Trace
from models.incidents import OF_TICKETS
from models.joining import thing_of
from ops import views

LANE, TOP = 46.0, 8.0  # pixels
ROUND = timedelta(minutes=30)  # shown before and after
LEAST = 0.6  # percent: a bar of one step is seen
TICKS = (5, 10, 15, 30, 60, 120, 240, 480, 1440, 2880)  # minutes
MOST_TICKS = 6
MOST_CHARTS = 12
WIDTH, HEIGHT = 320.0, 72.0  # of a small chart, in units of its own
CHART_STEPS = 72
PRIORITIES = {"P1": "critical", "P2": "major"}


class Bar(NamedTuple):
    """An alert on its lane, from when it opened to when it closed."""

    id: str
    x: float
    width: float
    y: float
    name: str
    css: str
    told: str


class Mark(NamedTuple):
    """A moment, with what it was."""

    x: float
    told: str


@dataclass(frozen=True)
class Timeline:
    """A lane an alert, changes and what people said as lines through all of them."""

    bars: list[Bar]
    changes: list[Mark]
    words: list[Mark]
    ticks: list[Mark]
    height: float
    zone: str


def priority_class(priority: str) -> str:
    """The colour of a priority.

    >>> priority_class("P1"), priority_class("P4"), priority_class("2 - High")
    ('critical', 'minor', 'major')
    """
    number = next((letter for letter in priority if letter.isdigit()), "")
    return PRIORITIES.get(f"P{number}", "minor")


def timeline(
    alerts: Sequence[Alert],
    changes: Sequence[Change],
    one: DetectedIncident,
    now: datetime,
    zone: ZoneInfo,
) -> Timeline:
    """The alerts one below the other, in the order in which they opened."""
    last = max(alert.closed_at or now for alert in alerts)
    start = min([alert.opened_at for alert in alerts] + [change.at for change in changes]) - ROUND
    stop = min(max(last, start + 2 * ROUND) + ROUND, max(now, last))

    def x(at: datetime) -> float:
        share = (at - start) / (stop - start)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    bars = [
        Bar(
            alert.id,
            x(alert.opened_at),
            max(x(alert.closed_at or now) - x(alert.opened_at), LEAST),
            TOP + LANE * number,
            thing_of(alert).told,
            "tickets" if alert.kind in OF_TICKETS else "metric",
            f"{alert.opened_at.astimezone(zone):%H:%M}, {alert.summary}",
        )
        for number, alert in enumerate(alerts)
    ]
    marks = [
        Mark(x(change.at), f"{change.at.astimezone(zone):%H:%M} {change.title}")
        for change in changes
        if start <= change.at <= stop
    ]
    words = [
        Mark(x(at), f"{at.astimezone(zone):%H:%M} {word}")
        for word, at in (("proposed", one.proposed_at), ("confirmed", one.confirmed_at))
        if at is not None and start <= at <= stop
    ]
    ticks = [
        Mark(x(at), f"{at.astimezone(zone):%H:%M}" if stop - start < timedelta(days=2)
             else f"{at.astimezone(zone):%d %b %H:%M}")
        for at in round_times(start, stop, zone)
    ]  # fmt: skip
    return Timeline(
        bars, marks, words, ticks, TOP + LANE * len(bars), f"{start.astimezone(zone):%Z}"
    )


def round_times(start: datetime, stop: datetime, zone: ZoneInfo) -> list[datetime]:
    """Round times of the clock within [start, stop], few enough to be read."""
    minutes = (stop - start) / timedelta(minutes=1)
    step = next((one for one in TICKS if minutes / one <= MOST_TICKS), TICKS[-1])
    local = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    n = math.ceil((start - local) / timedelta(minutes=step))
    times = []
    while (at := local + n * timedelta(minutes=step)) <= stop:
        times.append(at)
        n += 1
    return times


def chart(alert: Alert, member: Membership, trace: Trace | None, zone: ZoneInfo) -> dict[str, Any]:
    """A small chart of an alert around its opening, and how it came to the incident."""
    drawn = lines(alert, trace) if trace is not None and trace.times else None
    sure = f"{member.probability:.0%} likely" if member.probability and not member.by else ""
    return {
        "id": alert.id,
        "name": thing_of(alert).told,
        "kind": views.KINDS[alert.kind],
        "at": f"{alert.opened_at.astimezone(zone):%H:%M}",
        "open": alert.closed_at is None,
        "why": alert.summary,
        "joined": ", ".join(one for one in (member.because, sure) if one),
        "width": WIDTH,
        "height": HEIGHT,
        **(drawn or {"band": "", "observed": [], "expected": [], "opened": None}),
    }


def lines(alert: Alert, trace: Trace) -> dict[str, Any]:
    """What was seen and what was expected as points of a picture; gaps part a line."""
    opened = min(range(len(trace.times)), key=lambda i: abs(trace.times[i] - alert.opened_at))
    stop = min(max(opened + CHART_STEPS // 2, 1), len(trace.times))
    start = max(stop - CHART_STEPS, 0)
    rows = slice(start, stop)
    observed, expected = trace.observed[rows], trace.expected[rows]
    lower, upper = trace.lower[rows], trace.upper[rows]
    known = [v for line in (observed, expected, lower, upper) for v in line if finite(v)]
    least, most = min(known, default=0.0), max(known, default=1.0)
    room = (most - least) or 1.0

    def point(i: int, value: float) -> str:
        x = WIDTH * i / max(stop - start - 1, 1)
        return f"{x:.1f},{4 + (HEIGHT - 8) * (1 - (value - least) / room):.1f}"

    both = [i for i in range(len(lower)) if finite(lower[i]) and finite(upper[i])]
    edge = [point(i, upper[i] or 0.0) for i in both]
    edge += [point(i, lower[i] or 0.0) for i in reversed(both)]
    return {
        "band": " ".join(edge),
        "observed": pieces(observed, point),
        "expected": pieces(expected, point),
        "opened": round(WIDTH * (opened - start) / max(stop - start - 1, 1), 1),
        "least": views.number(least),
        "most": views.number(most),
    }


def pieces(values: Sequence[float | None], point: Any) -> list[str]:
    """The unbroken parts of a line.

    >>> pieces([1.0, None, 2.0, 3.0], lambda i, v: f"{i},{v:g}")
    ['0,1', '2,2 3,3']
    """
    parts: list[list[str]] = [[]]
    for i, value in enumerate(values):
        if finite(value):
            parts[-1].append(point(i, value))
        elif parts[-1]:
            parts.append([])
    return [" ".join(part) for part in parts if part]


def finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
