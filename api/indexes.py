"""Each desk's tickets by what they say, filled from the store while requests are answered."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import anyio
import numpy as np

from api.champion import POLL_SECONDS, Champion, Champions
from api.opened import UNREACHABLE, OpenStore
from data.records import Ticket
from data.store import Store
from data.store_tickets import Change
from data.ticket_texts import Key, fields_of, joined, key_named, key_of, name_of, texts_of
from data.vectors import vectors_of
from features.embedding import Encoder, Keep, Make
from models.nearby import Nearby
from models.similar import LIMIT, Duplicate, duplicates

AT_ONCE = 64  # tickets that are read in one step: the end of the process waits for no more
N_SWEPT = 500  # tickets whose being there is asked for in one step
N_OPEN = 50  # nearest open tickets whose words are compared: as many duplicates are told
SPARE = 10  # found beyond those wanted, as some may be erased

log = logging.getLogger("forewarn.indexes")


class Near(NamedTuple):
    """A ticket like the one asked for, and the cosine of both."""

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


class Index:
    """One desk's tickets. `step` is one thread's, and any may `look` meanwhile."""

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
        self._swept = self._swept + len(names) - len(gone) if len(names) == N_SWEPT else 0

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
        same: list[Duplicate] = duplicates(text, texts)
        return [Near(there[key_named(one.id)], one.similarity) for one in same]


class Indexes:
    """The indexes of those desks that were asked for. `follow` keeps them filled."""

    def __init__(
        self, home: Path, store: OpenStore, champions: Champions, *, limit: int = LIMIT
    ) -> None:
        self.home = home
        self.store = store
        self.champions = champions
        self.limit = limit
        self.has_stopped = False
        self._indexes: dict[str, Index] = {}
        self._lock = threading.Lock()

    def of(self, champion: Champion) -> Index:
        """The index of a desk; it begins empty when it is first asked for."""
        with self._lock:
            found = self._indexes.get(champion.desk)
            if found is None:
                found = self._indexes[champion.desk] = self._begun(champion)
        return found

    def _begun(self, champion: Champion) -> Index:
        meaning, keep = champion.triage.meaning, None
        if meaning is not None:
            keep = self._kept(meaning.encoder)
        nearby = Nearby(champion.triage, keep=keep, limit=self.limit)
        return Index(champion.desk, nearby, self.store().change_before(champion.desk, self.limit))

    def _kept(self, encoder: Encoder) -> Keep:
        """Vectors that a training, or a process before this one, has left are not made again."""
        vectors = vectors_of(self.home, encoder.id, encoder.n_dimensions)

        def keep(texts: Sequence[str], make: Make) -> np.ndarray:
            try:
                return vectors.of(texts, make)
            except (sqlite3.Error, OSError) as error:  # a full or a read-only disk
                log.warning("vectors cannot be kept, they are made anew: %s", error)
                return make(texts)

        return keep

    def step(self) -> bool:
        """Take in some of what changed on each desk; whether there may be more."""
        try:
            return any([self._follow(index) for index in list(self._indexes.values())])
        except UNREACHABLE as error:
            self.store.say_unreachable(error)
            return False

    def _follow(self, index: Index) -> bool:
        champion = self.champions.get(index.desk)
        if champion is not None and not index.nearby.reads_as(champion.triage):
            index = self._indexes[index.desk] = self._begun(champion)
        return index.step(self.store())

    async def follow(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Step for ever, in a thread, so that requests go on meanwhile."""
        while True:
            more = await anyio.to_thread.run_sync(self.step)
            await anyio.sleep(0 if more else poll_seconds)

    def say_stopped(self, following: asyncio.Task[None]) -> None:
        """Called when `follow` ends: other than by being cancelled it never should."""
        if not following.cancelled() and (error := following.exception()):
            self.has_stopped = True
            log.critical("tickets are no longer indexed: %s", type(error).__name__)
