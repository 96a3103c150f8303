"""A desk's stored tickets by what they say: taken in as they change, told as they stand."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from data.records import Ticket
from data.store import Store
from data.store_tickets import Change
from data.ticket_texts import Key, fields_of, joined, key_named, key_of, name_of, texts_of

AT_ONCE = 64  # tickets that are read in one step: the end of a process waits for no more
N_SWEPT = 500  # tickets whose being there is asked for in one step
N_OPEN = 50  # nearest open tickets whose words are compared: as many duplicates are told
SPARE = 10  # found beyond those wanted, as some may be erased


class Nearby(Protocol):
    """What the index needs of a model: `models.nearby` has it."""

    columns: tuple[str, ...]

    def __len__(self) -> int: ...
    def read(self, fields: Mapping[str, Sequence[str]]) -> np.ndarray: ...
    def put(self, ids: Sequence[str], vectors: np.ndarray, is_open: Sequence[bool]) -> None: ...
    def remove(self, ids: Iterable[str]) -> None: ...
    def nearest(self, vector: np.ndarray, k: int) -> list[tuple[str, float]]: ...
    def nearest_open(self, vector: np.ndarray, k: int) -> list[tuple[str, float]]: ...
    def same(self, text: str, others: Mapping[str, str]) -> Sequence[tuple[str, float]]: ...
    def some(self, at: int, n: int) -> list[str]: ...


class Near(NamedTuple):
    """A ticket like the one asked for: the cosine of both, or of a duplicate the shared words."""

    ticket: Ticket
    similarity: float


class Found(NamedTuple):
    """Past tickets, the likest first, and apart the open ones that say the same.

    `n_indexed` of `n_known` tickets were looked through.
    """

    tickets: list[Near]
    duplicates: list[Near]
    n_indexed: int
    n_known: int


class TicketIndex:
    """One desk's tickets. `step` is one thread's, and any may `look` meanwhile.

    Parameters
    ----------
    desk
        Whose tickets.
    nearby
        Tells how they are read, and which are alike.
    after
        The number of a change: only later ones are taken in.
    """

    def __init__(self, desk: str, nearby: Nearby, after: int) -> None:
        self.desk = desk
        self.nearby = nearby
        self.after = after  # the number of the last change that stands in it
        self._swept = 0
        self._lock = threading.Lock()

    def step(self, store: Store) -> bool:
        """Take in the next changes; whether there may be more."""
        changes = store.changes(self.desk, self.after, AT_ONCE)
        if changes:
            self._take(changes)
        if len(changes) < AT_ONCE:
            self._sweep(store)
        return len(changes) == AT_ONCE

    def _take(self, changes: Sequence[Change]) -> None:
        tickets = [change.ticket for change in changes]
        vectors = self.nearby.read(fields_of(tickets, self.nearby.columns))
        names = [name_of(key_of(one)) for one in tickets]
        with self._lock:
            self.nearby.put(names, vectors, [one.resolved_at is None for one in tickets])
        self.after = changes[-1].number

    def _sweep(self, store: Store) -> None:
        """Forget what was erased since, some tickets at a time."""
        with self._lock:
            names = self.nearby.some(self._swept, N_SWEPT)
        there = store.tickets_of(self.desk, [key_named(name) for name in names])
        gone = [name for name in names if key_named(name) not in there]
        with self._lock:
            self.nearby.remove(gone)
        self._swept = self._swept + N_SWEPT if len(names) == N_SWEPT else 0

    def look(
        self, store: Store, fields: Mapping[str, Sequence[str]], k: int, but: Key | None = None
    ) -> Found:
        """The k tickets nearest to the one in `fields`, without the ticket `but`.

        Every ticket is as the store has it now: one that was erased is not told.
        """
        vector = self.nearby.read(fields)[0]
        texts = {name: column[0] for name, column in fields.items()}
        same = self._duplicates(store, vector, joined(texts, self.nearby.columns), but)
        apart = {key_of(one.ticket) for one in same} | {but}
        tickets = self._nearest(store, vector, k, apart)
        n = len(self.nearby)
        return Found(tickets, same, n, n + store.n_changes(self.desk, self.after))

    def _nearest(
        self, store: Store, vector: np.ndarray, k: int, apart: set[Key | None]
    ) -> list[Near]:
        n = k + len(apart) + SPARE
        while True:
            with self._lock:
                hits = self.nearby.nearest(vector, n)
            keys = [key for name, _ in hits if (key := key_named(name)) not in apart]
            there = store.tickets_of(self.desk, keys)
            if len(there) >= k or len(hits) < n:
                cosines = {key_named(name): cosine for name, cosine in hits}
                return [Near(there[key], cosines[key]) for key in keys if key in there][:k]
            n *= 4

    def _duplicates(
        self, store: Store, vector: np.ndarray, text: str, but: Key | None
    ) -> list[Near]:
        with self._lock:
            hits = self.nearby.nearest_open(vector, N_OPEN)
        keys = [key for name, _ in hits if (key := key_named(name)) != but]
        there = store.tickets_of(self.desk, keys)
        texts = {
            name_of(key): joined(texts_of(there[key]), self.nearby.columns)
            for key in keys
            if key in there and there[key].resolved_at is None
        }
        same = self.nearby.same(text, texts)
        return [Near(there[key_named(name)], share) for name, share in same]
