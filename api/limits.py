"""How large a body may be, how long it may take to come, and of which type it is."""

import asyncio
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, answer

JSON = re.compile(r"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)


class Bounds(NamedTuple):
    """How much a body may hold, by which setting; in `parts`, each of which may take its time."""

    max_bytes: int
    setting: str
    parts: bool = False

    def too_large(self) -> Problem:
        detail = f"a body may hold {self.max_bytes} bytes ({self.setting}); send fewer"
        return Problem(413, detail, headers={"Connection": "close"})


class BodyLimit:
    """Refuses a body beyond its bounds: before reading when it says so, else on the way.

    `larger` has the bounds of those paths that take more than others. So it does one that is not
    all there `seconds` after it was first asked for, and a compressed one, but under the paths
    that `unpack`, which see to it themselves what comes out.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        larger: Mapping[str, Bounds],
        seconds: float,
        unpack: frozenset[str],
    ) -> None:
        self.app = app
        self.bounds = Bounds(max_bytes, "FOREWARN_MAX_BODY_BYTES")
        self.larger = larger
        self.seconds = seconds
        self.unpack = unpack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        bounds = self.larger.get(scope["path"], self.bounds)
        if fault := self._refusal(Headers(scope=scope), scope["path"], bounds):
            await answer(Request(scope), fault)(scope, receive, send)
        else:
            await self.app(scope, self._counted(receive, bounds), send)

    def _refusal(self, headers: Headers, path: str, bounds: Bounds) -> Problem | None:
        """Why a body is not read at all, by what it says of itself."""
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > bounds.max_bytes:
            return bounds.too_large()
        packed = headers.get("content-encoding", "identity").strip().lower() != "identity"
        if packed and path not in self.unpack:
            plain = {"Accept-Encoding": "identity", "Connection": "close"}
            return Problem(415, "send the body as it is, without Content-Encoding", headers=plain)
        return None

    def _counted(self, receive: Receive, bounds: Bounds) -> Receive:
        n_bytes, deadline, is_whole = 0, math.inf, False

        async def counted() -> Message:
            nonlocal n_bytes, deadline, is_whole
            latest = asyncio.get_running_loop().time() + self.seconds
            deadline = latest if bounds.parts else min(deadline, latest)
            try:
                # Behind its end stands only that the caller has gone, which may be waited for.
                async with asyncio.timeout_at(None if is_whole else deadline):
                    message = await receive()
            except TimeoutError:
                raise self._too_slow() from None
            is_whole = is_whole or not message.get("more_body", False)
            n_bytes += len(message.get("body", b""))
            if n_bytes > bounds.max_bytes:
                raise bounds.too_large()
            return message

        return counted

    def _too_slow(self) -> Problem:
        detail = f"a body has to come within {self.seconds:g} s (FOREWARN_BODY_SECONDS)"
        return Problem(408, detail, headers={"Connection": "close"})


async def json_body(request: Request) -> Any:
    """The JSON that came; a Problem 415 or 422 where it is none."""
    if not is_json(request.headers.get("content-type", "")):
        raise Problem(415, "send JSON, with `Content-Type: application/json`")
    return read_json(await request.body())


def is_json(content_type: str) -> bool:
    """Whether a body of this type is JSON.

    >>> is_json("application/cloudevents+json; charset=utf-8"), is_json("text/json")
    (True, False)
    """
    return JSON.fullmatch(content_type.partition(";")[0].strip()) is not None


def read_json(body: bytes, *, unreadable: int = 422) -> Any:
    """The JSON in a body; a Problem of the status `unreadable` where there is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        fault = f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        told = [{"where": "body", "what": fault}]
        raise Problem(unreadable, f"body: {fault}", errors=told) from None
