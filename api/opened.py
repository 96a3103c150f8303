"""The store, opened when it is first needed, so that the endpoint starts without a database."""

import logging
import threading

from data.database import BUSY_TIMEOUT_SECONDS, UNREACHABLE
from data.store import Store

__all__ = ["UNREACHABLE", "OpenStore"]

log = logging.getLogger("forewarn.store")


class OpenStore:
    """`store()` is the Store on `url`. While it cannot be opened, each call tries anew.

    No call waits longer than `wait_seconds` for others, or for a host that says nothing.
    """

    def __init__(self, url: str, wait_seconds: float = BUSY_TIMEOUT_SECONDS) -> None:
        self.url = url
        self.wait_seconds = wait_seconds
        self._store: Store | None = None
        self._lock = threading.Lock()
        self._is_reported = False

    def __call__(self) -> Store:
        with self._lock:
            if self._store is None:
                self._store = Store(self.url, self.wait_seconds)
            return self._store

    def ping(self) -> None:
        self().ping()
        self._is_reported = False

    def say_unreachable(self, error: Exception) -> None:
        """Log once until the database is back: a probe asks every few seconds."""
        if not self._is_reported:
            # Only the driver's words: SQLAlchemy's message repeats the rows that were written.
            log.error("the database cannot be reached: %s", getattr(error, "orig", error))
        self._is_reported = True

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
