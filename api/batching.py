"""Tickets of many requests scored together, and no more let in than can be answered soon."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio
import anyio.to_thread

from api.champion import Champion
from api.problems import Problem

AT_ONCE = 64
"""Tickets in a batch: beyond it nothing is saved, and who comes next would wait for nothing."""

FEW = 8
"""Tickets of one request that are looked at at once, between two steps of the event loop."""

WAITING = 8
"""So many tickets may be under way whatever they take: as many clients, one after another."""

FORGETS = 0.1
"""How much a batch counts in what a ticket is expected to take."""

Columns = Mapping[str, Sequence[str]]
Said = TypeVar("Said")
Read = Callable[[Champion, Columns], list[Said]]
Look = Callable[[Champion, Columns], list[Said] | None]


@dataclass
class Job(Generic[Said]):
    """Some tickets of one request, to be scored by the model that it began with."""

    champion: Champion
    columns: Columns
    n_tickets: int
    found: asyncio.Future[list[Said]]


class Batcher(Generic[Said]):
    """Scores tickets: what is soon said, at once; the rest off the event loop, a batch at a time.

    Most tickets need no encoder and take less than it takes to hand them to a thread. While a
    batch is read, all that comes gathers for the next one (as in Clipper: Crankshaw et
    al. 2017): alone, a ticket waits for nothing, and the more come at once, the less each costs.
    A request of many tickets goes in parts, so that those of others get between them.

    Once what waits would take longer than `max_wait_seconds`, a request is refused at once with
    429 and when to come back, so that those that were let in are still answered in time.

    `read` says something of each ticket, by one champion, in a thread; `look` says the same at
    once, or None where they want reading.
    """

    def __init__(self, read: Read[Said], look: Look[Said], max_wait_seconds: float) -> None:
        self.read = read
        self.look = look
        self.max_wait_seconds = max_wait_seconds
        self._waiting: deque[Job[Said]] = deque()
        self._n_waiting = 0
        self._seconds = 0.0  # that a ticket takes, by what the last batches took
        self._working: asyncio.Task[None] | None = None
        self._reading = anyio.CapacityLimiter(1)  # not held up by those who wait for the store

    def is_busy(self) -> bool:
        """Whether a batch is being read, or waits."""
        return self._n_waiting > 0

    def is_full(self, n_tickets: int = 1) -> bool:
        """Whether `n_tickets` more would wait too long."""
        n = self._n_waiting + n_tickets
        return n > max(n_tickets, WAITING) and n * self._seconds > self.max_wait_seconds

    def admit(self, n_tickets: int = 1) -> None:
        """Problem 429 where `n_tickets` more would wait too long.

        Where nothing waits, a request is let in however many tickets it has.
        """
        if self.is_full(n_tickets):
            after = max(1, math.ceil(self._n_waiting * self._seconds))
            detail = f"{self._n_waiting:,} tickets wait to be scored; send this again in {after} s"
            raise Problem(429, detail, headers={"Retry-After": str(after)})

    async def score(self, champion: Champion, columns: Columns) -> list[Said]:
        """What is said of tickets, in their order."""
        if len(next(iter(columns.values()))) <= FEW:
            soon = self.look(champion, columns)
            if soon is not None:
                return soon
        found: list[Said] = []
        for part in parts(columns):
            found += await self._queued(champion, part)
        return found

    def _queued(self, champion: Champion, columns: Columns) -> asyncio.Future[list[Said]]:
        n_tickets = len(next(iter(columns.values())))
        job = Job(champion, columns, n_tickets, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._n_waiting += n_tickets
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return job.found

    async def _work(self) -> None:
        while self._waiting:
            jobs = self._next()
            wanted = [job for job in jobs if not job.found.cancelled()]  # nobody waits for others
            if wanted:
                began = time.perf_counter()
                await self._scored(wanted)
                self._learn(time.perf_counter() - began, wanted)
            self._n_waiting -= sum(job.n_tickets for job in jobs)

    def _next(self) -> list[Job[Said]]:
        """The jobs that have waited longest, of one model, as far as they fit into a batch."""
        jobs = [self._waiting.popleft()]
        n_tickets = jobs[0].n_tickets
        while self._waiting and self._waiting[0].champion is jobs[0].champion:
            n_tickets += self._waiting[0].n_tickets
            if n_tickets > AT_ONCE:
                break
            jobs.append(self._waiting.popleft())
        return jobs

    async def _scored(self, jobs: Sequence[Job[Said]]) -> None:
        try:
            found = await anyio.to_thread.run_sync(together, self.read, jobs, limiter=self._reading)
        except BaseException as error:  # each request is to hear of it, a cancelling too
            for job in jobs:
                if not job.found.done():
                    job.found.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for job, own in zip(jobs, found, strict=True):
            if not job.found.done():
                job.found.set_result(own)

    def _learn(self, seconds: float, jobs: Sequence[Job[Said]]) -> None:
        each = seconds / sum(job.n_tickets for job in jobs)
        self._seconds += (each - self._seconds) * (FORGETS if self._seconds else 1)


def parts(columns: Columns, at_once: int = AT_ONCE) -> Iterator[Columns]:
    """Tickets in parts of at most `at_once`.

    >>> [part["title"] for part in parts({"title": ["a", "b", "c"]}, 2)]
    [['a', 'b'], ['c']]
    """
    for start in range(0, len(next(iter(columns.values()))), at_once):
        yield {name: given[start : start + at_once] for name, given in columns.items()}


def together(read: Read[Said], jobs: Sequence[Job[Said]]) -> list[list[Said]]:
    """What is said of each job's tickets, which are read as one."""
    names = jobs[0].columns
    columns = {name: [text for job in jobs for text in job.columns[name]] for name in names}
    every = iter(read(jobs[0].champion, columns))
    return [[next(every) for _ in range(job.n_tickets)] for job in jobs]
