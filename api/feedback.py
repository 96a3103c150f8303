"""What people say that tickets should have been."""

from collections.abc import Sequence
from typing import Any

import anyio
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, TypeAdapter

from api.auth import Caller, Sender
from api.limits import json_body
from api.named_desk import IN_PATH, desk_meant, under_desk
from api.native import read_rows, unpacked
from api.service import AskedDesk, Served, Service
from api.tickets import Label, Name, body_of
from data.records import Feedback
from data.store import Written

PATH = "/v1/feedback"

router = APIRouter(tags=["tickets"])


class SentFeedback(BaseModel):
    """What a target of a ticket should have been, by who handled it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    external_id: Name
    target: Name
    label: Label
    source: Name = "api"
    given_by: Name | None = None


class HeardOut(BaseModel):
    """`new`, `changed` and `same` count the corrections."""

    desk: str
    new: int
    changed: int
    same: int


SAID = TypeAdapter(list[SentFeedback])
HEAR: dict[str, Any] = {"openapi_extra": body_of(SentFeedback, "feedback")}


@router.post(under_desk(PATH), dependencies=IN_PATH, **HEAR)
@router.post(PATH, **HEAR)
async def hear(
    request: Request, service: Served, caller: Sender, asked: AskedDesk = None
) -> HeardOut:
    """Say what tickets should have been, one or {"feedback": [...]}: the next training learns it.

    Of one person's words on one target of a ticket the latest counts.
    """
    body_desk, given, prefix = unpacked(await json_body(request), "feedback")
    desk = desk_meant(request, service, caller, asked, body_desk)
    now, most = service.now(), service.settings.max_batch
    said = [
        Feedback(
            desk, one.source, one.external_id, one.target, one.label, now,
            one.given_by or caller.name,
        )
        for one in read_rows(SAID, given, prefix, most, what="correction", numbered=False)
    ]  # fmt: skip
    written = await anyio.to_thread.run_sync(heard, service, caller, desk, said)
    return HeardOut(desk=desk, **written._asdict())


def heard(service: Service, caller: Caller, desk: str, said: Sequence[Feedback]) -> Written:
    """Store corrections, and log on which tickets they were, if they said anything new."""
    store = service.store()
    written = store.put_feedback(said)
    if written.new or written.changed:
        tickets = dict.fromkeys(f"{one.source}/{one.external_id}" for one in said)
        store.log(service.now(), caller.name, "feedback given", desk, *tickets)
    return written
