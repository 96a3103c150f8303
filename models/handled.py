"""How long tickets took, and which were what they should be, from how they were handled."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from data.records import Ticket

SATISFIED = {"4", "5", "good"}  # of five, as the "top two boxes" of surveys count


class Lasting(NamedTuple):
    """How long each of some cases took: `seconds`, `ended`, `known`, each (n_cases,).

    Where a case has not ended, its seconds are those until it was last seen. What is not
    `known` counts for nothing.
    """

    seconds: np.ndarray
    ended: np.ndarray
    known: np.ndarray


class Answers(NamedTuple):
    """Yes or no of each of some cases, each (n_cases,) bool.

    `pending` cases have no answer yet; what is neither `known` nor pending counts for nothing.
    """

    yes: np.ndarray
    known: np.ndarray
    pending: np.ndarray


class Handled:
    """Tickets as arrays, one row a ticket, times in seconds since 1970, NaN where there is none.

    A source that never tells a thing of any ticket does not know it; where it tells it of others,
    a ticket without it has not come so far. `until` is the last time that each source told
    anything: a ticket that is open was still open then, and nobody knows of later.

    >>> from datetime import UTC, timedelta
    >>> nine, hour = datetime(2026, 3, 2, 9, tzinfo=UTC), timedelta(hours=1)
    >>> done = Ticket("it", "export", "1", nine, resolved_at=nine + hour)
    >>> lying = Ticket("it", "export", "2", nine + hour)
    >>> handled = Handled([done, lying], {"export": nine + 3 * hour})
    >>> handled.lasting("resolved_at")
    Lasting(seconds=array([3600., 7200.]), ended=array([ True, False]), known=array([ True, True]))
    >>> handled.lasting("first_response_at").known
    array([False, False])
    """

    def __init__(self, tickets: Sequence[Ticket], until: Mapping[str, datetime]) -> None:
        self.tickets = tickets
        self.at = self._times("opened_at")
        self.sources, self.source = np.unique(
            np.array([one.source for one in tickets], dtype=str), return_inverse=True
        )
        last = np.array([until[str(name)].timestamp() for name in self.sources])
        self.until = last[self.source] if len(tickets) else self.at
        self.resolved = self._times("resolved_at")
        self.is_open = np.isnan(self.resolved) & self.tells(~np.isnan(self.resolved))

    def _times(self, name: str) -> np.ndarray:
        found = (getattr(one, name) for one in self.tickets)
        return np.array([np.nan if at is None else at.timestamp() for at in found], float)

    def _said(self, name: str) -> np.ndarray:
        """What was said, as a number: NaN where nothing was."""
        found = (getattr(one, name) for one in self.tickets)
        return np.array([np.nan if value is None else float(value) for value in found], float)

    def tells(self, told: np.ndarray) -> np.ndarray:
        """For each ticket whether its source has told so of any ticket, (n_tickets,) bool."""
        n = np.bincount(self.source, weights=told, minlength=len(self.sources))
        tells: np.ndarray = (n > 0)[self.source]
        return tells

    def lasting(self, name: str) -> Lasting:
        """From when a ticket was opened until `name`.

        A ticket that was resolved without it never gets it, which says nothing of how long it
        would have taken; and one that had it before it was opened says nothing either.
        """
        at = self._times(name)
        ended = ~np.isnan(at)
        seconds = np.where(ended, at, self.until) - self.at
        known = self.tells(ended) & (ended | np.isnan(self.resolved)) & (seconds >= 0)
        return Lasting(seconds, ended, known)

    def within_sla(self) -> Answers:
        """Whether a ticket was resolved in time, as the desk says, or else by when it was due.

        One that is open has missed it once it was due, and has not met it before it is resolved.
        """
        due, said = self._times("sla_due_at"), self._said("sla_met")
        by_due = ~np.isnan(due) & self.tells(~np.isnan(self.resolved))
        late = np.where(self.is_open, self.until, self.resolved) > due
        met = np.where(np.isnan(said), ~late, said == 1)
        told = ~np.isnan(said) | by_due
        pending = told & self.is_open & met
        return Answers(met & told & ~pending, told & ~pending, pending)

    def at_first_contact(self) -> tuple[Answers, np.ndarray]:
        """Whether whoever answered first resolved it; and of which the desk itself says so.

        Of the others it is those that were resolved, never given to somebody else, and never
        opened again.
        """
        said = self._said("first_contact")
        moved = self._said("n_reassigned") + self._said("n_reopened")
        yes = np.where(np.isnan(said), moved == 0, said == 1)
        told = ~(np.isnan(said) & np.isnan(moved))
        pending = told & self.is_open
        known = told & ~pending
        return Answers(yes & known, known, pending), ~np.isnan(said)

    def satisfied(self) -> Answers:
        """Whether the requester was: 4 or 5 of 5, or "good". Who was not asked says nothing."""
        known = np.array([bool(one.csat) for one in self.tickets], bool)
        yes = np.array([one.csat in SATISFIED for one in self.tickets], bool)
        return Answers(yes, known, np.zeros(len(known), bool))
