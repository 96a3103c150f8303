"""Whether the place that a simulated fault was confined to is the one that is named."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from data.records import Ticket
from data.simulate import Simulated, simulate
from models.where import where
from pipelines.feeds import TARGET
from pipelines.origins import USUAL

END = datetime(2026, 3, 2, tzinfo=UTC)
WEEKS, INCIDENT_WEEKS = 8, 2
DESKS = {600: range(100, 120), 3000: range(100, 120), 20_000: range(120, 126)}  # others chose
BEFORE, AFTER = timedelta(hours=1), timedelta(minutes=90)  # of an alert that grew for a while
N_CALM = 20  # times a desk, without a fault, at which tickets are looked at all the same
MANY = 5  # tickets from the place, that it can be told by at all
KINDS = ("site", "site and device", "nothing", "no fault")
COLUMNS = (
    "tickets a week", "confined to", "n", "exactly", "in part", "wrongly", "nothing named",
    f"exactly, of those with {MANY} tickets from there",
)  # fmt: skip
Attributes = Mapping[str, str]


class Case(NamedTuple):
    """What a surge was confined to, what was named, and how many tickets came from there."""

    kind: str
    planted: Attributes
    named: Attributes
    n: int


def cases(desk: Simulated, rng: np.random.Generator) -> Iterator[Case]:
    """Every fault of a desk, and some calm times in the week before there are any."""
    for incident, strike in zip(desk.incidents, desk.strikes, strict=True):
        kind = " and ".join(strike) or "nothing"
        yield case(desk.tickets, kind, strike, incident.categories[0], incident.onset_at)
    stop = END - timedelta(weeks=INCIDENT_WEEKS) - AFTER
    calm = [one for one in desk.tickets if stop - timedelta(weeks=1) < one.opened_at < stop]
    for at in rng.integers(0, len(calm), N_CALM).tolist():
        yield case(desk.tickets, "no fault", {}, calm[at].labels[TARGET], calm[at].opened_at)


def case(
    tickets: Sequence[Ticket], kind: str, planted: Attributes, category: str, onset: datetime
) -> Case:
    """What is named of a category's tickets around a moment."""
    start, stop = onset - BEFORE, onset + AFTER
    about = [one for one in tickets if one.labels[TARGET] == category]
    here = [told(one) for one in about if start <= one.opened_at < stop]
    found = where(here, [told(one) for one in about if start - USUAL <= one.opened_at < start])
    there = sum(planted.items() <= one.items() for one in here)
    return Case(kind, planted, dict(found.attributes) if found else {}, there)


def told(ticket: Ticket) -> dict[str, str]:
    """Where a ticket comes from, its channel, too."""
    return {**ticket.attributes, "channel": str(ticket.channel)}


def row(tickets_a_week: int, kind: str, found: Iterable[Case]) -> list[str]:
    """The row of one kind of surge.

    >>> leeds = {"site": "Leeds"}
    >>> row(600, "site", [Case("site", leeds, leeds, 9), Case("site", leeds, {}, 4)])
    ['600', 'site', '2', '1', '0', '0', '1', '1 of 1']
    """
    some = [one for one in found if one.kind == kind]
    exact = [one for one in some if one.named == one.planted and one.planted]
    part = [one for one in some if one.named != one.planted and agree(one)]
    none = [one for one in some if not one.named]
    wrong = len(some) - len(exact) - len(part) - len(none)
    told = [one for one in some if one.planted and one.n >= MANY]
    of_many = f"{sum(one in exact for one in told)} of {len(told)}" if told else "–"
    counts = (len(some), len(exact), len(part), wrong, len(none))
    return [f"{tickets_a_week:,}", kind, *map(str, counts), of_many]


def agree(one: Case) -> bool:
    """Whether something of what was named was planted, and nothing that is named contradicts it."""
    both = one.named.keys() & one.planted.keys()
    return bool(both) and all(one.named[name] == one.planted[name] for name in both)


def rows() -> Iterator[list[str]]:
    """One row a size of desk and a kind of surge."""
    for size, seeds in DESKS.items():
        found: list[Case] = []
        for seed in seeds:
            desk = simulate(
                seed, end=END, weeks=WEEKS, incident_weeks=INCIDENT_WEEKS, tickets_a_week=size
            )
            found += cases(desk, np.random.default_rng(seed))
        yield from (row(size, kind, found) for kind in KINDS)
