"""The page as an app of its own, mounted at /ops: its routes, its errors, its files."""

from collections.abc import Callable, Iterable
from datetime import datetime
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from data.database import UNREACHABLE
from data.settings import Settings
from data.store import Store
from ops import alerts, forecasts, incidents, maintenance, replay, report, series, sign_in, status
from ops.office import Office, Served
from ops.rendering import PLACE, rendered
from ops.sessions import Sessions

SECRET = "session.secret"
LONG = {"Cache-Control": "public, max-age=604800"}
# A strict cookie does not come along when somebody follows a link from their mail or chat. From
# this page of ours, the browser asks again and brings it.
ASK_AGAIN = '<!doctype html><meta http-equiv="refresh" content="0"><title>Forewarn</title>'


def create(
    settings: Settings,
    store: Callable[[], Store],
    models: Callable[[], Iterable[Served]],
    now: Callable[[], datetime],
) -> Starlette:
    """The page of what `store` holds and of the `models` that are served."""
    errors = {HTTPException: told, Exception: unexpected, **dict.fromkeys(UNREACHABLE, unreachable)}
    app = Starlette(routes=ROUTES, exception_handlers=errors)
    sessions = Sessions(settings.home / SECRET, now)
    app.state.office = Office(settings, store, models, now, sessions)
    return app


def to_alerts(request: Request) -> Response:
    return RedirectResponse("/ops/alerts", 303)


def plotly(request: Request) -> Response:
    """The installed package's script; found without importing the package, which takes long."""
    found = find_spec("plotly")
    if found is None or found.origin is None:
        raise HTTPException(404, "The package plotly is not installed; charts need it.")
    script = Path(found.origin).parent / "package_data" / "plotly.min.js"
    return FileResponse(script, media_type="text/javascript", headers=LONG)


ROUTES = [
    Route("/", to_alerts),
    Route("/login", sign_in.form, methods=["GET"]),
    Route("/login", sign_in.sign_in, methods=["POST"]),
    Route("/logout", sign_in.sign_out, methods=["POST"]),
    Route("/incidents", incidents.incidents),
    Route("/incidents/{id}", incidents.incident, methods=["GET"]),
    Route("/incidents/{id}", incidents.act, methods=["POST"]),
    Route("/alerts", alerts.alerts),
    Route("/alerts/{id}", alerts.alert, methods=["GET"]),
    Route("/alerts/{id}", alerts.judge, methods=["POST"]),
    Route("/alerts/{id}/mute", maintenance.mute, methods=["POST"]),
    Route("/maintenance/{id}/end", maintenance.end, methods=["POST"]),
    Route("/series", series.series),
    Route("/replay", replay.replay),
    Route("/forecasts", forecasts.forecasts),
    Route("/report", report.report),
    Route("/status", status.status),
    Route("/static/plotly.min.js", plotly),
    Mount("/static", StaticFiles(directory=PLACE / "static", check_dir=False)),
]


def told(request: Request, error: HTTPException) -> Response:
    if error.status_code == 401:
        return to_sign_in(request)
    answer = failed(request, error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer


def to_sign_in(request: Request) -> Response:
    is_get = request.method == "GET"
    if is_get and request.headers.get("sec-fetch-site") == "cross-site":
        return HTMLResponse(ASK_AGAIN)
    goal = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    query = "?" + urlencode({"next": goal}) if is_get else ""
    return RedirectResponse("/ops/login" + query, 303)


def unreachable(request: Request, error: Exception) -> Response:
    detail = "The database cannot be reached. This page works again as soon as it can."
    answer = failed(request, 503, detail)
    answer.headers["Retry-After"] = "5"
    return answer


def unexpected(request: Request, error: Exception) -> Response:
    return failed(request, 500, f"The log has this error as {request.state.request_id}.")


def failed(request: Request, status: int, detail: str) -> Response:
    phrase = HTTPStatus(status).phrase
    return rendered(request, "error.html", status=status, code=status, title=phrase, detail=detail)
