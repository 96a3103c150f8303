"""Keys that were asked for a moment ago: the store is asked once a second, not at each request."""

import time
from collections.abc import Callable
from typing import NamedTuple

from api.opened import OpenStore
from data.keys import ApiKey

SECONDS = 1.0
"""A key that was revoked is refused after that long at the latest."""

PATIENCE = 0.5
"""So many seconds the store has to answer for a key that was good a moment ago."""

GRACE = 300.0
"""So long a key that was good goes on being so where the store cannot be asked: to score needs
nothing else of it. That a key was revoked is not heard meanwhile; that it has expired is."""

MOST = 10_000


class Known(NamedTuple):
    """A key, when the store last said that it is there, and when it was last asked."""

    key: ApiKey
    confirmed: float
    asked: float


class KnownKeys:
    """The keys of the store, each kept for `SECONDS`. Of a key nothing is known but its hash."""

    def __init__(self, store: OpenStore, clock: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self.clock = clock
        self._found: dict[str, Known] = {}

    def recent(self, id: str) -> ApiKey | None:
        """The key as it was up to a second ago; None where the store must be asked."""
        known = self._found.get(id)
        is_asked = known is not None and self.clock() - known.asked < SECONDS
        return self.remembered(id) if is_asked else None

    def find(self, id: str) -> ApiKey | None:
        """The key as it is now; None where there is none."""
        now, key = self.clock(), self.store().key(id)
        if key is None:
            self._found.pop(id, None)
        else:
            if len(self._found) >= MOST:
                self._found.clear()
            self._found[id] = Known(key, now, now)
        return key

    def remembered(self, id: str) -> ApiKey | None:
        """The key as it was when the store last answered, unless that is too long ago."""
        known = self._found.get(id)
        return known.key if known and self.clock() - known.confirmed < GRACE else None

    def spare(self, id: str) -> None:
        """Ask the store for this key no sooner than in `SECONDS`: it is being asked already."""
        if known := self._found.get(id):
            self._found[id] = known._replace(asked=self.clock())
