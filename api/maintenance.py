"""Maintenance windows: times in which nobody is to be woken, in the words of Alertmanager."""

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import anyio
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from api.auth import Admin, Caller, Reader, check_desk
from api.limits import json_body
from api.native import wrong
from api.problems import Problem, invalid
from api.service import DeskName, Served, Service
from data.maintenance import MOST_GLOBS, new_maintenance, now_or_next
from data.records import Maintenance

router = APIRouter(tags=["alerts"])


class Matcher(BaseModel):
    """What is meant: a glob (`*`, `?`, `[ab]`) of series, or of kinds of tickets."""

    model_config = ConfigDict(extra="forbid")

    name: Literal["series", "category"]
    value: str


class MaintenanceIn(BaseModel):
    """Without matchers the whole desk is meant, without `starts_at` from now on."""

    model_config = ConfigDict(extra="forbid")

    ends_at: AwareDatetime
    starts_at: AwareDatetime | None = None
    matchers: Annotated[list[Matcher], Field(max_length=MOST_GLOBS)] = []
    every: Literal["week"] | None = None
    comment: str = ""


class MaintenanceOut(BaseModel):
    """`starts_at` and `ends_at` are of the first time, where it comes every week."""

    id: str
    desk: str
    state: Literal["pending", "active", "expired"]
    starts_at: datetime
    ends_at: datetime
    matchers: list[Matcher]
    every: Literal["week"] | None
    comment: str
    created_by: str
    created_at: datetime | None


class AllMaintenanceOut(BaseModel):
    maintenance: list[MaintenanceOut]


SCHEMA = MaintenanceIn.model_json_schema(ref_template="#/components/schemas/{model}")
SCHEMA.pop("$defs")  # the answers' models bring them
BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": SCHEMA}}}}


@router.get("/v1/maintenance")
def planned(service: Served, caller: Reader, desk: DeskName = None) -> AllMaintenanceOut:
    """What goes on or is to come on one desk, by its start."""
    desk = desk or service.settings.desk
    check_desk(caller, desk)
    found = service.store().maintenances([desk], since=service.now())
    return AllMaintenanceOut(maintenance=[out(service, one) for one in found])


@router.post("/v1/maintenance", status_code=201, openapi_extra=BODY)
async def plan(
    request: Request, service: Served, caller: Admin, desk: DeskName = None
) -> MaintenanceOut:
    """Plan a window in which what it names wakes nobody, and is not learnt as normal."""
    desk = desk or service.settings.desk
    check_desk(caller, desk)
    try:
        given = MaintenanceIn.model_validate(await json_body(request))
    except ValidationError as error:
        raise invalid(error.errors(include_input=False, include_url=False), ("body",)) from None
    return await anyio.to_thread.run_sync(stored, service, caller, desk, given)


def stored(service: Service, caller: Caller, desk: str, given: MaintenanceIn) -> MaintenanceOut:
    now = service.now()
    try:
        one = new_maintenance(
            desk,
            given.starts_at or now,
            given.ends_at,
            series=[m.value for m in given.matchers if m.name == "series"],
            categories=[m.value for m in given.matchers if m.name == "category"],
            weekly=given.every == "week",
            note=given.comment,
            by=caller.name,
            now=now,
        )
    except ValueError as error:
        raise wrong(str(error), "body") from None
    store = service.store()
    store.put_maintenance(one)
    store.log(now, caller.name, "maintenance planned", desk, one.id)
    return out(service, one)


@router.delete("/v1/maintenance/{id}", status_code=204)
def end(service: Served, caller: Admin, id: str) -> Response:
    """End a window now, or call it off. What it has covered stays unlearnt."""
    store, now = service.store(), service.now()
    known = store.maintenance(id) if id.isprintable() else None
    mine = known if known is not None and caller.sees(known.desk) else None
    if mine is None or not store.remove_maintenance(id, now):
        raise Problem(404, "no maintenance of this id goes on or is to come on your desks")
    store.log(now, caller.name, "maintenance ended", mine.desk, id)
    return Response(status_code=204)


def out(service: Service, one: Maintenance) -> MaintenanceOut:
    now = service.now()
    span = now_or_next(one, now, ZoneInfo(service.settings.timezone))
    series = [Matcher(name="series", value=glob) for glob in one.series]
    return MaintenanceOut(
        id=one.id,
        desk=one.desk,
        state="expired" if span is None else "active" if span[0] <= now else "pending",
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        matchers=[*series, *(Matcher(name="category", value=glob) for glob in one.categories)],
        every="week" if one.weekly else None,
        comment=one.note,
        created_by=one.created_by,
        created_at=one.created_at,
    )
