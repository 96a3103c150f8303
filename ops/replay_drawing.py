"""Where the marks of a replay's charts stand: x in percent of the width, y in pixels.

Percent, so that a chart is as wide as its place while its words keep their size.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from data.replays import BudgetTold, Declared, Estimate, Fired, ReplayTold

LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 13.0, 97.0, 10.0, 164.0, 190.0
ROW = 30.0  # of the timeline
TIME_LEFT, TIME_RIGHT = 13.0, 99.0
LEAST_SPAN = 0.4  # percent: an incident of an hour is seen in eight weeks too
TICK_DAYS = (1, 2, 3, 7, 10, 14, 28, 56)
MOST_TICKS = 5  # what a phone has room for
BESIDE = 1.5  # percent: a second line's intervals stand beside the first one's


class Mark(NamedTuple):
    """A figure of one budget, and its interval from `low` to `high`; equal where there is none."""

    x: float
    y: float
    low: float
    high: float
    told: str


@dataclass(frozen=True)
class Line:
    """A figure of every budget; `name` is its class in the page's colours."""

    name: str
    word: str
    marks: list[Mark]

    @property
    def pieces(self) -> list[tuple[Mark, Mark]]:
        return list(zip(self.marks, self.marks[1:], strict=False))


@dataclass(frozen=True)
class Panel:
    """One chart by budget."""

    title: str
    lines: list[Line]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    marked: float
    height: float = HEIGHT
    diagonal: tuple[Mark, Mark] | None = None
    frame: tuple[float, float, float, float] = field(default=(LEFT, RIGHT, TOP, BOTTOM))


class Tick(NamedTuple):
    """An alert on the timeline."""

    x: float
    y: float
    is_right: bool
    told: str


@dataclass(frozen=True)
class Timeline:
    """A row a budget, the incidents behind them."""

    rows: list[tuple[float, str, bool]]
    spans: list[tuple[float, float, str]]
    ticks: list[Tick]
    days: list[tuple[float, str]]
    height: float
    knows_incidents: bool
    frame: tuple[float, float] = (TIME_LEFT, TIME_RIGHT)


def panels(told: ReplayTold) -> list[Panel]:
    """Alerts a week; and where incidents are known, the share found and the minutes until told."""
    if not told.incidents:
        return [alerts_panel(told)]
    return [alerts_panel(told), found_panel(told), minutes_panel(told)]


def alerts_panel(told: ReplayTold) -> Panel:
    least = told.budgets[0].budget / 2
    most = max(max(one.per_week.high, one.budget) for one in told.budgets)
    top = curved(most, least) * 1.04

    def y(value: float) -> float:
        return down(curved(value, least) / top)

    lines = [line(told, "all", "all alerts", lambda one: one.per_week, y, ".1f")]
    if told.incidents:
        false = line(told, "false", "false ones", lambda one: one.false_per_week, y, ".1f")
        lines.append(replace(false, marks=[m._replace(x=m.x + BESIDE) for m in false.marks]))
    values = [0.0, *(least * 2**n for n in range(1, 20) if least * 2**n <= most)]
    first, last = told.budgets[0].budget, told.budgets[-1].budget
    ends = [Mark(across(told, one), y(one), y(one), y(one), "") for one in (first, last)]
    return panel(
        told, "Alerts a week", lines, [(y(value), f"{value:g}") for value in values],
        (ends[0], ends[1]),
    )  # fmt: skip


def found_panel(told: ReplayTold) -> Panel:
    lines = [
        line(told, "all", "found", lambda one: one.found, down, ".0%"),
        line(told, "chance", "as many at random", lambda one: alone(one.by_chance), down, ".1%"),
    ]
    ticks = [(down(n / 4), f"{n * 25}%") for n in range(5)]
    return panel(told, f"Found of {len(told.incidents)} incidents", lines, ticks)


def minutes_panel(told: ReplayTold) -> Panel:
    figures = [
        value
        for one in told.budgets
        for value in (*one.median_minutes, one.p90_minutes.value)
        if not math.isnan(value)
    ]
    most = max([*figures, 1.0])

    def y(minutes: float) -> float:
        return down(minutes / (1.05 * most))

    lines = [
        line(told, "all", "median", lambda one: one.median_minutes, y, ".0f"),
        line(told, "chance", "90th percentile", lambda one: alone(one.p90_minutes.value), y, ".0f"),
    ]
    ticks = [(y(value), f"{value:g}") for value in round_steps(most)]
    return panel(told, "Minutes until told", lines, ticks)


def panel(
    told: ReplayTold,
    title: str,
    lines: list[Line],
    y_ticks: list[tuple[float, str]],
    diagonal: tuple[Mark, Mark] | None = None,
) -> Panel:
    x_ticks = [(across(told, one.budget), f"{one.budget:g}") for one in told.budgets]
    return Panel(title, lines, x_ticks, y_ticks, across(told, told.marked), diagonal=diagonal)


def line(
    told: ReplayTold,
    name: str,
    word: str,
    of: Callable[[BudgetTold], Estimate],
    y: Callable[[float], float],
    form: str,
) -> Line:
    """A figure of every budget that has one."""
    known = [(one, of(one)) for one in told.budgets if not math.isnan(of(one).value)]
    return Line(name, word, [mark(told, one, value, y, word, form) for one, value in known])


def mark(
    told: ReplayTold,
    one: BudgetTold,
    value: Estimate,
    y: Callable[[float], float],
    word: str,
    form: str,
) -> Mark:
    ends = [value.value if math.isnan(end) else end for end in value[1:]]
    said = f"{word} at {one.budget:g} a week: {value.value:{form}}"
    return Mark(across(told, one.budget), y(value.value), y(ends[0]), y(ends[1]), said)


def alone(value: float) -> Estimate:
    """A figure without an interval."""
    return Estimate(value, math.nan, math.nan)


def across(told: ReplayTold, budget: float) -> float:
    """Where a budget stands: twice the budget is always as far.

    A little room is left at both ends.
    """
    first, last = (math.log2(told.budgets[end].budget) for end in (0, -1))
    share = (math.log2(budget) - first) / (last - first) if last > first else 0.5
    return round(LEFT + (0.06 + 0.88 * share) * (RIGHT - LEFT), 2)


def down(share: float) -> float:
    """Where a share of the height stands.

    >>> down(0.0), down(1.0)
    (164.0, 10.0)
    """
    return round(BOTTOM - share * (BOTTOM - TOP), 1)


def curved(value: float, least: float) -> float:
    """Even up to `least`, and doubling from there on, so that none at all has its place too.

    >>> curved(0.0, 0.25), curved(0.25, 0.25), curved(1.0, 0.25)
    (0.0, 1.0, 3.0)
    """
    return value / least if value <= least else 1 + math.log2(value / least)


def round_steps(most: float) -> list[float]:
    """Some round figures from 0 up to `most`.

    >>> round_steps(85.0), round_steps(7.0)
    ([0.0, 20.0, 40.0, 60.0, 80.0], [0.0, 2.0, 4.0, 6.0])
    """
    rough = most / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((one * power for one in (1, 2, 5, 10)), key=lambda one: abs(one - rough))
    return [n * step for n in range(int(most / step) + 1)]


# -- the timeline -------------------------------------------------------------------------------


def timeline(told: ReplayTold, zone: ZoneInfo) -> Timeline:
    """When each budget would have fired."""
    highest = list(reversed(told.budgets))
    ys = {one.budget: ROW * (n + 0.5) for n, one in enumerate(highest)}
    titles = {one.id: one.title for one in told.incidents}
    return Timeline(
        [(ys[one.budget], f"{one.budget:g}", one.budget == told.marked) for one in highest],
        [span(told, one) for one in told.incidents],
        [tick(told, one, ys[one.budget], titles, zone) for one in told.fired],
        days(told, zone),
        ROW * len(ys),
        bool(told.incidents),
    )


def span(told: ReplayTold, one: Declared) -> tuple[float, float, str]:
    """Left end and width of an incident."""
    start, end = (along(told, at) for at in (one.onset_at, one.ended_at or one.onset_at))
    return start, round(min(max(end - start, LEAST_SPAN), TIME_RIGHT - start), 2), one.title


def tick(told: ReplayTold, one: Fired, y: float, titles: dict[str, str], zone: ZoneInfo) -> Tick:
    at = one.opened_at.astimezone(zone)
    said = f"{at:%a} {at.day} {at:%b %H:%M}: {one.why}"
    title = titles.get(one.incident)
    return Tick(along(told, one.opened_at), y, bool(title), f"{said} ({title})" if title else said)


def along(told: ReplayTold, at: datetime) -> float:
    """Where a time stands."""
    share = (at - told.start) / max(told.stop - told.start, timedelta(seconds=1))
    return round(TIME_LEFT + min(max(share, 0.0), 1.0) * (TIME_RIGHT - TIME_LEFT), 2)


def days(told: ReplayTold, zone: ZoneInfo) -> list[tuple[float, str]]:
    """Some midnights of the desk's clock, evenly apart."""
    start = told.start.astimezone(zone)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    n = (told.stop - told.start) / timedelta(days=1)
    apart = next((one for one in TICK_DAYS if n / one <= MOST_TICKS), math.ceil(n / MOST_TICKS))
    every = [midnight + timedelta(days=apart * i) for i in range(int(n / apart) + 1)]
    return [(along(told, at), f"{at.day} {at:%b}") for at in every if at < told.stop]
