"""How large a body may be, and of which type."""

import re
from typing import Any

import orjson
from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, answer

JSON = re.compile(r"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)


class BodyLimit:
    """Refuses a body of more than `max_bytes`: before reading when it says so, else on the way."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif self._announced(scope) > self.max_bytes:
            refused = answer(Request(scope), self._too_large())
            await refused(scope, receive, send)
        else:
            await self.app(scope, self._counted(receive), send)

    def _announced(self, scope: Scope) -> int:
        length = Headers(scope=scope).get("content-length", "")
        return int(length) if length.isascii() and length.isdigit() else 0

    def _counted(self, receive: Receive) -> Receive:
        n_bytes = 0

        async def counted() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self.max_bytes:
                raise self._too_large()
            return message

        return counted

    def _too_large(self) -> Problem:
        detail = f"a body may hold {self.max_bytes} bytes (FOREWARN_MAX_BODY_BYTES); send fewer"
        return Problem(413, detail, headers={"Connection": "close"})


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
