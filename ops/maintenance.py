"""Muting the series of an alert for a while, and ending what is planned."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from data.maintenance import exactly, new_maintenance
from ops.alerts import alert_of
from ops.office import checked_form, office_of, visitor_of
from ops.resting import LASTS, MORNING

MAY_NOT = "This key may look, not act. Sign in with a key of scope admin."


async def mute(request: Request) -> Response:
    fields = await checked_form(request)
    return await anyio.to_thread.run_sync(muted, request, fields.get("lasts", ""))


def muted(request: Request, lasts: str) -> Response:
    """Let the series of an alert, or its kind of tickets, rest for a while from now on."""
    office, visitor = office_of(request), visitor_of(request)
    if lasts not in LASTS:
        raise HTTPException(422, f"How long must be one of {', '.join(LASTS)}.")
    if not visitor.may_act:
        raise HTTPException(403, MAY_NOT)
    alert, now = alert_of(request, office, visitor), office.now()
    names = [exactly(name) for name in alert.members or (alert.key,)]
    try:
        one = new_maintenance(
            alert.desk,
            now,
            until(lasts, now, office.zone),
            **{"categories" if alert.kind == "surge" else "series": names},
            note=f"Muted from an alert on {alert.key}"[:300],
            by=visitor.name,
            now=now,
        )
    except ValueError as error:  # an alert of hundreds of series
        raise HTTPException(422, f"{error}. Use forewarn maintenance add with a glob.") from error
    store = office.store()
    store.put_maintenance(one)
    store.log(now, visitor.name, "maintenance planned", one.desk, one.id)
    return RedirectResponse(f"/ops/alerts/{alert.id}", 303)


def until(lasts: str, now: datetime, zone: ZoneInfo) -> datetime:
    """When something muted now is heard again.

    >>> night = datetime(2026, 3, 2, 23, tzinfo=ZoneInfo("UTC"))
    >>> until("4h", night, ZoneInfo("UTC")).hour, until("tomorrow", night, ZoneInfo("UTC")).day
    (3, 3)
    """
    if lasts != "tomorrow":
        return now + timedelta(hours=int(lasts.removesuffix("h")))
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, MORNING, zone)


async def end(request: Request) -> Response:
    await checked_form(request)
    return await anyio.to_thread.run_sync(ended, request)


def ended(request: Request) -> Response:
    """Let a window hold no more."""
    office, visitor, id = office_of(request), visitor_of(request), request.path_params["id"]
    if not visitor.may_act:
        raise HTTPException(403, MAY_NOT)
    known = office.store().maintenance(id) if id.isprintable() else None
    if known is None or not visitor.sees(known.desk):
        raise HTTPException(404, "No maintenance has this id on your desks.")
    store, now = office.store(), office.now()
    if store.remove_maintenance(id, now):
        store.log(now, visitor.name, "maintenance ended", known.desk, id)
    return RedirectResponse("/ops/status#maintenance", 303)
