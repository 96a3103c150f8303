"""Tickets as they come: stored, then scored; and what people say that they should have been."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from api.answers import ModelOut, Scored, TargetOut, model_of
from api.auth import Caller, Sender, check_desk
from api.champion import Champion
from api.limits import json_body
from api.native import read_rows, unpacked, wrong
from api.problems import request_id_of
from api.responses import JsonResponse
from api.scoring import scored_by
from api.service import DeskName, Served, Service
from api.shadow import TicketName
from data.attributes import MOST, fault_of
from data.masking import pseudonym
from data.records import Feedback, Prediction, Ticket
from data.secret_files import pseudonym_key
from data.sources.changes import AHEAD
from data.store import Written
from data.ticket_texts import fields_of

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
Label = Annotated[str, Field(max_length=500)]
Text = Annotated[str, Field(max_length=200_000)]

router = APIRouter(tags=["tickets"])


class SentTicket(BaseModel):
    """A ticket to be stored. `source` and `external_id` are its identity: sent again, it is one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    external_id: Name
    source: Name = "api"
    opened_at: Annotated[AwareDatetime | None, Field(strict=False)] = None
    resolved_at: Annotated[AwareDatetime | None, Field(strict=False)] = None
    title: Text = ""
    body: Text = ""
    resolution: Text = ""
    channel: Name | None = None
    requester: Text | None = None
    labels: dict[Name, Label] = Field(default_factory=dict, max_length=50)
    attributes: dict[str, str] = Field(default_factory=dict, max_length=MOST)


class SentFeedback(BaseModel):
    """What a target of a ticket should have been, by who handled it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    external_id: Name
    target: Name
    label: Label
    source: Name = "api"
    given_by: Name | None = None


class StoredOut(BaseModel):
    """A ticket that is in the store, and what the model says of it; no targets without a model."""

    external_id: str
    source: str
    targets: dict[str, TargetOut]


class TakenOut(BaseModel):
    """`new`, `changed` and `same` count the tickets; `model` is null where none is served yet."""

    request_id: str
    desk: str
    new: int
    changed: int
    same: int
    model: ModelOut | None
    results: list[StoredOut]


class HeardOut(BaseModel):
    """`new`, `changed` and `same` count the corrections."""

    desk: str
    new: int
    changed: int
    same: int


SENT, SAID = TypeAdapter(list[SentTicket]), TypeAdapter(list[SentFeedback])


def body_of(model: type[BaseModel], many: str) -> dict[str, Any]:
    """What the OpenAPI document says of a body: one, a list, or {many: [...]}."""
    one = model.model_json_schema()
    several = {"type": "array", "items": one, "minItems": 1}
    whole = {"type": "object", "required": [many], "properties": {many: several}}
    schema = {"anyOf": [one, several, whole]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post("/v1/tickets", openapi_extra=body_of(SentTicket, "tickets"), response_model=TakenOut)
async def take(
    request: Request, service: Served, caller: Sender, desk: DeskName = None
) -> JsonResponse:
    """Store one ticket, a list, or {"tickets": [...]}, and say what each target's label should be.

    What is answered with 200 is in the store. Sent again, a ticket changes nothing; a poorer copy
    blanks nothing that is known.
    """
    body_desk, given, prefix = unpacked(await json_body(request))
    desk = desk or body_desk or service.settings.desk
    check_desk(caller, desk)
    sent = read_rows(SENT, given, prefix, service.settings.max_batch, numbered=False)
    first = await anyio.to_thread.run_sync(known_times, service, desk, sent)
    tickets = [
        ticket_of(one, desk, service, at, [*prefix, str(number)] if len(sent) > 1 else prefix)
        for number, (one, at) in enumerate(zip(sent, first, strict=True))
    ]
    service.batcher.admit(len(tickets))
    written, champion, results = await stored(service, desk, tickets)
    return JsonResponse(
        {
            "request_id": request_id_of(request),
            "desk": desk,
            **written._asdict(),
            "model": model_of(champion) if champion else None,
            "results": [
                {"external_id": one.external_id, "source": one.source, "targets": found}
                for one, found in zip(tickets, results, strict=True)
            ],
        }
    )


@router.post("/v1/feedback", openapi_extra=body_of(SentFeedback, "feedback"))
async def hear(
    request: Request, service: Served, caller: Sender, desk: DeskName = None
) -> HeardOut:
    """Say what tickets should have been, one or {"feedback": [...]}: the next training learns it.

    Of one person's words on one target of a ticket the latest counts.
    """
    body_desk, given, prefix = unpacked(await json_body(request), "feedback")
    desk = desk or body_desk or service.settings.desk
    check_desk(caller, desk)
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


def known_times(service: Service, desk: str, sent: Sequence[SentTicket]) -> list[datetime]:
    """When each ticket was opened, if it does not say: when it first came, or now."""
    untimed = [(one.source, one.external_id) for one in sent if one.opened_at is None]
    known = service.store().tickets_of(desk, untimed) if untimed else {}
    now = service.now()
    return [
        one.opened_at or (before.opened_at if before else now)
        for one in sent
        for before in [known.get((one.source, one.external_id))]
    ]


def ticket_of(
    sent: SentTicket, desk: str, service: Service, opened_at: datetime, where: Sequence[str]
) -> Ticket:
    """The ticket as it is stored: its requester hashed, masked by the store."""
    now = service.now()
    for name in ("opened_at", "resolved_at"):
        at: datetime | None = getattr(sent, name)
        if at is not None and at > now + AHEAD:
            raise wrong("lies ahead of this machine's clock", *where, name)
    for name, value in sent.attributes.items():
        if fault := fault_of(name, value.strip()):
            raise wrong(fault, *where, "attributes", name)
    who = sent.requester and sent.requester.strip()
    told = sent.model_dump(exclude={"requester", "opened_at"})
    return Ticket(
        desk=desk,
        opened_at=opened_at,
        requester=pseudonym(pseudonym_key(service.settings), who) if who else None,
        **told,
    )


async def stored(
    service: Service, desk: str, tickets: Sequence[Ticket]
) -> tuple[Any, Champion | None, list[dict[str, dict[str, Any]]]]:
    """Store first, then score."""
    store = await anyio.to_thread.run_sync(service.store)
    written = await anyio.to_thread.run_sync(store.put_tickets, tickets)
    return written, *await said_of(service, desk, tickets)


async def said_of(
    service: Service, desk: str, tickets: Sequence[Ticket]
) -> tuple[Champion | None, list[dict[str, dict[str, Any]]]]:
    """Score tickets that are in the store, then keep which version said what."""
    champion = service.champions.get(desk)
    if champion is None or not tickets:
        return champion, [{} for _ in tickets]
    columns = fields_of(tickets, champion.triage.features.columns)
    names = [TicketName(ticket.source, ticket.external_id) for ticket in tickets]
    found = await scored_by(service, champion, columns, names)
    said = [
        prediction
        for ticket, one in zip(tickets, found, strict=True)
        for prediction in predictions_of(ticket, one, champion, service.now())
    ]
    await anyio.to_thread.run_sync(service.store().put_predictions, said)
    return champion, [one.targets for one in found]


def predictions_of(
    ticket: Ticket, found: Scored, champion: Champion, at: datetime
) -> list[Prediction]:
    return [
        Prediction(
            ticket.desk, ticket.source, ticket.external_id, target, out["label"],
            out["probability"], out["decision"], champion.name, champion.version,
            champion.run_id, at,
        )
        for target, out in found.targets.items()
    ]  # fmt: skip
