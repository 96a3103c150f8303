"""Who changed what, for the administrators of a desk."""

from dataclasses import asdict
from datetime import datetime

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel

from api.alerts import Limit
from api.auth import Admin, check_desk
from api.service import DeskName, Served

router = APIRouter(tags=["health"])


class LoggedOut(BaseModel):
    at: datetime
    who: str
    what: str
    desk: str
    subject: str


class AuditLogOut(BaseModel):
    entries: list[LoggedOut]


@router.get("/v1/audit-log")
def audit_log(
    service: Served,
    caller: Admin,
    desk: DeskName = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Limit = 100,
) -> AuditLogOut:
    """What was changed on the caller's desks, or on one of them, the newest first.

    What is done to a key of all desks is told to keys of all desks.
    """
    if desk is not None:
        check_desk(caller, desk)
        desks = frozenset({desk})
    else:
        desks = caller.desks
    found = service.store().logged(
        None if "*" in desks else desks, since=since, until=until, limit=limit
    )
    return AuditLogOut(entries=[LoggedOut(**asdict(one)) for one in found])
