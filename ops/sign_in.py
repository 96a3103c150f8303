"""Signing in by pasting an API key, and out."""

import re

import anyio
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from data.keys import verify
from ops.office import checked_form, may_look, office_of
from ops.rendering import rendered, with_session
from ops.sessions import COOKIE

OURS = re.compile(r"/ops/[\w./?=&%+-]*")
HOME = "/ops/alerts"
UNKNOWN = "This key is unknown, expired or revoked. A key looks like 1a2b3c.longsecret."
NO_LOOK = "This key may not read alerts. Make one with `forewarn keys create --scope read`."


def form(request: Request) -> Response:
    return rendered(request, "login.html", fault="", next=inward(request.query_params.get("next")))


async def sign_in(request: Request) -> Response:
    fields = await checked_form(request)
    return await anyio.to_thread.run_sync(signed_in, request, fields)


def signed_in(request: Request, fields: dict[str, str]) -> Response:
    office, goal = office_of(request), inward(fields.get("next"))
    token = fields.get("key", "").strip()
    now = office.now()
    key = verify(token, office.store().key, now) if token.isprintable() else None
    if key is None or not may_look(key, now):
        fault = UNKNOWN if key is None else NO_LOOK
        return rendered(request, "login.html", status=401, fault=fault, next=goal)
    # A new session: one that somebody planted before the sign-in is worth nothing after it.
    return with_session(request, RedirectResponse(goal, 303), office.sessions.new(key.id))


async def sign_out(request: Request) -> Response:
    await checked_form(request)
    answer = RedirectResponse("/ops/login", 303)
    answer.delete_cookie(COOKIE, path="/ops", httponly=True, samesite="strict")
    return answer


def inward(goal: str | None) -> str:
    """`goal` where it is a page of ours, else the list.

    >>> inward("/ops/alerts/7"), inward("//evil.example"), inward("/ops/../x\\ny")
    ('/ops/alerts/7', '/ops/alerts', '/ops/alerts')
    """
    return goal if goal and OURS.fullmatch(goal) else HOME
