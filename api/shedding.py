"""Requests to score refused while the event loop cannot keep up, before all of them come too late.

What words settle is answered on the event loop. What waits there for its turn waits in two places:
its bytes in the socket, and what was read as a task that has not begun.
"""

import asyncio
import math
import re
import time
from collections.abc import Callable, Mapping

from api.problems import Form, Problem, in_form

SOON = 0.005
"""Seconds that a request may always wait for its turn: the kernel tells them by steps of 0.004."""

TURNS = 16
"""So many others it may wait for, too: as many connections may ask one thing after another."""

TURNS_BEHIND = 3
"""For so many once it is behind: enough for the event loop to have always something to do."""

BORNE = 0.05
"""Longer waits than that are borne for so many seconds on end: they are a burst that passes."""

LONGEST = 0.25
"""Seconds that nothing may wait, not in a burst either."""

FORGETS = 0.05
"""How much one request counts in what a turn is expected to take."""

SCORING = re.compile(
    rb"/(v1(?=/tickets|/desks/[^/]+/(?!feedback))|invocations(?![^?])|v2(?=/models/))"
)
MARK = "request-id"
PROBLEM = Problem(429, "more is asked than can be answered soon; send this again in 1 s")


class Shed:
    """Says which requests are refused with 429, and what they are told.

    As in CoDel (Nichols and Jacobson 2012) it goes by how long a request waits, not by how many do,
    and a burst is borne. Once behind, it is so until for `BORNE` nobody came too late.

    `is_full` says that no ticket would be scored soon, whatever the event loop does; `count` is
    called for each request that was refused.
    """

    def __init__(
        self,
        is_full: Callable[[], bool],
        count: Callable[[], None],
        forms: Mapping[str, Form],
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.is_full = is_full
        self.count = count
        self.clock = clock
        self._told = {first: ready(forms, first) for first in ("v1", "v2", "invocations")}
        self._n_waiting = 0  # tasks that have not begun
        self._turn = 0.0  # seconds that the event loop is held by one request
        self._began = 0.0
        self._is_late = False  # the last one that came
        self._late_since = self._late_at = -math.inf

    def refuses(self, waited: float) -> bool:
        """Whether to refuse a request whose bytes have waited so many seconds in their socket."""
        wait = waited + self._n_waiting * self._turn
        return self._is_behind(wait) or self.is_full()

    def take_up(self, start: Callable[[], None]) -> None:
        """Have `start` make a request's task, and see how long it holds the event loop."""
        loop = asyncio.get_running_loop()
        self._n_waiting += 1
        loop.call_soon(self._begin)
        try:
            start()
        finally:
            loop.call_soon(self._end)

    def refusal(self, first: str, request_id: str) -> tuple[bytes, bytes]:
        """What of the head is its own, and the body, for a path that begins so; counts it."""
        self.count()
        head, body = self._told[first]
        return head, body.replace(MARK.encode(), request_id.encode())

    def _is_behind(self, wait: float) -> bool:
        """Whether it is too late for a request, and no burst that passes by itself."""
        now = self.clock()
        goes_on = now - self._late_at < BORNE
        was_behind = goes_on and self._late_at - self._late_since > BORNE
        self._is_late = wait > SOON + (TURNS_BEHIND if was_behind else TURNS) * self._turn
        if not (was_behind or (self._is_late and goes_on)):
            self._late_since = now
        if not self._is_late:
            return False
        self._late_at = now
        return now - self._late_since > BORNE or wait > LONGEST

    def _begin(self) -> None:
        self._began = self.clock()

    def _end(self) -> None:
        now = self.clock()
        self._n_waiting -= 1
        self._turn += (now - self._began - self._turn) * (FORGETS if self._turn else 1)
        if self._is_late:  # until its work is done there is no pause in which to come in time
            self._late_at = now


def ready(forms: Mapping[str, Form], first: str) -> tuple[bytes, bytes]:
    """The refusal in the form of the protocol whose paths begin with `first`.

    >>> ready({}, "v1")[0]
    b'content-type: application/problem+json\\r\\nretry-after: 1\\r\\n'
    """
    told = in_form(forms, f"/{first}", PROBLEM, MARK)
    head = f"content-type: {told.headers['content-type']}\r\nretry-after: 1\r\n"
    return head.encode(), bytes(told.body)
