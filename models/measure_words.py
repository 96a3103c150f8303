"""The measures in words, rows, and places on a chart."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from models.figures import Figure
from models.measures import Report
from models.survival import Quantile

Kind = Literal["time", "count", "share"]
EITHER = "median or share"
COLUMNS = ("", "n", "open", EITHER, "p90", "not known")
MIDDLES: dict[Kind, str] = {"time": "median", "count": "median a day", "share": "share"}
EXPLAINED = (
    "In brackets what holds with 95 %, ? where so few cases, or so many that are not over yet, "
    "give no end; open: not over yet, and counted as such, never left out of a median."
)
TOO_FEW, NOT_REACHED, UNKNOWN = "too few", "not reached", "?"
FAR = 200  # an end of so many units is told in a larger one
REACH = 1.15  # a chart of times begins and ends this factor beyond them


class Word(NamedTuple):
    """How a measure is called, what kind it is, and what it says in one line."""

    title: str
    kind: Kind
    says: str


WORDS = {
    "detect": Word(
        "Time to detect",
        "time",
        "From an incident's true onset to the first alert about it; missed ones count as never",
    ),
    "acknowledge_alert": Word(
        "Time to acknowledge an alert", "time", "From an alert to a person's first word on it"
    ),
    "acknowledge": Word(
        "Time to acknowledge", "time", "From a ticket's opening until somebody took it on"
    ),
    "respond": Word("Time to respond", "time", "From a ticket's opening to the first answer"),
    "resolve": Word("Time to resolve", "time", "From a ticket's opening until it was resolved"),
    "volume": Word("Volume", "count", "Tickets a day, on whole days"),
    "recur": Word("Recurrence", "share", "Tickets like one of the 30 days before"),
    "recur_incident": Word(
        "Recurrence of incidents",
        "share",
        "Incidents on a category or series of one in the 30 days before",
    ),
    "sla": Word("SLA compliance", "share", "Tickets resolved in time"),
    "first_contact": Word(
        "First-contact resolution", "share", "Resolved tickets that whoever answered first resolved"
    ),
    "csat": Word("Satisfaction (CSAT)", "share", "Ratings that were good, or 4 or 5 of 5"),
}


def duration(seconds: float) -> str:
    """A time in the unit that a person would use.

    >>> duration(45), duration(780), duration(15_120), duration(267_840)
    ('45 s', '13 min', '4.2 h', '3.1 d')
    """
    size, name = unit_of(seconds)
    return f"{short(seconds / size)} {name}"


def unit_of(seconds: float) -> tuple[float, str]:
    """The unit in which a time is told: the largest of which it has two."""
    units = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))
    return next((unit for unit in units if seconds >= 2 * unit[0]), (1.0, "s"))


def amount(value: float, kind: Kind) -> str:
    """A value of a measure of that kind.

    >>> amount(0.3333, "share"), amount(1234.5, "count"), amount(120, "time")
    ('33.3 %', '1,234', '2 min')
    """
    if kind == "time":
        return duration(value)
    return f"{100 * value:.1f} %" if kind == "share" else short(value)


def short(value: float) -> str:
    """A number as long as a reader needs it.

    >>> short(1234.5), short(7.0), short(3.14), short(0.0123), short(0)
    ('1,234', '7', '3.1', '0.012', '0')
    """
    if value == round(value) or abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 0.1 else f"{value:.2g}"


def estimate(found: Quantile, kind: Kind) -> str:
    """A figure and its interval, or why there is none.

    >>> estimate(Quantile(0.5, 0.25, 0.75), "share"), estimate(Quantile(7, 5, math.inf), "count")
    ('50.0 % (25.0–75.0)', '7 (5–?)')
    >>> estimate(Quantile(7200, 4320, 9000), "time")
    '2 h (1.2–2.5)'
    >>> estimate(Quantile(*[math.nan] * 3), "time"), estimate(Quantile(*[math.inf] * 3), "time")
    ('too few', 'not reached')
    """
    if math.isnan(found.value):
        return TOO_FEW
    if math.isinf(found.value):
        beyond = f" (beyond {amount(found.low, 'time')})" if math.isfinite(found.low) else ""
        return NOT_REACHED + beyond
    middle, ends = amount(found.value, kind), [end_of(end, found, kind) for end in found[1:]]
    return middle if ends == [UNKNOWN, UNKNOWN] else f"{middle} ({ends[0]}–{ends[1]})"


def end_of(end: float, found: Quantile, kind: Kind) -> str:
    """An end of an interval, in the unit of the figure that it is of."""
    if not math.isfinite(end):
        return UNKNOWN
    if kind == "share":
        return f"{100 * end:.1f}"
    if kind == "count":
        return short(end)
    inside = end / unit_of(found.value)[0]
    return short(inside) if inside < FAR else duration(end)


def cells(one: Figure) -> list[str]:
    """A figure under `COLUMNS`."""
    kind = WORDS[one.measure].kind
    p90 = "" if kind == "share" else estimate(one.p90, kind)
    never = f", {one.n_never:,} never" if one.n_never else ""
    return [
        one.part or "all",
        f"{one.n:,}",
        (f"{one.n_open:,}" if kind == "time" or one.n_open else "") + never,
        estimate(one.middle, kind),
        p90,
        f"{one.n_unknown:,}" if one.n_unknown else "",
    ]


class Drawn(NamedTuple):
    """Where a figure stands on a chart, in percent of its width; None for what is not drawn."""

    low: float | None
    middle: float | None
    high: float | None
    p90: float | None


class Panel(NamedTuple):
    """One measure: its words, its rows (cells and places), and the ends of its scale.

    A column that says nothing of any row is left out.
    """

    name: str
    word: Word
    columns: list[str]
    rows: list[tuple[list[str], Drawn]]
    n_more: int
    ends: tuple[str, str] | None


def panels(report: Report, most: int = 12) -> list[Panel]:
    """A panel for each measure of which anything is known, with its `most` largest parts."""
    return [panel(name, report.of(name), most) for name in WORDS if is_known(report.of(name))]


def unknown(report: Report) -> list[Word]:
    """The measures of which nothing is known: what a desk's data does not carry."""
    return [word for name, word in WORDS.items() if not is_known(report.of(name))]


def is_known(figures: Sequence[Figure]) -> bool:
    return any(one.n or one.n_open for one in figures)


def panel(name: str, figures: Sequence[Figure], most: int) -> Panel:
    """The whole and the largest parts, on a scale that all of them share."""
    word, shown = WORDS[name], figures[: most + 1]
    values = [
        value
        for one in shown
        for value in (*one.middle, one.p90.value)
        if math.isfinite(value) and (word.kind != "time" or value > 0)
    ]
    first, last = scale(values, word.kind)
    texts = [cells(one) for one in shown]
    kept = [at for at in range(len(COLUMNS)) if any(row[at] for row in texts)]
    columns = [COLUMNS[at].replace(EITHER, MIDDLES[word.kind]) for at in kept]
    rows = [
        ([row[at] for at in kept], drawn(one, first, last, word.kind))
        for row, one in zip(texts, shown, strict=True)
    ]
    ends = (amount(first, word.kind), amount(last, word.kind)) if values else None
    return Panel(name, word, columns, rows, len(figures) - len(shown), ends)


def scale(values: Sequence[float], kind: Kind) -> tuple[float, float]:
    """Where a chart begins and ends: times by their ratio, all else from 0.

    >>> scale([0.2, 0.9], "share"), scale([3.0, 8.0], "count")
    ((0.0, 1.0), (0.0, 8.0))
    """
    if kind == "share" or not values:
        return 0.0, 1.0
    if kind == "count":
        return 0.0, max(*values, 1.0)
    return min(values) / REACH, max(values) * REACH


def drawn(one: Figure, first: float, last: float, kind: Kind) -> Drawn:
    """Places of a figure; an end that nobody knows lies at the edge, a figure that none knows not.

    >>> told = Figure("sla", "", 8, 6, 0, 0, 0, Quantile(0.75, 0.4, 0.9))
    >>> drawn(told, 0.0, 1.0, "share")
    Drawn(low=40.0, middle=75.0, high=90.0, p90=None)
    """

    def place(value: float) -> float | None:
        if not math.isfinite(value):
            return None
        if kind == "time":
            share = math.log(max(value, first) / first) / math.log(last / first)
        else:
            share = (value - first) / (last - first)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    middle = place(one.middle.value)
    if middle is None:
        return Drawn(None, None, None, place(one.p90.value))
    low, high = place(one.middle.low), place(one.middle.high)
    return Drawn(low or 0.0, middle, 100.0 if high is None else high, place(one.p90.value))
