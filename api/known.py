"""Keys that were asked for a moment ago: the store is asked once a second, not at each request."""

import time
from collections.abc import Callable

from api.opened import OpenStore
from data.keys import ApiKey

SECONDS = 1.0
"""A key that was revoked is refused after that long at the latest."""

MOST = 10_000


class KnownKeys:
    """The keys of the store, each kept for `SECONDS`. Of a key nothing is known but its hash."""

    def __init__(self, store: OpenStore, clock: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self.clock = clock
        self._found: dict[str, tuple[ApiKey, float]] = {}

    def recent(self, id: str) -> ApiKey | None:
        """The key as it was up to a second ago; None where the store must be asked."""
        key, at = self._found.get(id, (None, 0.0))
        return key if self.clock() - at < SECONDS else None

    def find(self, id: str) -> ApiKey | None:
        """The key as it is now; None where there is none."""
        now, key = self.clock(), self.store().key(id)
        if key is not None:
            if len(self._found) >= MOST:
                self._found.clear()
            self._found[id] = key, now
        return key
