"""What the page's routes share, and who is looking at it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request

from data.keys import ApiKey
from data.settings import Settings
from data.store import Store
from ops.sessions import COOKIE, Session, Sessions

ACT_SCOPE = "admin"


class Served(Protocol):
    """A model as the status page tells of it."""

    desk: str
    name: str
    version: str
    run_id: str
    published_at: datetime


@dataclass(frozen=True)
class Office:
    settings: Settings
    store: Callable[[], Store]
    models: Callable[[], Iterable[Served]]
    now: Callable[[], datetime]
    sessions: Sessions

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.timezone)


@dataclass(frozen=True)
class Visitor:
    """Somebody who may look at `desks`; `may_act` says whether at alerts' status too."""

    name: str
    desks: frozenset[str]
    may_act: bool
    is_signed_in: bool

    def sees(self, desk: str) -> bool:
        return desk in self.desks or "*" in self.desks


MACHINE = Visitor("loopback", frozenset({"*"}), may_act=True, is_signed_in=False)


def office_of(request: Request) -> Office:
    return request.app.state.office


def session_of(request: Request) -> Session:
    """The browser's session. A new one is set as a cookie with the answer."""
    if not hasattr(request.state, "session"):
        sessions = office_of(request).sessions
        found = sessions.read(request.cookies.get(COOKIE, ""))
        request.state.session = found or sessions.new()
    return request.state.session


def visitor_of(request: Request) -> Visitor:
    """Who is looking; HTTPException 401 where nobody has signed in."""
    session = session_of(request)
    if session.key_id:
        key = office_of(request).store().key(session.key_id)
        if key is not None and may_look(key, office_of(request).now()):
            return Visitor(key.id, key.desks, ACT_SCOPE in key.scopes, is_signed_in=True)
    elif request.state.is_open:
        return MACHINE
    raise HTTPException(401, "Sign in to see this page.")


def may_look(key: ApiKey, now: datetime) -> bool:
    return key.holds(now) and not key.scopes.isdisjoint({"read", "admin"})


async def checked_form(request: Request) -> dict[str, str]:
    """The form's fields, when the form is one that we gave to this browser."""
    form = await request.form(max_files=0, max_fields=20)
    fields = {name: text for name, text in form.items() if isinstance(text, str)}
    if not office_of(request).sessions.is_token(session_of(request), fields.get("token", "")):
        raise HTTPException(403, "This form has expired. Go back, reload the page and try again.")
    return fields
