"""Whether the attributes that a simulated fault was confined to are the ones that are named."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from data.records import Ticket
from data.simulate import Simulated
from models.where import where
from pipelines.feeds import TARGET
from pipelines.origins import USUAL

END = datetime(2026, 3, 2, tzinfo=UTC)
SEEDS = range(100, 120)  # other ones were looked at while this was made
WEEKS, INCIDENT_WEEKS = 6, 2
DESKS = (600, 3000, 20_000)  # tickets a week
BEFORE, AFTER = timedelta(hours=1), timedelta(minutes=90)  # of an alert that grew for a while
QUIET = 20  # times of a desk without a fault at which tickets are judged all the same
COLUMNS = ("tickets a week", "confined to", "faults", "named exactly", "named in part",
           "named wrongly", "nothing named")  # fmt: skip
Attributes = Mapping[str, str]


class Case(NamedTuple):
    """What a surge was confined to, what was named, and how many tickets it had."""

    kind: str
    planted: Attributes
    named: Attributes
    n: int


def cases(desk: Simulated, rng: np.random.Generator) -> Iterator[Case]:
    """Every fault of a desk with three tickets or more, and some quiet times."""
    for incident, strike in zip(desk.incidents, desk.strikes, strict=True):
        kind = " and ".join(strike) or "nothing"
        yield case(desk.tickets, kind, strike, incident.categories[0], incident.onset_at)
    first = END - timedelta(weeks=WEEKS) + USUAL + BEFORE
    busy = [one for one in desk.tickets if one.opened_at > first + timedelta(hours=2)]
    calm = END - timedelta(weeks=INCIDENT_WEEKS) - AFTER
    busy = [one for one in desk.tickets if first < one.opened_at < calm]
    for at in rng.integers(0, len(busy), QUIET if busy else 0).tolist():
        one = busy[at]
        yield case(desk.tickets, "no fault", {}, one.labels[TARGET], one.opened_at)


def case(
    tickets: Sequence[Ticket], kind: str, strike: Attributes, category: str, onset: datetime
) -> Case:
    """What is named of a category's tickets around a moment."""
    start, stop = onset - BEFORE, onset + AFTER
    about = [one for one in tickets if one.labels[TARGET] == category]
    here = [told(one) for one in about if start <= one.opened_at < stop]
    before = [told(one) for one in about if start - USUAL <= one.opened_at < start]
    found = where(here, before)
    return Case(kind, strike, dict(found.attributes) if found else {}, len(here))


def told(ticket: Ticket) -> dict[str, str]:
    """Where a ticket comes from, its channel, too."""
    return {**ticket.attributes, "channel": str(ticket.channel)}
