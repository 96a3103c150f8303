"""Each desk's tickets by what they say, filled from the store while requests are answered."""

import logging
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import anyio
import numpy as np

from api.champion import POLL_SECONDS, Champion, Champions
from api.following import Following
from api.opened import UNREACHABLE, OpenStore
from data.ticket_index import TicketIndex
from data.vectors import vectors_of
from features.embedding import Encoder, Keep, Make
from models.nearby import Nearby
from models.similar import LIMIT

log = logging.getLogger("forewarn.indexes")


class Indexes(Following):
    """The indexes of those desks that were asked for. `follow` keeps them filled."""

    log, ending = log, "tickets are no longer indexed"

    def __init__(
        self, home: Path, store: OpenStore, champions: Champions, *, limit: int = LIMIT
    ) -> None:
        self.home = home
        self.store = store
        self.champions = champions
        self.limit = limit
        self._indexes: dict[str, TicketIndex] = {}
        self._lock = threading.Lock()

    def of(self, champion: Champion) -> TicketIndex:
        """The index of a desk; it begins empty when it is first asked for."""
        with self._lock:
            found = self._indexes.get(champion.desk)
            if found is None:
                found = self._indexes[champion.desk] = self._begun(champion)
        return found

    def _begun(self, champion: Champion) -> TicketIndex:
        meaning, keep = champion.triage.meaning, None
        if meaning is not None:
            keep = self._kept(meaning.encoder)
        nearby = Nearby(champion.triage, keep=keep, limit=self.limit)
        return TicketIndex(
            champion.desk, nearby, self.store().change_before(champion.desk, self.limit)
        )

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

    def _follow(self, index: TicketIndex) -> bool:
        champion = self.champions.get(index.desk)
        if champion is not None and not index.nearby.reads_as(champion.triage):
            index = self._indexes[index.desk] = self._begun(champion)
        return index.step(self.store())

    async def follow(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Step for ever, in a thread, so that requests go on meanwhile.

        After each step it rests as long as that took: a request must not wait for its turn.
        """
        while True:
            began = anyio.current_time()
            more = await anyio.to_thread.run_sync(self.step)
            await anyio.sleep(anyio.current_time() - began if more else poll_seconds)
