"""What this process of the endpoint does, minute by minute, on its way into the store."""

import logging
import os
import socket
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import anyio

from api.champion import POLL_SECONDS, Champion
from api.following import Following
from api.opened import UNREACHABLE, OpenStore
from data.records import ServingWindow
from models.traffic import Key, bin_of, bucket

if TYPE_CHECKING:
    from api.answers import Scored

log = logging.getLogger("forewarn.traffic")

MINUTE = timedelta(minutes=1)
MOST_WAITING = 1440  # windows, a day of them, that wait for a store that is away: some 3 MB
SCORING = {
    "/v1/tickets",
    "/v1/tickets/score",
    "/v1/desks/{desk}/tickets",
    "/v1/desks/{desk}/tickets/score",
    "/invocations",
    "/v2/models/{model}/infer",
    "/v2/models/{model}/versions/{version}/infer",
    *(
        f"/v1/desks/{{desk}}/{one}"
        for one in ("zendesk", "servicenow", "jira", "freshservice", "events")
    ),
}
"""The routes whose time is told: those that score tickets and answer while somebody waits.

Not `score:batch`, of which one call may be a million tickets.
"""


class Traffic(Following):
    """Counts of the minute that goes on; `follow` writes those that are over. Threads may count."""

    log, ending = log, "what is served is no longer counted"

    def __init__(
        self, store: OpenStore, now: Callable[[], datetime], *, limit: int = MOST_WAITING
    ) -> None:
        self._store = store
        self._now = now
        self._lock = threading.Lock()
        self._waiting: deque[ServingWindow] = deque(maxlen=limit)
        self.begin()

    def begin(self) -> None:
        """Be a process that starts now: its windows are told apart from those of all others."""
        self._id, self._started_at = uuid.uuid4().hex, self._now()
        self._host, self._forewarn = socket.gethostname(), forewarn_version()
        self._open(self._started_at)

    def note(self, champion: Champion, results: Sequence["Scored"]) -> None:
        """Count what was said of tickets."""
        at = (champion.desk, champion.version)
        with self._lock:
            counts = self._current()
            counts.update(("tickets", *at, one.tier) for one in results)
            for one in results:
                for target, told in one.targets.items():
                    p = told["probability"]
                    counts["decisions", *at, target, told["decision"]] += 1
                    counts["bins", *at, target, str(bin_of(p))] += 1
                    counts["sure", *at, target] += p

    def add(self, some: Mapping[Key, float]) -> None:
        """Add counts of tickets that a challenger has scored, or has not."""
        with self._lock:
            self._current().update(some)

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        with self._lock:
            counts = self._current()
            counts["requests",] += 1
            if status in (429, 503):
                counts["status", str(status)] += 1
            if status >= 500:
                counts["status", "5xx"] += 1
            if route in SCORING and status < 400:  # a refusal is quick and says nothing of scoring
                counts["took", str(bucket(seconds))] += 1

    def step(self) -> None:
        """Write the windows that are over; they wait while the store is away."""
        with self._lock:
            self._current()
        self._write()

    def close(self) -> None:
        """Write what remains, as the last of this process."""
        with self._lock:
            self._finish(is_last=True)
        self._write()

    async def follow(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Step for ever, in a thread, so that requests go on meanwhile."""
        while True:
            if self._waiting or self._now() >= self._ends:
                await anyio.to_thread.run_sync(self.step)
            await anyio.sleep(poll_seconds)

    def _write(self) -> None:
        windows = list(self._waiting)
        if not windows:
            return
        try:
            self._store().put_serving(windows)
        except UNREACHABLE as error:
            self._store.say_unreachable(error)
            return
        with self._lock:  # while they were written others may have joined, or pushed them out
            written = {(one.process, one.at) for one in windows}
            while self._waiting and (self._waiting[0].process, self._waiting[0].at) in written:
                self._waiting.popleft()

    def _current(self) -> Counter[Key]:
        """The counts of this minute; those of one that is over are put aside."""
        now = self._now()
        if now >= self._ends:
            self._finish()
            self._open(now)
        return self._counts

    def _open(self, now: datetime) -> None:
        self._at = now.replace(second=0, microsecond=0)
        self._ends = self._at + MINUTE
        self._counts: Counter[Key] = Counter()

    def _finish(self, *, is_last: bool = False) -> None:
        self._waiting.append(
            ServingWindow(
                self._id, self._at.astimezone(UTC), self._host, os.getpid(), self._started_at,
                self._forewarn, self._counts, is_last,
            )
        )  # fmt: skip


def forewarn_version() -> str:
    """The installed version; "unknown" where the code runs without having been installed."""
    try:
        return version("forewarn")
    except PackageNotFoundError:
        return "unknown"
