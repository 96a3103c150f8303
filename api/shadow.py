"""A challenger scores some of the tickets too, once they are answered, where nobody waits for it.

Nothing here can change, delay or fail an answer: what is drawn waits in a short queue, and is left
out where that is full. One ticket at a time is read, in a thread, while no batch is, and then
rests four times as long as it took. A thread of low priority would not do: preempted while it
holds the interpreter's lock, it would hold up every answer.
"""

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread
from anyio import CapacityLimiter

from api.challengers import Challengers, Standing
from api.champion import POLL_SECONDS, Champion
from api.following import Following
from api.opened import UNREACHABLE, OpenStore
from api.traffic import Traffic
from data.records import Shadow
from models.shadow import CHALLENGER, CHAMPION, is_drawn, noted
from models.traffic import Key

MOST_WAITING = 256  # tickets
MOST_CHARACTERS = 4_000_000  # of their texts, some 8 MB
RESTS = 4  # times as long as a ticket took: a fifth of a core at most
TIMED = 8  # of so many tickets one is read by the champion again, to hold its CPU time against
BUSY_SECONDS = 0.02  # between two looks whether a batch is being read

if TYPE_CHECKING:
    from api.answers import Scored

log = logging.getLogger("forewarn.shadow")

Read = Callable[[Champion, Mapping[str, Sequence[str]]], "list[Scored]"]


class TicketName(NamedTuple):
    """A ticket's identity, as far as it is known. Only one in the store has a `source`."""

    source: str | None = None
    external_id: str | None = None


class Answered(NamedTuple):
    """Tickets that a champion has scored; `names` are theirs, None where nobody knows them."""

    champion: Champion
    columns: Mapping[str, Sequence[str]]
    found: Sequence["Scored"]
    names: Sequence[TicketName] | None = None


class Seen(NamedTuple):
    """A ticket that was answered, and the challenger that is to score it."""

    champion: Champion
    standing: Standing
    texts: Mapping[str, str]
    found: "Scored"
    name: TicketName

    @property
    def at(self) -> tuple[str, str, str]:
        return self.champion.desk, self.champion.version, self.standing.named.version

    @property
    def n_characters(self) -> int:
        return sum(map(len, self.texts.values()))


class Waiting:
    """A queue that ends somewhere."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque()
        self._n_characters = 0

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, seen: Seen) -> bool:
        """Whether there is room for it: it stands at the end then."""
        n = self._n_characters + seen.n_characters
        if len(self._seen) >= MOST_WAITING or n > MOST_CHARACTERS:
            return False
        self._seen.append(seen)
        self._n_characters = n
        return True

    def next(self) -> Seen:
        seen = self._seen.popleft()
        self._n_characters -= seen.n_characters
        return seen


HELD: ContextVar[Waiting | None] = ContextVar("held", default=None)
"""What is drawn of the request that is being answered."""


class Shadows(Following):
    """Tickets on their way to challengers; `follow` scores them. Called on the event loop alone."""

    log, ending = log, "challengers score no more tickets"

    def __init__(
        self,
        challengers: Challengers,
        read: Read,
        store: OpenStore,
        traffic: Traffic,
        is_busy: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        self.challengers = challengers
        self.counts: Counter[Key] = Counter()  # of this process, since it started
        self._reader = read
        self._store = store
        self._traffic = traffic
        self._is_busy = is_busy
        self._now = now
        self._waiting = Waiting()
        self._n_read = 0
        self._came = asyncio.Event()
        self._reading = threading.Lock()
        self._limiter = CapacityLimiter(1)  # none of the threads that requests are given

    def offer(self, answered: Answered) -> None:
        """Note those of these tickets that are drawn, until their request is answered."""
        champion, columns, found, names = answered
        standing = self.challengers.get(champion.desk)
        if standing is None or standing.named.version == champion.version:
            return
        for row, one in enumerate(found):
            texts = {column: given[row] for column, given in columns.items()}
            name = names[row] if names else TicketName()
            if is_drawn(key_of(champion.desk, texts, name), standing.named.share):
                self._note(Seen(champion, standing, texts, one, name))

    @contextmanager
    def after_the_answer(self) -> Iterator[None]:
        """What is drawn in the block waits for its end."""
        held = Waiting()
        token = HELD.set(held)
        try:
            yield
        finally:
            HELD.reset(token)
            while held:
                self._queue(held.next())

    async def follow(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Score what waits, for ever."""
        self._came = asyncio.Event()
        while True:
            while not self._waiting:
                self._came.clear()
                await self._came.wait()
            while self._is_busy():
                await anyio.sleep(BUSY_SECONDS)
            began = time.perf_counter()
            await self._score(self._waiting.next())
            await anyio.sleep(RESTS * (time.perf_counter() - began))

    def _note(self, seen: Seen) -> None:
        held = HELD.get()
        if held is None:
            self._queue(seen)
        elif not held.add(seen):
            self._leave(seen, "full")

    def _queue(self, seen: Seen) -> None:
        reads = seen.standing.model and seen.standing.model.triage.features.columns
        if reads is None:
            self._leave(seen, "unloaded")
        elif not set(reads) <= seen.texts.keys():
            self._leave(seen, "other texts")
        elif not self._waiting.add(seen):
            self._leave(seen, "full")
        else:
            self._came.set()

    async def _score(self, seen: Seen) -> None:
        """Whatever a challenger does, it is counted and the next ticket comes."""
        if self.challengers.get(seen.champion.desk) != seen.standing:
            self._leave(seen, "over")
            return
        self._n_read += 1
        work = anyio.to_thread.run_sync(
            self._read, seen, self._n_read % TIMED == 0,
            limiter=self._limiter,
        )  # fmt: skip
        (told,) = await asyncio.gather(work, return_exceptions=True)
        if isinstance(told, Exception):
            self._leave(seen, "failed")
            self._say(seen, told)
        elif isinstance(told, BaseException):
            raise told
        else:
            self._add(told)

    def close(self) -> None:
        """Wait for the ticket that is being read, once `follow` has been cancelled."""
        with self._reading:
            pass

    def _read(self, seen: Seen, timed: bool) -> Counter[Key]:
        with self._reading:
            return self._compared(seen, timed)

    def _compared(self, seen: Seen, timed: bool) -> Counter[Key]:
        assert seen.standing.model
        columns = {column: [text] for column, text in seen.texts.items()}
        theirs, seconds = timed_of(self._reader, seen.standing.model, columns)
        found = noted(seen.at, seen.found.targets, theirs.targets)
        if timed:
            _, ours = timed_of(self._reader, seen.champion, columns)
            found["shadow_timed", *seen.at] += 1
            found["shadow_cpu", *seen.at, CHALLENGER] += seconds  # type: ignore[assignment]
            found["shadow_cpu", *seen.at, CHAMPION] += ours  # type: ignore[assignment]
        if seen.name.source is not None:
            self._keep(seen, theirs)
        return found

    def _keep(self, seen: Seen, theirs: "Scored") -> None:
        try:
            self._store().put_shadows(shadows_of(seen, theirs, self._now()))
        except UNREACHABLE as error:
            self._store.say_unreachable(error)

    def _leave(self, seen: Seen, reason: str) -> None:
        self._add(Counter({("shadow_left", *seen.at, reason): 1}))

    def _add(self, some: Counter[Key]) -> None:
        self.counts.update(some)
        self._traffic.add(some)

    def _say(self, seen: Seen, error: Exception) -> None:
        """Once a challenger: its words may be those of a ticket, so that its kind alone is told."""
        if self.counts["shadow_left", *seen.at, "failed"] == 1:
            name = seen.standing.named
            log.error("%s version %s failed: %s", name.name, name.version, type(error).__name__)


def key_of(desk: str, texts: Mapping[str, str], name: TicketName) -> str:
    r"""What tells a ticket from others: its id, else all its texts.

    >>> key_of("it", {"title": "vpn"}, TicketName("api", "T1"))
    'it\x00id\x00T1'
    >>> key_of("it", {"title": "vpn"}, TicketName())
    'it\x00texts\x00title\x00vpn'
    """
    if name.external_id is not None:
        return "\0".join((desk, "id", name.external_id))
    return "\0".join((desk, "texts", *(part for one in sorted(texts.items()) for part in one)))


def timed_of(
    read: Read, model: Champion, columns: Mapping[str, Sequence[str]]
) -> tuple["Scored", float]:
    """What a model says of one ticket, and how many seconds of the CPU that took."""
    began = time.thread_time()
    (found,) = read(model, columns)
    return found, time.thread_time() - began


def shadows_of(seen: Seen, theirs: "Scored", at: datetime) -> list[Shadow]:
    """What is kept of a ticket that is in the store."""
    desk, champion, challenger = seen.at
    source, external_id = seen.name
    assert source is not None and external_id is not None  # noqa: PT018
    ours = seen.found.targets
    return [
        Shadow(
            desk, source, external_id, target, champion, challenger,
            *(ours[target][what] for what in ("label", "probability", "decision")),
            *(out[what] for what in ("label", "probability", "decision")),
            at,
        )
        for target, out in theirs.targets.items()
        if target in ours
    ]  # fmt: skip
