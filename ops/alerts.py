"""The list of alerts, one alert with its chart, and what a person says of it."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from data.records import Alert, AlertStatus
from models.evidence import again, unpacked
from ops import views
from ops.learning import learning
from ops.office import Office, Visitor, checked_form, office_of, visitor_of
from ops.rendering import rendered
from ops.resting import LASTS, resting
from ops.tickets import tickets_of

PAGE_ROWS = 50
COUNTED = 1000  # beyond that many alerts the badges say "1000+"
NEAR = timedelta(hours=2)
ACTIONS: dict[str, AlertStatus] = {
    "acknowledge": "acknowledged",
    "resolve": "resolved",
    "false_alarm": "false_alarm",
    "reopen": "open",
}


def alerts(request: Request) -> Response:
    office, visitor = office_of(request), visitor_of(request)
    filters, page = filters_of(request), page_of(request)
    narrowed = narrowing(filters, office, visitor)
    found = office.store().alerts(
        **narrowed,
        status=filters.status or None,
        limit=PAGE_ROWS + 1,
        offset=(page - 1) * PAGE_ROWS,
    )
    counted = office.store().alerts(**narrowed, limit=COUNTED + 1)
    now, desks = office.now(), desks_of(office, visitor)
    return rendered(
        request,
        "alerts.html",
        visitor,
        filters=filters,
        tabs=tabs(filters, counted),
        any_alert=bool(counted),
        rows=[views.row(alert, now, office.zone) for alert in found[:PAGE_ROWS]],
        previous=filters.url(page - 1) if page > 1 else "",
        next=filters.url(page + 1) if len(found) > PAGE_ROWS else "",
        kinds=views.KINDS,
        spans=views.SPANS,
        desks=desks,
        watching=watching(office, visitor) if not found else [],
        learning=learning(office, desks),
        page=page,
    )


def alert(request: Request) -> Response:
    office, visitor = office_of(request), visitor_of(request)
    found, now = alert_of(request, office, visitor), office.now()
    trace = office.store().trace(found.id)
    tickets, n_tickets_more = tickets_of(office, [found], now)
    return rendered(
        request,
        "alert.html",
        visitor,
        row=views.row(found, now, office.zone),
        facts=views.facts(found, now, office.zone),
        judged=views.judged(found, now, office.zone),
        chart=views.chart(found, trace, office.zone) if trace and trace.times else None,
        table=views.table(trace, office.zone) if trace else [],
        members=found.members if len(found.members) > 1 else (),
        group=found.group_key,
        near=near(office, visitor, found),
        tickets=tickets,
        n_tickets_more=n_tickets_more,
        incident=office.store().incident_of(found.id),
        changes=changes_before(office, found),
        lasts=LASTS,
        resting=resting(office, found),
        **explained(office, found),
    )


def explained(office: Office, found: Alert) -> dict[str, Any]:
    """How the alert came about, the sum done again; nothing where nothing was kept."""
    kept = office.store().evidence(found.id)
    if kept is None:
        return {"explained": []}
    evidence = unpacked(kept)
    done = again(evidence)
    return {"explained": views.explained(evidence, done), "same": done.same}


async def judge(request: Request) -> Response:
    fields = await checked_form(request)
    return await anyio.to_thread.run_sync(judged, request, fields.get("action", ""))


def judged(request: Request, action: str) -> Response:
    office, visitor = office_of(request), visitor_of(request)
    if action not in ACTIONS:
        raise HTTPException(422, f"The action must be one of {', '.join(ACTIONS)}.")
    if not visitor.may_act:
        raise HTTPException(403, "This key may look, not act. Sign in with a key of scope admin.")
    found = alert_of(request, office, visitor)
    store, now = office.store(), office.now()
    store.judge_alert(found.id, ACTIONS[action], by=visitor.name, at=now)
    store.log(now, visitor.name, f"alert {ACTIONS[action]}", found.desk, found.id)
    return RedirectResponse(f"/ops/alerts/{found.id}", 303)


def alert_of(request: Request, office: Office, visitor: Visitor) -> Alert:
    id = request.path_params["id"]
    found = office.store().alert(id) if id.isprintable() else None
    if found is None or not visitor.sees(found.desk):
        raise HTTPException(404, "No alert has this id on your desks. It may have been erased.")
    return found


def filters_of(request: Request) -> views.Filters:
    """What the address asks for; what it cannot mean is left out."""
    given = request.query_params
    status = given.get("status", "open")
    key, desk = given.get("key", "").strip()[:300], given.get("desk", "")[:64]
    return views.Filters(
        status=status if status in views.STATUSES else "",
        kind=given["kind"] if given.get("kind") in views.KINDS else "",
        key=key if key.isprintable() else "",
        span=given["span"] if given.get("span") in views.SPANS else "",
        desk=desk if desk.isprintable() else "",
    )


def page_of(request: Request) -> int:
    page = request.query_params.get("page", "1")
    return max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 6 else 1


def narrowing(filters: views.Filters, office: Office, visitor: Visitor) -> dict[str, Any]:
    """The store's arguments for `filters`, within what the visitor may see."""
    desks = None if "*" in visitor.desks else sorted(visitor.desks)
    if filters.desk and visitor.sees(filters.desk):
        desks = [filters.desk]
    since = office.now() - views.SPANS[filters.span][1] if filters.span else None
    return {
        "desks": desks,
        "kind": filters.kind or None,
        "key": filters.key or None,
        "since": since,
    }


def tabs(filters: views.Filters, counted: Sequence[Alert]) -> list[dict[str, Any]]:
    """One tab a status, with how many alerts it holds."""
    counts = Counter(alert.status for alert in counted)
    more = "+" if len(counted) > COUNTED else ""
    told = [
        {
            "word": word,
            "url": filters.url(status=status),
            "n": f"{counts[status]}{more}",
            "is_here": filters.status == status,
        }
        for status, word in views.STATUSES.items()
    ]
    n = f"{min(len(counted), COUNTED)}{more}"
    every = {"word": "All", "url": filters.url(status="all"), "n": n}
    return [*told, every | {"is_here": not filters.status}]


def desks_of(office: Office, visitor: Visitor) -> list[str]:
    """The desks that we know of and the visitor may see."""
    known = {office.settings.desk, *(model.desk for model in office.models())}
    return sorted(desk for desk in known | (visitor.desks - {"*"}) if visitor.sees(desk))


def watching(office: Office, visitor: Visitor) -> list[dict[str, Any]]:
    """The detectors that have run, and how far each has read."""
    now = office.now()
    return [
        {"desk": desk, "detector": detector, "until": views.moment(at, now, office.zone)}
        for desk in desks_of(office, visitor)
        for detector, at in office.store().detections(desk)
    ]


def near(office: Office, visitor: Visitor, found: Alert) -> list[dict[str, Any]]:
    """What else opened on the same desk within two hours, earliest first."""
    around = office.store().alerts(
        desks=[found.desk], since=found.opened_at - NEAR, until=found.opened_at + NEAR, limit=21
    )
    now = office.now()
    return [
        views.row(alert, now, office.zone)
        | {"lag": lag((alert.opened_at - found.opened_at).total_seconds())}
        for alert in reversed(around)
        if alert.id != found.id
    ]


def changes_before(office: Office, found: Alert) -> list[dict[str, Any]]:
    """What was changed in the two hours before, the nearest first; of the same service before all.

    A change is a suspect, no more: it came before.
    """
    known = office.store().service_changes(
        found.desk, found.opened_at - NEAR, found.opened_at, limit=20
    )
    rows = [
        {
            "title": one.title,
            "service": one.service,
            "url": one.url if one.url.startswith(("https://", "http://")) else "",
            "lag": lag((one.at - found.opened_at).total_seconds()),
            "same": bool(one.service) and names_service(found, one.service),
        }
        for one in known
    ]
    return sorted(rows, key=lambda row: not row["same"])


def names_service(found: Alert, service: str) -> bool:
    """Whether an alert's series, group or category has the service's name for a word.

    >>> from types import SimpleNamespace
    >>> alert = SimpleNamespace(key="shop.errors_per_min", members=(), group_key="")
    >>> names_service(alert, "Shop"), names_service(alert, "hop")
    (True, False)
    """
    words = re.split(r"[^a-z0-9]+", " ".join((found.key, *found.members, found.group_key)).lower())
    return set(re.split(r"[^a-z0-9]+", service.lower())) - {""} <= set(words)


def lag(seconds: float) -> str:
    """When something else opened, seen from here.

    >>> lag(-720), lag(0), lag(3600)
    ('12 min earlier', 'at the same time', '1 h later')
    """
    if abs(seconds) < 30:
        return "at the same time"
    return f"{views.lasting(abs(seconds))} {'later' if seconds > 0 else 'earlier'}"
