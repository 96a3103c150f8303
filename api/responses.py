"""Answers as JSON, written by a library that takes a tenth of the time."""

from typing import Any

import orjson
from starlette.responses import Response


class JsonResponse(Response):
    """What it is given, as JSON.

    >>> JsonResponse({"label": None}).body
    b'{"label":null}'
    """

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)
