"""Every error of the endpoint as `application/problem+json` (RFC 9457).

The protocols of others have forms of their own for what went wrong, by the first part of a path.
"""

import errno
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api.opened import UNREACHABLE

log = logging.getLogger("forewarn.requests")

NAMEABLE = re.compile(r"[\w.-]{1,64}")
RETRY_SECONDS = "5"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
Form = Callable[[HTTPException], tuple[int, dict[str, str]]]  # an answer's status and body


class Problem(HTTPException):
    """An error to be told to the caller. `more` are extra members of the answer."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(status, detail, headers=dict(headers or {}))
        self.more = more


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


def response(problem: HTTPException, request_id: str) -> ProblemResponse:
    """`problem` as the caller gets it.

    >>> response(Problem(404, "no alert"), "r").body.decode()
    '{"type":"about:blank","title":"Not Found","status":404,"detail":"no alert","request_id":"r"}'
    """
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status_code).phrase,
        "status": problem.status_code,
        "detail": problem.detail,
        "request_id": request_id,
        **getattr(problem, "more", {}),
    }
    return ProblemResponse(body, status_code=problem.status_code, headers=problem.headers)


def invalid(errors: Sequence[Mapping[str, Any]], prefix: Sequence[str] = ()) -> Problem:
    """What is wrong with a request, and where; never what stood there: it may be a ticket.

    >>> invalid([{"loc": ("body", "tickets", 3, "title"), "msg": "wanted a string"}]).more
    {'errors': [{'where': 'body.tickets.3.title', 'what': 'wanted a string'}]}
    """
    told = [{"where": where(*prefix, *e["loc"]), "what": e["msg"]} for e in errors[:20]]
    detail = f"{told[0]['where']}: {told[0]['what']}" if told else "the request cannot be read"
    return Problem(422, detail, errors=told)


def where(*path: str | int) -> str:
    """The path of a field. A name that is not a plain one is not repeated.

    >>> where("body", 0, "my secret text")
    'body.0.?'
    """
    return ".".join(str(p) if NAMEABLE.fullmatch(str(p)) else "?" for p in path)


def answer(request: Request, problem: HTTPException) -> JSONResponse:
    """`problem` in the form of the protocol that was spoken."""
    path, forms = request.scope["path"], request.app.state.forms
    return in_form(forms, path, problem, request_id_of(request))


def in_form(
    forms: Mapping[str, Form], path: str, problem: HTTPException, request_id: str
) -> JSONResponse:
    form = forms.get(path.split("/", 2)[1])
    if form is None:
        return response(problem, request_id)
    status, body = form(problem)
    return JSONResponse(body, status, problem.headers)


def install(app: FastAPI, forms: Mapping[str, Form]) -> None:
    """Answer every error of `app` as a problem, or as `forms` has it: "v2" is that of /v2/…."""
    app.state.forms = forms
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)
    for error in UNREACHABLE:
        app.add_exception_handler(error, _unreachable)
    app.add_exception_handler(OSError, _unwritable)


def request_id_of(request: Request) -> str:
    return getattr(request.state, "request_id", "")


async def _told(request: Request, error: HTTPException) -> JSONResponse:
    if error.status_code == 404 and error.detail == "Not Found":
        error = Problem(404, "nothing is here; GET /openapi.json lists the routes")
    if error.status_code == 405 and error.detail == "Method Not Allowed":
        allowed = (error.headers or {}).get("Allow", "")
        detail = f"{request.method} is not possible here" + (f", only {allowed}" if allowed else "")
        error = Problem(405, detail, headers=error.headers)
    return answer(request, error)


async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    return answer(request, invalid(error.errors()))


async def _unreachable(request: Request, error: Exception) -> JSONResponse:
    request.app.state.service.store.say_unreachable(error)
    detail = "the database cannot be reached; try again soon. `forewarn status` says more"
    return answer(request, Problem(503, detail, headers={"Retry-After": RETRY_SECONDS}))


async def _unwritable(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, OSError) or error.errno not in FULL:
        raise error
    log.error("the disk cannot be written: %s", os.strerror(error.errno))
    detail = (
        f"the disk cannot be written: {os.strerror(error.errno)}; try again once that is mended"
    )
    return answer(request, Problem(503, detail, headers={"Retry-After": RETRY_SECONDS}))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # uvicorn logs the traceback right behind this line, and knows nothing of our ids.
    log.error("request %s failed with %s", request_id_of(request), type(error).__name__)
    detail = "an error on our side; the log has it under this request_id"
    told = answer(request, Problem(500, detail))
    # This answer is made outside of our middleware, so it brings its own headers.
    told.headers.update(request.state.headers)
    return told
