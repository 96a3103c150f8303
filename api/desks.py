"""Help desks' own systems: their webhooks are stored, scored, and answered in their words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Security

from api import desk_answers, signatures
from api.answers import model_of
from api.auth import BEARER, HEADER, check_desk, needs
from api.champion import Champion
from api.limits import json_body
from api.native import wrong
from api.problems import request_id_of
from api.protocols import admit
from api.responses import JsonResponse
from api.service import DeskPath, Served, Service
from api.tickets import Decide, Targets, nothing_decided, said_of
from data.desk_apis import APIS
from data.masking import pseudonym
from data.receivers import desks_of
from data.records import Ticket
from data.rows import Written
from data.secret_files import pseudonym_key
from data.settings import Settings
from data.sources import cloudevents, freshservice, jira, servicenow, zendesk
from data.sources.changes import AHEAD
from data.sources.desk_ticket import DeskTicket
from data.store_updates import Update
from data.store_writes import Decided
from data.ticket_texts import key_of

Headers = Mapping[str, str]
Read = Callable[[object, Headers], tuple[DeskTicket, ...]]
Answer = Annotated[
    Literal["native"] | None, Query(description="answer as POST /v1/tickets does, not as the desk")
]
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": ["object", "array"]}}},
    }
}
EVENT_TYPES: dict[str, Any] = {
    form: {"schema": {"type": kind}}
    for form, kind in ((cloudevents.STRUCTURED, "object"), (cloudevents.BATCH, "array"))
}
EVENT_BODY = {
    "requestBody": {
        "required": True,
        "content": {**EVENT_TYPES, "application/json": {"schema": {"type": "object"}}},
    }
}
SENDER = needs("tickets")

router = APIRouter(tags=["desks"], dependencies=[Security(BEARER), Security(HEADER)])


@dataclass(frozen=True)
class System:
    """How one system's messages are read, by what they are signed, and how each is answered."""

    read: Read
    answer: Callable[[Targets], dict[str, Any]]
    signed: Callable[[Settings, Headers, bytes, datetime], bool] = signatures.by_none
    source: str = ""  # under which its own tickets are stored


@dataclass(frozen=True)
class Taken:
    """What was sent, what storing it did, and what each ticket's targets are."""

    given: object
    sent: tuple[DeskTicket, ...]
    written: Written
    champion: Champion | None
    targets: list[Targets]


ZENDESK = System(
    lambda given, _: zendesk.read(given),
    desk_answers.for_zendesk,
    signatures.by_zendesk,
    source="zendesk",
)
SERVICENOW = System(
    lambda given, _: servicenow.read(given), desk_answers.for_servicenow, source="servicenow"
)
JIRA = System(
    lambda given, _: jira.read(given), desk_answers.for_jira, signatures.by_jira, source="jira"
)
FRESHSERVICE = System(
    lambda given, _: freshservice.read(given), desk_answers.for_freshservice, source="freshservice"
)
EVENTS = System(cloudevents.read, lambda targets: {"targets": targets})


@router.post("/v1/desks/{desk}/zendesk", openapi_extra=BODY)
async def take_zendesk(
    request: Request, service: Served, desk: DeskPath, answer: Answer = None
) -> JsonResponse:
    """A ticket event of Zendesk's, or a trigger's ticket; signed, or with a key."""
    return await answered(request, service, desk, ZENDESK, answer)


@router.post("/v1/desks/{desk}/servicenow", openapi_extra=BODY)
async def take_servicenow(
    request: Request, service: Served, desk: DeskPath, answer: Answer = None
) -> JsonResponse:
    """One or several records of ServiceNow's Table API."""
    return await answered(request, service, desk, SERVICENOW, answer)


@router.post("/v1/desks/{desk}/jira", openapi_extra=BODY)
async def take_jira(
    request: Request, service: Served, desk: DeskPath, answer: Answer = None
) -> JsonResponse:
    """An issue of Jira's; signed, or with a key."""
    return await answered(request, service, desk, JIRA, answer)


@router.post("/v1/desks/{desk}/freshservice", openapi_extra=BODY)
async def take_freshservice(
    request: Request, service: Served, desk: DeskPath, answer: Answer = None
) -> JsonResponse:
    """A ticket of Freshservice's or Freshdesk's."""
    return await answered(request, service, desk, FRESHSERVICE, answer)


@router.post(
    "/v1/desks/{desk}/events",
    openapi_extra=EVENT_BODY,
    responses={200: {"content": EVENT_TYPES}},
)
async def take_events(
    request: Request, service: Served, desk: DeskPath, answer: Answer = None
) -> JsonResponse:
    """CloudEvents with tickets in them, answered by an event each."""
    taken = await take(request, service, desk, EVENTS)
    return native(request, desk, taken) if answer else as_events(request, service, desk, taken)


async def answered(
    request: Request, service: Service, desk: str, system: System, answer: str | None
) -> JsonResponse:
    taken = await take(request, service, desk, system)
    return native(request, desk, taken) if answer else in_words(taken, system)


async def take(request: Request, service: Service, desk: str, system: System) -> Taken:
    """Store what a message says of tickets, then score them as they now stand."""
    await let_in(request, service, desk, system)
    given = await json_body(request)
    sent = read(service, system, given, request.headers)
    written, standing = await anyio.to_thread.run_sync(kept, service, desk, sent)
    champion, found = await said_of(service, desk, standing, decider(service, desk, system))
    targets = dict(zip(map(key_of, standing), found, strict=True))
    return Taken(given, sent, written, champion, [targets.get(key_of(one), {}) for one in sent])


def decider(service: Service, desk: str, system: System) -> Decide:
    """What of a system's tickets is written back: its answer, if the settings say where to.

    They say so for FOREWARN_DESK alone: another desk's tickets lie in another system.
    """
    on = {one.kind for one in desks_of(service.settings)}
    if desk != service.settings.desk or system.source not in on:
        return nothing_decided
    said, now = APIS[system.source].said, service.now()

    def decide(tickets: Sequence[Ticket], found: Sequence[Targets]) -> list[Decided]:
        return [
            Decided(desk, one.source, one.external_id, said(system.answer(targets)), now)
            for one, targets in zip(tickets, found, strict=True)
            if one.source == system.source
        ]

    return decide


async def let_in(request: Request, service: Service, desk: str, system: System) -> None:
    """Let in who signed, or has a key for this desk; a signature vouches for FOREWARN_DESK alone.

    One secret that opened every desk would let each desk's system write to all others.
    """
    if desk == service.settings.desk:
        body, now = await request.body(), service.now()
        if system.signed(service.settings, request.headers, body, now):
            return
    check_desk(await SENDER(request), desk)


def read(
    service: Service, system: System, given: object, headers: Headers
) -> tuple[DeskTicket, ...]:
    """The tickets of a message; a Problem says which field is wrong, or that they are too many."""
    try:
        sent = system.read(given, headers)
    except ValueError as error:
        where, _, what = str(error).partition(": ")
        raise wrong(what, *where.split(".")) from None
    admit(service, len(sent))
    return sent


def kept(service: Service, desk: str, sent: Sequence[DeskTicket]) -> tuple[Written, list[Ticket]]:
    """Store what was sent; the tickets as they now stand.

    A message sent twice, or overtaken by a later one, changes nothing, and is answered alike. So
    no list of deliveries is kept: that a ticket is one and its times are ordered does as much,
    and also after a restart, and for systems that number no deliveries.
    """
    store = service.store()
    written = store.put_updates(updates_of(service, desk, sent))
    return written, list(store.tickets_of(desk, dict.fromkeys(map(key_of, sent))).values())


def updates_of(service: Service, desk: str, sent: Sequence[DeskTicket]) -> list[Update]:
    """What is to be stored. Where no time is said, it is that of the first message, or now."""
    now, secret = service.now(), pseudonym_key(service.settings)
    untimed = [(one.source, one.external_id) for one in sent if one.opened_at is None]
    known = service.store().tickets_of(desk, untimed) if untimed else {}
    updates = []
    for number, one in enumerate(sent):
        for name in ("opened_at", "resolved_at", "updated_at"):
            at: datetime | None = getattr(one, name)
            if at is not None and at > now + AHEAD:
                raise wrong("lies ahead of this machine's clock", "body", str(number), name)
        before = known.get((one.source, one.external_id))
        ticket = Ticket(
            desk=desk,
            source=one.source,
            external_id=one.external_id,
            opened_at=one.opened_at or (before.opened_at if before else now),
            resolved_at=one.resolved_at,
            title=one.title,
            body=one.body,
            channel=one.channel,
            requester=pseudonym(secret, one.requester) if one.requester else None,
            labels=one.labels,
        )
        updates.append(Update(ticket, one.updated_at or now, one.deleted))
    return updates


def in_words(taken: Taken, system: System) -> JsonResponse:
    """The answer that the system itself understands; a list where a list came."""
    answers = [system.answer(targets) for targets in taken.targets]
    return JsonResponse(answers if is_several(taken.given) else answers[0])


def is_several(given: object) -> bool:
    inner = given.get("result") if isinstance(given, dict) else given
    return isinstance(inner, list)


def as_events(request: Request, service: Service, desk: str, taken: Taken) -> JsonResponse:
    """An event a ticket, of the type `forewarn.ticket.scored`."""
    told, model = request_id_of(request), taken.champion and model_of(taken.champion)
    events = [
        {
            "specversion": "1.0",
            "id": f"{told}.{number}",
            "source": f"/v1/desks/{desk}",
            "type": "forewarn.ticket.scored",
            "subject": one.external_id,
            "time": service.now().isoformat(),
            "datacontenttype": "application/json",
            "data": {
                "source": one.source,
                "external_id": one.external_id,
                "model": model,
                **EVENTS.answer(targets),
            },
        }
        for number, (one, targets) in enumerate(zip(taken.sent, taken.targets, strict=True))
    ]
    batch = request.headers.get("content-type", "").lower().startswith(cloudevents.BATCH)
    return JsonResponse(
        events if batch else events[0],
        media_type=cloudevents.BATCH if batch else cloudevents.STRUCTURED,
    )


def native(request: Request, desk: str, taken: Taken) -> JsonResponse:
    """The answer of POST /v1/tickets."""
    return JsonResponse(
        {
            "request_id": request_id_of(request),
            "desk": desk,
            **taken.written._asdict(),
            "model": taken.champion and model_of(taken.champion),
            "results": [
                {"external_id": one.external_id, "source": one.source, "targets": targets}
                for one, targets in zip(taken.sent, taken.targets, strict=True)
            ],
        }
    )
