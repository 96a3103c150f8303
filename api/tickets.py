"""Tickets as they come: stored, then scored."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from api.answers import ModelOut, Scored, TargetOut, model_of
from api.auth import Caller, Sender
from api.champion import Champion
from api.limits import json_body
from api.named_desk import IN_PATH, desk_meant, under_desk
from api.native import read_rows, unpacked, wrong
from api.once import Asked, IdempotencyKey, id_of, once
from api.ongoing import Ongoing, OngoingOut, incident_field
from api.problems import request_id_of
from api.responses import JsonResponse
from api.scoring import scored_by
from api.service import AskedDesk, Served, Service
from api.shadow import TicketName
from data.attributes import MOST, fault_of
from data.masking import pseudonym
from data.records import Prediction, Ticket
from data.secret_files import pseudonym_key
from data.settings import Settings
from data.sources.changes import AHEAD
from data.store_answers import Claim
from data.store_writes import Decided
from data.ticket_texts import fields_of
from features.windows import TARGET

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
Label = Annotated[str, Field(max_length=500)]
Text = Annotated[str, Field(max_length=200_000)]
Targets = dict[str, dict[str, Any]]
Decide = Callable[[Sequence[Ticket], Sequence[Targets]], list[Decided]]

router = APIRouter(tags=["tickets"])


class SentTicket(BaseModel):
    """A ticket to be stored. `source` and `external_id` are its identity: sent again, it is one.

    Only a request with an `Idempotency-Key` may leave out `external_id`, which is then made up.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    external_id: Name | None = None
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


class StoredOut(BaseModel):
    """A ticket that is in the store, and what the model says of it; no targets without a model."""

    external_id: str
    source: str
    targets: dict[str, TargetOut]
    incident: OngoingOut | None = None


class TakenOut(BaseModel):
    """`new`, `changed` and `same` count the tickets; `model` is null where none is served yet."""

    request_id: str
    desk: str
    new: int
    changed: int
    same: int
    model: ModelOut | None
    results: list[StoredOut]


SENT = TypeAdapter(list[SentTicket])


def body_of(model: type[BaseModel], many: str) -> dict[str, Any]:
    """What the OpenAPI document says of a body: one, a list, or {many: [...]}."""
    one = model.model_json_schema()
    several = {"type": "array", "items": one, "minItems": 1}
    whole = {"type": "object", "required": [many], "properties": {many: several}}
    schema = {"anyOf": [one, several, whole]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


PATH = "/v1/tickets"
TAKE: dict[str, Any] = {
    "openapi_extra": body_of(SentTicket, "tickets"),
    "response_model": TakenOut,
}


@router.post(under_desk(PATH), dependencies=IN_PATH, **TAKE)
@router.post(PATH, **TAKE)
async def take(
    request: Request,
    service: Served,
    caller: Sender,
    asked: AskedDesk = None,
    key: IdempotencyKey = None,
) -> Response:
    """Store one ticket, a list, or {"tickets": [...]}, and say what each target's label should be.

    What is answered with 200 is in the store. Sent again, a ticket changes nothing; a poorer copy
    blanks nothing that is known. With an `Idempotency-Key` a request that is sent again gets the
    first answer again.
    """
    body_desk, given, prefix = unpacked(await json_body(request))
    desk = desk_meant(request, service, caller, asked, body_desk)
    sent = read_rows(SENT, given, prefix, service.settings.max_batch, numbered=False)
    places = [[*prefix, str(number)] if len(sent) > 1 else prefix for number in range(len(sent))]
    if key is None:
        check_named(sent, places)

    async def work(claim: Claim | None) -> Response:
        tickets = await tickets_of(service, desk, named(sent, claim), places)
        return await taken(request, caller, desk, tickets)

    return await once(service, Asked(caller, desk, key, given), work)


def incident_told(
    ticket: Ticket, targets: Mapping[str, Mapping[str, Any]], going_on: Sequence[Ongoing]
) -> dict[str, dict[str, str] | None]:
    own = ticket.labels.get(TARGET)
    return incident_field(going_on, targets, (ticket.title, ticket.body), own)


def check_named(sent: Sequence[SentTicket], places: Sequence[Sequence[str]]) -> None:
    for one, place in zip(sent, places, strict=True):
        if one.external_id is None:
            raise wrong("is needed, where no Idempotency-Key comes", *place, "external_id")


def named(sent: Sequence[SentTicket], claim: Claim | None) -> Sequence[SentTicket]:
    """The tickets, each with an id; one that is made up is opened when its request first came."""
    if claim is None:
        return sent
    return [
        one
        if one.external_id is not None
        else one.model_copy(
            update={
                "external_id": id_of(claim, number),
                "opened_at": one.opened_at or claim.begun_at,
            }
        )
        for number, one in enumerate(sent)
    ]


async def tickets_of(
    service: Service, desk: str, sent: Sequence[SentTicket], places: Sequence[Sequence[str]]
) -> list[Ticket]:
    """The tickets as they are to be stored; a Problem says what is wrong, and at which place."""
    first = await anyio.to_thread.run_sync(known_times, service, desk, sent)
    hidden = await anyio.to_thread.run_sync(with_pseudonyms, service.settings, sent)
    now = service.now()
    return [
        ticket_of(one, desk, now, at, place)
        for one, at, place in zip(hidden, first, places, strict=True)
    ]


async def taken(
    request: Request, caller: Caller, desk: str, tickets: Sequence[Ticket]
) -> JsonResponse:
    """As `TakenOut`."""
    service: Service = request.app.state.service
    service.batcher.admit(len(tickets))
    written, champion, results = await stored(service, desk, tickets)
    going_on = service.incidents.for_tickets(caller, desk)
    return JsonResponse(
        {
            "request_id": request_id_of(request),
            "desk": desk,
            **written._asdict(),
            "model": model_of(champion) if champion else None,
            "results": [
                {"external_id": one.external_id, "source": one.source, "targets": found}
                | incident_told(one, found, going_on)
                for one, found in zip(tickets, results, strict=True)
            ],
        }
    )


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


def with_pseudonyms(settings: Settings, sent: Sequence[SentTicket]) -> list[SentTicket]:
    """The tickets with a hash for each requester; the key is read once for all of them."""
    names = [(one.requester or "").strip() for one in sent]
    secret = pseudonym_key(settings) if any(names) else ""
    return [
        one.model_copy(update={"requester": pseudonym(secret, name) if name else None})
        for one, name in zip(sent, names, strict=True)
    ]


def ticket_of(
    sent: SentTicket, desk: str, now: datetime, opened_at: datetime, where: Sequence[str]
) -> Ticket:
    """The ticket as it is to be stored, once its requester is hashed; the store masks it."""
    for name in ("opened_at", "resolved_at"):
        at: datetime | None = getattr(sent, name)
        if at is not None and at > now + AHEAD:
            raise wrong("lies ahead of this machine's clock", *where, name)
    for name, value in sent.attributes.items():
        if fault := fault_of(name, value.strip()):
            raise wrong(fault, *where, "attributes", name)
    return Ticket(desk=desk, opened_at=opened_at, **sent.model_dump(exclude={"opened_at"}))


async def stored(
    service: Service, desk: str, tickets: Sequence[Ticket]
) -> tuple[Any, Champion | None, list[Targets]]:
    """Store first, then score."""
    store = await anyio.to_thread.run_sync(service.store)
    written = await anyio.to_thread.run_sync(store.put_tickets, tickets)
    return written, *await said_of(service, desk, tickets)


def nothing_decided(_: Sequence[Ticket], __: Sequence[Targets]) -> list[Decided]:
    return []


async def said_of(
    service: Service, desk: str, tickets: Sequence[Ticket], decide: Decide = nothing_decided
) -> tuple[Champion | None, list[Targets]]:
    """Score tickets that are in the store, then keep which version said what.

    With it is kept what they `decide` is to be written into the tickets at their desk.
    """
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
    targets = [one.targets for one in found]
    await anyio.to_thread.run_sync(service.store().put_predictions, said, decide(tickets, targets))
    return champion, targets


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
