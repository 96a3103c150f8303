"""Requests to score refused while the event loop cannot keep up, before all of them come too late.

What words settle is answered on the event loop. What waits there for its turn waits unseen: in
sockets, and as tasks that have not begun. What can be seen is how long those that are taken up
together keep each other waiting.
"""

import asyncio
import time
from collections.abc import Callable
from functools import lru_cache

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.guard import SECURE, raw, request_id
from api.problems import Problem, answer

TARGET = 0.005
"""Seconds that those of one round may keep each other waiting, once the loop is behind."""

INTERVAL = 0.1
"""Rounds longer than `TARGET` for so many seconds on end are no burst that passes by itself."""

FEW = 16
"""So many of a round are never refused: as many connections may ask one thing after another."""

ID = "an-id-that-stands-here"

SCORING = ("/v1/tickets", "/v1/desks/", "/invocations", "/v2/models/")


class Shed:
    """Refuses with 429 what would have to wait too long for its turn on the event loop.

    A round is what the loop takes up before it looks at its sockets again. As in CoDel (Nichols
    and Jacobson 2012) a long round is borne, for a burst passes; while round after round is too
    long, each serves what it can within `TARGET` and refuses the rest.

    To refuse must cost next to nothing, or it is what the loop cannot keep up with: it stands
    before all else that happens to a request, and its bytes are made once. `count` is called for
    each.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        count: Callable[[], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.app = app
        self.count = count
        self.clock = clock
        self._began: float | None = None  # this round; None before its first request
        self._n_taken = 0  # in this round
        self._behind_since: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(SCORING) and self._is_late():
            self.count()
            for message in refusal(scope):
                await send(message)
        else:
            await self.app(scope, receive, send)

    def _is_late(self) -> bool:
        now = self.clock()
        if self._began is None:
            self._began, self._n_taken = now, 0
            # The loop comes to this after all that is ready now.
            asyncio.get_running_loop().call_soon(self._end_round)
        behind = self._behind_since
        is_late = behind is not None and now - behind > INTERVAL and now - self._began > TARGET
        if is_late and self._n_taken >= FEW:
            return True
        self._n_taken += 1
        return False

    def _end_round(self) -> None:
        began, self._began = self._began, None
        if began is None or self.clock() - began < TARGET:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = began


def refusal(scope: Scope) -> tuple[Message, Message]:
    """What is sent to one that is refused, in the form of the protocol that was spoken."""
    asked = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    id = request_id(asked.decode("latin-1"))
    headers, before, after = ready(scope["app"], scope["path"].split("/", 2)[1])
    body = id.encode().join((before, after)) if after else before
    more = [(b"x-request-id", id.encode()), (b"content-length", b"%d" % len(body))]
    return (
        {"type": "http.response.start", "status": 429, "headers": [*headers, *more]},
        {"type": "http.response.body", "body": body},
    )


@lru_cache(32)
def ready(app: object, form: str) -> tuple[list[tuple[bytes, bytes]], bytes, bytes]:
    """The headers that all refusals of a form have, and what stands around the request's id."""
    detail = "more is asked than can be answered soon; send this again in 1 s"
    scope = {"type": "http", "app": app, "path": f"/{form}/", "state": {"request_id": ID}}
    told = answer(Request(scope), Problem(429, detail, headers={"Retry-After": "1"}))
    headers = [pair for pair in told.raw_headers if pair[0] != b"content-length"]
    before, _, after = bytes(told.body).partition(ID.encode())
    return [*headers, *raw(SECURE)], before, after
