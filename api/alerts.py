"""What the detectors raised, and a person's word on it."""

import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel

from api.auth import Admin, Caller, Reader, check_desk
from api.limits import json_body
from api.native import wrong
from api.problems import Problem
from api.service import DeskName, Served, Service
from data.records import Alert, AlertKind, AlertStatus, Trace
from models.evidence import again, unpacked

ACTIONS: dict[str, AlertStatus] = {
    "acknowledge": "acknowledged",
    "resolve": "resolved",
    "false_alarm": "false_alarm",
    "reopen": "open",
}
ACTION_SCHEMA = {
    "type": "object",
    "required": ["action"],
    "properties": {"action": {"enum": list(ACTIONS)}},
}
ACTION_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": ACTION_SCHEMA}}}
}
PRINTABLE = r"^[^\x00-\x1f]{1,300}$"
Key = Annotated[str | None, Query(pattern=PRINTABLE, description="series or category")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]

router = APIRouter(tags=["alerts"])


class IsolatedOut(BaseModel):
    """Where a surge comes from: `n` of its `of` tickets have these attributes in common.

    `usual` is the share of the four weeks before that had them.
    """

    attributes: dict[str, str]
    n: int
    of: int
    usual: float
    chance: float


class AlertOut(BaseModel):
    id: str
    desk: str
    kind: AlertKind
    key: str
    opened_at: datetime
    peak_at: datetime | None
    closed_at: datetime | None
    score: float | None
    threshold: float | None
    observed: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    n_tickets: int | None
    why: str
    detector: str
    status: AlertStatus
    status_by: str | None
    status_at: datetime | None
    group_key: str
    members: list[str]
    isolated: IsolatedOut | None


class TraceOut(BaseModel):
    times: list[datetime]
    observed: list[float | None]
    expected: list[float | None]
    lower: list[float | None]
    upper: list[float | None]


class AlertsOut(BaseModel):
    alerts: list[AlertOut]
    limit: int
    offset: int


class ExplainedOut(BaseModel):
    """What the alert's opening followed from, and the same sum done again just now.

    `same`: score and range are to nine digits what they were when it fired, as the hashes say.
    """

    alert_id: str
    why: str
    detector: str
    made_with: dict[str, int | str]
    at: datetime
    observed: float | None
    threshold: float | None
    score: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    sha256: str
    sha256_again: str
    same: bool


class OneAlertOut(AlertOut):
    incident_id: str | None = None
    trace: TraceOut | None = None


@router.get("/v1/alerts")
def alerts(
    service: Served,
    caller: Reader,
    desk: DeskName = None,
    status: AlertStatus | None = None,
    kind: AlertKind | None = None,
    key: Key = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> AlertsOut:
    """Alerts of one desk, the newest first. `since` and `until` bound when they opened."""
    desk = desk or service.settings.desk
    check_desk(caller, desk)
    found = service.store().alerts(
        desks=[desk],
        status=status,
        kind=kind,
        key=key,
        since=since,
        until=until,
        limit=limit,
        offset=offset,
    )
    return AlertsOut(alerts=[alert_out(a) for a in found], limit=limit, offset=offset)


@router.get("/v1/alerts/{id}")
def alert(service: Served, caller: Reader, id: str) -> OneAlertOut:
    """One alert, with the values that its chart draws."""
    found, store = alert_of(service, caller, id), service.store()
    joined = store.incident_of(found.id)
    return one_alert_out(found, store.trace(found.id), joined.incident_id if joined else None)


@router.get("/v1/alerts/{id}/explain")
def explain(service: Served, caller: Reader, id: str) -> ExplainedOut:
    """Do the sum again that opened an alert, from what the detector knew then."""
    found = alert_of(service, caller, id)
    kept = service.store().evidence(found.id)
    if kept is None:
        raise Problem(404, "nothing was kept of how this alert came about; it is an old one")
    evidence = unpacked(kept)
    done = again(evidence)
    return ExplainedOut(
        alert_id=found.id,
        why=found.why,
        detector=evidence.detector,
        made_with=dict(evidence.made_with),
        at=evidence.at.astype("M8[us]").item().replace(tzinfo=UTC),
        **finite(
            {"observed": evidence.value, "threshold": evidence.threshold, **done.judged._asdict()}
        ),
        sha256=evidence.sha256,
        sha256_again=done.sha256,
        same=done.same,
    )


@router.post("/v1/alerts/{id}", openapi_extra=ACTION_BODY)
async def judge(request: Request, service: Served, caller: Admin, id: str) -> AlertOut:
    """Say what became of an alert: acknowledge, resolve, false_alarm or reopen."""
    body = await json_body(request)
    action = body.get("action") if isinstance(body, dict) else None
    if action not in [*ACTIONS]:  # in a list: it may be what has no hash
        raise wrong(f"wanted one of {', '.join(ACTIONS)}", "body", "action")
    return await anyio.to_thread.run_sync(judged, service, caller, id, ACTIONS[action])


def judged(service: Service, caller: Caller, id: str, status: AlertStatus) -> AlertOut:
    store, now = service.store(), service.now()
    alert_of(service, caller, id)
    told = store.judge_alert(id, status, by=caller.name, at=now)
    store.log(now, caller.name, f"alert {status}", told.desk, id)
    return alert_out(told)


def alert_of(service: Service, caller: Caller, id: str) -> Alert:
    """The alert; Problem 404 also where it belongs to a desk that is not the caller's."""
    found = service.store().alert(id) if id.isprintable() else None
    if found is None or not caller.sees(found.desk):
        raise Problem(404, "no alert has this id on your desks; GET /v1/alerts lists them")
    return found


def alert_out(alert: Alert) -> AlertOut:
    return AlertOut(**finite(asdict(alert)))


def one_alert_out(alert: Alert, trace: Trace | None, incident_id: str | None) -> OneAlertOut:
    drawn = TraceOut(**finite(asdict(trace))) if trace else None
    return OneAlertOut(**finite(asdict(alert)), incident_id=incident_id, trace=drawn)


def finite(value: Any) -> Any:
    """`value` with None for each number that JSON cannot say.

    >>> finite({"lower": float("-inf"), "observed": (1.0, float("nan"))})
    {'lower': None, 'observed': [1.0, None]}
    """
    if isinstance(value, dict):
        return {name: finite(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
