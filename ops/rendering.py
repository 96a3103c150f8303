"""Templates to answers."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ops.office import Visitor, office_of, session_of
from ops.sessions import COOKIE, LIFETIME, Session

PLACE = Path(__file__).parent


@cache
def templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(PLACE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rendered(
    request: Request, template: str, visitor: Visitor | None = None, status: int = 200, **told: Any
) -> Response:
    """A page, with what its forms need and the session's cookie."""
    session = session_of(request)
    token = office_of(request).sessions.token(session)
    text = templates().get_template(template).render(visitor=visitor, token=token, **told)
    return with_session(request, HTMLResponse(text, status_code=status), session)


def with_session(request: Request, answer: Response, session: Session) -> Response:
    office = office_of(request)
    cookie = office.sessions.cookie(session)
    if request.cookies.get(COOKIE) != cookie:
        answer.set_cookie(
            COOKIE,
            cookie,
            max_age=int(LIFETIME.total_seconds()),
            path="/ops",
            secure=office.settings.secure_cookie,
            httponly=True,
            samesite="strict",
        )
    return answer
