"""A ladder of budgets in words and rows."""

import math
from collections.abc import Sequence

from data.replays import BudgetTold, Estimate, Fired, ReplayTold

COLUMNS = (
    "budget", "alerts", "a week", "found", "at random", "p50 min", "p90 min",
    "false a week",
)  # fmt: skip
FIRED_COLUMNS = ("opened, UTC", "lasted", "× threshold", "about", "why")
EXPLAINED = (
    "budget: false alerts a week, ◂ the one that is set; in brackets what holds with 95 %, "
    "? where too few were seen; at random: found by as many alerts on any series at any time; "
    "p50, p90: minutes from the onset until told"
)
UNKNOWN = "-"


def heading(told: ReplayTold) -> str:
    """What was replayed, in one line."""
    return (
        f"{told.n_series:,} series, detector {told.detector}, "
        f"judged over {told.n_weeks:.1f} weeks, {told.start:%Y-%m-%d} to {told.stop:%Y-%m-%d}"
    )


def columns(told: ReplayTold) -> list[str]:
    """The columns of `budget_rows`: without incidents nothing is known of what was found."""
    return list(COLUMNS if told.incidents else COLUMNS[:3])


def budget_rows(told: ReplayTold) -> list[list[str]]:
    """One row a budget; the one that is set is marked."""
    n = len(told.incidents)
    rows = [budget_row(one, n, one.budget == told.marked) for one in told.budgets]
    return [row[: len(columns(told))] for row in rows]


def budget_row(one: BudgetTold, n_incidents: int, is_marked: bool) -> list[str]:
    """Figures with their 95 % intervals in brackets."""
    return [
        f"{one.budget:g}" + (" ◂" if is_marked else ""),
        f"{one.n_alerts:,}",
        estimate(one.per_week, ".1f"),
        f"{one.n_found}/{n_incidents}: {percent(one.found)}",
        UNKNOWN if math.isnan(one.by_chance) else f"{one.by_chance:.1%}",
        estimate(one.median_minutes, ".0f"),
        estimate(one.p90_minutes, ".0f"),
        estimate(one.false_per_week, ".1f"),
    ]


def percent(share: Estimate) -> str:
    """A share and its interval in hundredths.

    >>> percent(Estimate(0.5, 0.25, 0.75))
    '50% (25–75)'
    """
    return estimate(Estimate(*(100 * one for one in share)), ".0f").replace(" ", "% ", 1)


def estimate(found: Estimate, form: str) -> str:
    """A figure and its interval; an end that too few cases give is left open.

    >>> estimate(Estimate(6.5, 3.1, 12.3), ".1f"), estimate(Estimate(9, 5, math.nan), ".0f")
    ('6.5 (3.1–12)', '9 (5–?)')
    >>> estimate(Estimate(9, math.nan, math.nan), ".0f"), estimate(Estimate(*[math.nan] * 3), "")
    ('9', '-')
    """
    if math.isnan(found.value):
        return UNKNOWN
    value, low, high = (
        "?" if math.isnan(one) else f"{one:.0f}" if one >= 10 else f"{one:{form}}" for one in found
    )
    return value if low == high == "?" else f"{value} ({low}–{high})"


def fired_rows(told: ReplayTold, n: int) -> list[list[str]]:
    """One row an alert, the strongest first."""
    titles = {one.id: one.title for one in told.incidents}
    return [
        [
            f"{one.opened_at:%Y-%m-%d %H:%M}",
            lasted(one, told.step_seconds),
            f"{one.strength:.1f}",
            titles.get(one.incident, UNKNOWN),
            one.why,
        ]
        for one in told.strongest(told.marked, n)
    ]


def lasted(one: Fired, step_seconds: int) -> str:
    """How long an episode lasted, its last step too; one that was open at the end has no end."""
    if one.closed_at is None:
        return "open"
    minutes = ((one.closed_at - one.opened_at).total_seconds() + step_seconds) / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def notes(told: ReplayTold) -> Sequence[str]:
    """What was left out, and how a comparison is had where no incident is known."""
    if told.incidents:
        return told.notes
    return (
        *told.notes,
        "Which alerts are false is not known: name incidents with --incidents FILE",
    )
