"""Detected incidents: what alerts come to together, and a person's word on it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import anyio
from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel

from api.alerts import AlertOut, Limit, Offset, alert_out
from api.auth import Admin, Caller, Reader, check_desk
from api.limits import json_body
from api.native import wrong
from api.problems import Problem
from api.service import DeskName, Served, Service
from data.records import DetectedIncident, IncidentState
from models.incident_acts import FROM, Act, merge, say, split_off

ACTIONS = (*FROM, "merge", "split")
SCHEMA = {
    "type": "object",
    "required": ["action"],
    "properties": {
        "action": {"enum": list(ACTIONS)},
        "cause": {"type": "string"},
        "fix": {"type": "string"},
        "with": {"type": "string", "description": "merge: the id of the other incident"},
        "alerts": {
            "type": "array",
            "items": {"type": "string"},
            "description": "split: the ids of the alerts that become an incident of their own",
        },
    },
}
BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": SCHEMA}}}}

router = APIRouter(tags=["incidents"])


class SuspectOut(BaseModel):
    service: str
    share: float
    evidence: list[str]
    url: str


class IncidentOut(BaseModel):
    id: str
    desk: str
    state: IncidentState
    state_at: datetime | None
    state_by: str | None
    opened_at: datetime
    proposed_at: datetime | None
    confirmed_at: datetime | None
    quiet_at: datetime | None
    title: str
    why: str
    priority: str
    priority_why: str
    n_tickets: int
    merged_into: str | None
    cause: str
    fix: str
    suspects: list[SuspectOut]


class MemberOut(AlertOut):
    """An alert of an incident: how likely it is of it, and because of what."""

    probability: float
    because: str
    joined_by: str | None


class OneIncidentOut(IncidentOut):
    alerts: list[MemberOut]


class IncidentsOut(BaseModel):
    incidents: list[IncidentOut]
    limit: int
    offset: int


@router.get("/v1/incidents")
def incidents(
    service: Served,
    caller: Reader,
    desk: DeskName = None,
    state: Annotated[list[IncidentState] | None, Query()] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> IncidentsOut:
    """Detected incidents of one desk, the newest first. `state` may be given several times."""
    desk = desk or service.settings.desk
    check_desk(caller, desk)
    found = service.store().detected(
        [desk], states=state, since=since, until=until, limit=limit, offset=offset
    )
    return IncidentsOut(incidents=[out(one) for one in found], limit=limit, offset=offset)


@router.get("/v1/incidents/{id}")
def incident(service: Served, caller: Reader, id: str) -> OneIncidentOut:
    """One incident, with its alerts, how each came to it, and the suspects."""
    return one_out(service, incident_of(service, caller, id))


@router.post("/v1/incidents/{id}", openapi_extra=BODY)
async def act(request: Request, service: Served, caller: Admin, id: str) -> OneIncidentOut:
    """Confirm, dismiss, resolve or reopen it, note its cause and fix, merge it or split it.

    What is said of an incident is said of its alerts: acknowledged, false alarm, resolved, open.
    """
    body = await json_body(request)
    action = body.get("action") if isinstance(body, dict) else None
    if action not in ACTIONS:
        raise wrong(f"wanted one of {', '.join(ACTIONS)}", "body", "action")
    return await anyio.to_thread.run_sync(done, service, caller, id, body)


def done(service: Service, caller: Caller, id: str, body: Mapping[str, Any]) -> OneIncidentOut:
    one = incident_of(service, caller, id)
    how: dict[str, Callable[..., DetectedIncident]] = {"merge": merge_with, "split": split_into}
    try:
        now = how.get(body["action"], said)(service, caller, one, body)
    except ValueError as error:
        raise Problem(409, str(error)) from None
    action = body["action"]
    touched = dict.fromkeys([one.id, now.id, *([body["with"]] if action == "merge" else [])])
    service.store().log(service.now(), caller.name, f"incident {action}", one.desk, *touched)
    return one_out(service, now)


def said(
    service: Service, caller: Caller, one: DetectedIncident, body: Mapping[str, Any]
) -> DetectedIncident:
    """The incident after a person's word on it."""
    action, cause, fix = (text_of(body, name) for name in ("action", "cause", "fix"))
    return say(service.store(), one, Act(action, caller.name, service.now(), cause, fix))


def merge_with(
    service: Service, caller: Caller, one: DetectedIncident, body: Mapping[str, Any]
) -> DetectedIncident:
    """The incident that the other one is now a part of."""
    other = incident_of(service, caller, text_of(body, "with"))
    return merge(service.store(), one, other, *signed(service, caller))


def split_into(
    service: Service, caller: Caller, one: DetectedIncident, body: Mapping[str, Any]
) -> DetectedIncident:
    """The new incident."""
    ids = body.get("alerts")
    if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
        raise wrong("wanted a list of alert ids", "body", "alerts")
    return split_off(service.store(), one, ids, *signed(service, caller))


def signed(service: Service, caller: Caller) -> tuple[str, datetime, ZoneInfo]:
    """Who does something, when, and by whose clock it is told."""
    return caller.name, service.now(), ZoneInfo(service.settings.timezone)


def text_of(body: Mapping[str, Any], name: str) -> str:
    text = body.get(name)
    if text is not None and not isinstance(text, str):
        raise wrong("wanted text", "body", name)
    return text or ""


def incident_of(service: Service, caller: Caller, id: str) -> DetectedIncident:
    """The incident; Problem 404 also where it belongs to a desk that is not the caller's."""
    found = service.store().detected_incident(id) if id.isprintable() else None
    if found is None or not caller.sees(found.desk):
        raise Problem(404, "no incident has this id on your desks; GET /v1/incidents lists them")
    return found


def out(one: DetectedIncident) -> IncidentOut:
    return IncidentOut(**asdict(one))


def one_out(service: Service, one: DetectedIncident) -> OneIncidentOut:
    members = service.store().members([one.id])[one.id]
    alerts = [
        MemberOut(
            **alert_out(alert).model_dump(),
            probability=member.probability,
            because=member.because,
            joined_by=member.by,
        )
        for alert, member in members
    ]
    return OneIncidentOut(**asdict(one), alerts=alerts)
