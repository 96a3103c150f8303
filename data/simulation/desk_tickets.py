"""The tickets of the simulated desk: when they come, who writes them, how they are labelled."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from data.records import Ticket
from data.simulation.activity import BIN_SECONDS, Calendar, ticket_rates
from data.simulation.desk import CATEGORIES, Category
from data.simulation.dice import Dice
from data.simulation.faults import Fault, extra_rates
from data.simulation.people import Person, draw_people
from data.simulation.phrases import Pattern, Phrases, load
from data.simulation.writing import write_ticket

LABEL_NOISE = 0.045  # tickets filed under a neighbouring category
SHARED_TEXTS = 0.08  # tickets whose words fit several categories
CHANNELS = {"email": 0.38, "portal": 0.34, "phone": 0.18, "chat": 0.10}
FAULT_CHANNELS = {"email": 0.22, "portal": 0.30, "phone": 0.34, "chat": 0.14}
HOURS_TO_RESOLVE = {"P1": 3, "P2": 8, "P3": 26, "P4": 55}


class Arrivals(NamedTuple):
    """When tickets came (`at`, `datetime64[s]`), of which category, and of which fault or -1."""

    at: np.ndarray
    category: np.ndarray
    fault: np.ndarray


def draw_arrivals(
    rng: np.random.Generator, when: Calendar, faults: Iterable[Fault], activity: np.ndarray,
    tickets_a_week: float,
) -> Arrivals:  # fmt: skip
    """Ordinary tickets and those that the faults cause, in order of time."""
    ordinary = rng.poisson(ticket_rates(rng, when, tickets_a_week))
    parts = [_scatter(rng, when, ordinary, -1)]
    for i, fault in enumerate(faults):
        rates = np.zeros(ordinary.shape)
        for affected, share in fault.categories.items():
            rates[:, affected] = share * extra_rates(fault, activity, tickets_a_week)
        parts.append(_scatter(rng, when, rng.poisson(rates), i))
    at, category, of_fault = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(at, kind="stable")
    return Arrivals(at[order], category[order], of_fault[order])


def _scatter(rng: np.random.Generator, when: Calendar, counts: np.ndarray, fault: int) -> Arrivals:
    rows, columns = (
        np.repeat(place, counts.ravel()) for place in np.indices(counts.shape).reshape(2, -1)
    )
    at = when.starts[rows] + rng.integers(0, BIN_SECONDS, rows.size).astype("timedelta64[s]")
    return Arrivals(at, columns, np.full(rows.size, fault))


def write_tickets(
    rng: np.random.Generator, arrivals: Arrivals, desk: str, end: datetime
) -> list[Ticket]:
    """A ticket for each arrival, with text, labels, channel, requester and time of resolution."""
    desk_writer = _Writer(Dice(rng), load())
    columns = zip(arrivals.at.tolist(), arrivals.category, arrivals.fault, strict=True)
    return [
        desk_writer.ticket(
            desk, number, at.replace(tzinfo=UTC), CATEGORIES[category], fault >= 0, end
        )
        for number, (at, category, fault) in enumerate(columns, start=1)
    ]


class _Writer:
    """The desk's people, their texts and the dice that choose among them."""

    def __init__(self, dice: Dice, phrases: Phrases) -> None:
        self.dice = dice
        self.phrases = phrases
        names = (phrases.common[key] for key in ("first_name", "last_name", "department"))
        self.people = draw_people(dice, *names)
        self.mixed = {c.name: [k for k in phrases.shared if c.name in k] for c in CATEGORIES}

    def ticket(
        self, desk: str, number: int, at: datetime, category: Category, faulty: bool, end: datetime
    ) -> Ticket:
        pattern = self._pattern(category, faulty)
        channels = FAULT_CHANNELS if faulty else CHANNELS
        channel = tuple(channels)[self.dice.weighted(tuple(channels.values()))]
        author = self._author()
        felt = self._levels(pattern, category, faulty)
        title, body = write_ticket(pattern, author, channel, felt, self.phrases, self.dice)
        labels = self._labels(category, felt)
        resolved_at = self._resolved_at(at, labels["priority"])
        return Ticket(
            desk, "simulated", f"SIM{number:07d}", at, title, body,
            resolved_at if resolved_at < end else None, labels, channel, author.email,
        )  # fmt: skip

    def _author(self) -> Person:
        """A few people write often, most seldom."""
        return self.people[int(len(self.people) * self.dice.uniform() ** 1.7)]

    def _pattern(self, category: Category, faulty: bool) -> Pattern:
        if faulty and self.dice.chance(0.85):
            return self.dice.pick(self.phrases.incident[category.name])
        if self.mixed[category.name] and self.dice.chance(SHARED_TEXTS):
            return self.dice.pick(self.phrases.shared[self.dice.pick(self.mixed[category.name])])
        return self.dice.pick(self.phrases.ordinary[category.name])

    def _levels(self, pattern: Pattern, category: Category, faulty: bool) -> tuple[int, int]:
        """Impact and urgency as the author feels them."""
        impact = 1 + self.dice.weighted(category.impacts)
        urgency = 1 + self.dice.weighted(category.urgencies)
        if pattern.impact and pattern.urgency and self.dice.chance(0.8):
            impact, urgency = pattern.impact, pattern.urgency
        if faulty:  # nobody says of an outage that next week is fine
            urgency = min(urgency, 2)
        if faulty and self.dice.chance(0.5):
            impact, urgency = max(impact - 1, 1), max(urgency - 1, 1)
        return impact, urgency

    def _labels(self, category: Category, felt: tuple[int, int]) -> dict[str, str]:
        """What the agent files: not always the right category, nor the level that was felt."""
        name = category.name
        if self.dice.chance(LABEL_NOISE):
            name = category.neighbours[self.dice.weighted((0.65, 0.35))]
        impact, urgency = (self._blur(level) for level in felt)
        priority = min(impact + urgency - 1, 4)
        return {"category": name, "impact": str(impact), "urgency": str(urgency),
                "priority": f"P{priority}", "group": self._group(name, priority)}  # fmt: skip

    def _blur(self, level: int) -> int:
        if not self.dice.chance(0.1):
            return level
        return min(max(level + self.dice.pick((-1, 1)), 1), 3)

    def _group(self, name: str, priority: int) -> str:
        if priority == 1 and self.dice.chance(0.5):
            return "Major Incidents"
        if self.dice.chance(0.07):
            return "Service Desk"
        return next(category.group for category in CATEGORIES if category.name == name)

    def _resolved_at(self, at: datetime, priority: str) -> datetime:
        hours = HOURS_TO_RESOLVE[priority] * np.exp(0.9 * self._normal())
        return at + timedelta(seconds=round(hours * 3600))

    def _normal(self) -> float:
        """Nearly a standard normal number: twelve uniform ones, less six."""
        return sum(self.dice.uniform() for _ in range(12)) - 6
