"""Changes to services: told by whoever deploys, shown beside the alerts that come after."""

from datetime import datetime
from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel

from api.auth import Changer, Reader, check_desk
from api.limits import json_body
from api.native import wrong
from api.service import DeskName, Served
from data.records import Change
from data.sources.changes import read_changes

router = APIRouter(tags=["alerts"])
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {"title": "Deploy shop 4.2", "service": "shop", "url": "https://ci/42"},
            }
        },
    }
}


class ChangeOut(BaseModel):
    id: str
    desk: str
    at: datetime
    title: str
    service: str
    url: str
    told_by: str


class ChangesOut(BaseModel):
    changes: list[ChangeOut]


class TakenOut(BaseModel):
    """`new` of the changes were not known before."""

    ids: list[str]
    new: int


@router.post("/v1/changes", status_code=202, openapi_extra=BODY)
async def tell(
    request: Request, service: Served, caller: Changer, desk: DeskName = None
) -> TakenOut:
    """Tell of a change: our own form, a PagerDuty change event or an Alertmanager webhook.

    The same change told twice is kept once: by its `id`, else by time, service and title.
    """
    desk = desk or service.settings.desk
    check_desk(caller, desk)
    given = await json_body(request)
    try:
        found = read_changes(given, desk, service.now(), caller.name)
    except ValueError as error:
        raise wrong(str(error), "body") from None
    new = await anyio.to_thread.run_sync(lambda: service.store().put_service_changes(found))
    return TakenOut(ids=[one.id for one in found], new=new)


@router.get("/v1/changes")
def known(
    service: Served,
    caller: Reader,
    desk: DeskName = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ChangesOut:
    """The changes of one desk, the newest first."""
    desk = desk or service.settings.desk
    check_desk(caller, desk)
    return ChangesOut(
        changes=[out(one) for one in service.store().service_changes(desk, since, until, limit)]
    )


def out(one: Change) -> ChangeOut:
    return ChangeOut(
        id=one.id, desk=one.desk, at=one.at, title=one.title, service=one.service, url=one.url,
        told_by=one.told_by,
    )  # fmt: skip
