"""How large a body may be, how long it may take to come, and of which type it is."""

import math
import re
from typing import Any

import anyio
import orjson
from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, response

JSON = re.compile(r"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)


class BodyLimit:
    """Refuses a body of more than `max_bytes`: before reading when it says so, else on the way.

    So it does one that is not all there `seconds` after it was first asked for, and a compressed
    one, but under the paths that `unpack`, which see to it themselves what comes out.
    """

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, seconds: float, unpack: frozenset[str]
    ) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.seconds = seconds
        self.unpack = unpack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif fault := self._refusal(Headers(scope=scope), scope["path"]):
            await response(fault, scope["state"]["request_id"])(scope, receive, send)
        else:
            await self.app(scope, self._counted(receive), send)

    def _refusal(self, headers: Headers, path: str) -> Problem | None:
        """Why a body is not read at all, by what it says of itself."""
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > self.max_bytes:
            return self._too_large()
        packed = headers.get("content-encoding", "identity").strip().lower() != "identity"
        if packed and path not in self.unpack:
            plain = {"Accept-Encoding": "identity", "Connection": "close"}
            return Problem(415, "send the body as it is, without Content-Encoding", headers=plain)
        return None

    def _counted(self, receive: Receive) -> Receive:
        n_bytes, deadline, is_whole = 0, math.inf, False

        async def counted() -> Message:
            nonlocal n_bytes, deadline, is_whole
            deadline = min(deadline, anyio.current_time() + self.seconds)
            try:
                # Behind its end stands only that the caller has gone, which may be waited for.
                with anyio.fail_after(None if is_whole else deadline - anyio.current_time()):
                    message = await receive()
            except TimeoutError:
                raise self._too_slow() from None
            is_whole = is_whole or not message.get("more_body", False)
            n_bytes += len(message.get("body", b""))
            if n_bytes > self.max_bytes:
                raise self._too_large()
            return message

        return counted

    def _too_slow(self) -> Problem:
        detail = f"a body has to come within {self.seconds:g} s (FOREWARN_BODY_SECONDS)"
        return Problem(408, detail, headers={"Connection": "close"})

    def _too_large(self) -> Problem:
        detail = f"a body may hold {self.max_bytes} bytes (FOREWARN_MAX_BODY_BYTES); send fewer"
        return Problem(413, detail, headers={"Connection": "close"})


async def json_body(request: Request) -> Any:
    """The JSON that came; a Problem 415 or 422 where it is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if not JSON.fullmatch(kind):
        raise Problem(415, "send JSON, with `Content-Type: application/json`")
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        fault = f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise Problem(422, f"body: {fault}", errors=[{"where": "body", "what": fault}]) from None
