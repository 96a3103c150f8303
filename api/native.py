"""Forewarn's own protocol: score tickets, and say which models do it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import anyio
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from api.answers import ModelOut, Scored, ScoredOut, answered, model_of
from api.auth import Caller, Reader, Scorer, check_desk
from api.direct import DirectRoute
from api.fields import Fields, trimmed
from api.limits import json_body
from api.named_desk import IN_PATH, desk_meant, under_desk
from api.ongoing import Ongoing, incident_field
from api.problems import Problem, invalid, request_id_of
from api.responses import JsonResponse
from api.scoring import note, scored_by
from api.service import AskedDesk, DeskPath, Served, Service, Version, model_for
from api.shadow import Answered, TicketName
from api.shadow_text import ChallengerOut, challenger_of
from api.similar import COSTS, Similar, check_may_read
from models.promise import Promise, State
from models.triage import Triage
from models.why import MAX_READINGS

Explain = Annotated[
    Literal["words", "occlusion", "neighbours"] | None,
    Query(
        description="add each target's evidence: the words that counted most, "
        "or the past tickets; these need scope read"
    ),
]

router = APIRouter(tags=["tickets"])
direct = APIRouter(tags=["tickets"], route_class=DirectRoute)


class TicketIn(BaseModel):
    """One ticket. Any other text that the model was trained on goes by its column's name."""

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, str | None]

    title: str | None = None
    body: str | None = None
    external_id: str | None = None


class ScoresOut(BaseModel):
    request_id: str
    desk: str
    model: ModelOut
    results: list[ScoredOut]


class StateOut(BaseModel):
    label: str
    n_labels: int
    state: State
    n_more: int


class ServedOut(ModelOut):
    desk: str
    published_at: datetime
    loaded_at: datetime
    targets: dict[str, list[str]]
    states: dict[str, list[StateOut]]
    fault: str | None
    challenger: ChallengerOut | None


class ModelsOut(BaseModel):
    models: list[ServedOut]


Row = TypeVar("Row")
TICKETS = TypeAdapter(list[TicketIn])
TEXTS = {"type": ["string", "null"]}
TICKET_SCHEMA = {
    "type": "object",
    "properties": {"title": TEXTS, "body": TEXTS, "external_id": TEXTS},
    "additionalProperties": TEXTS,
}
BODY_SCHEMA = {
    "anyOf": [
        TICKET_SCHEMA,
        {"type": "array", "items": TICKET_SCHEMA, "minItems": 1},
        {
            "type": "object",
            "required": ["tickets"],
            "properties": {
                "desk": {"type": "string"},
                "tickets": {"type": "array", "items": TICKET_SCHEMA, "minItems": 1},
            },
        },
    ]
}
OPENAPI = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": BODY_SCHEMA}}}
}
SCORE: dict[str, Any] = {"openapi_extra": OPENAPI, "response_model": ScoresOut}
PATH = "/v1/tickets/score"


@direct.post(under_desk(PATH), dependencies=IN_PATH, **SCORE)
@direct.post(PATH, **SCORE)
async def score(
    request: Request,
    service: Served,
    caller: Scorer,
    asked: AskedDesk = None,
    explain: Explain = None,
    similar: Similar = None,
    fields: Fields = None,
    version: Version = None,
) -> JsonResponse:
    """One ticket, a list, or {"tickets": [...]}: what each target's label should be, and why."""
    if similar is not None or explain == "neighbours":
        check_may_read(caller)
    body_desk, given, prefix = unpacked(await json_body(request))
    desk = desk_meant(request, service, caller, asked, body_desk)
    champion = await model_for(service, desk, version)
    tickets = read_rows(
        TICKETS, given, prefix, most_tickets(service.settings.max_batch, explain, similar)
    )
    columns = columns_of(tickets, champion.triage, prefix)
    service.batcher.admit(len(tickets))
    names = [TicketName(None, ticket.external_id) for ticket in tickets]
    if explain is None and similar is None:
        results = await scored_by(service, champion, columns, names)
    else:
        results = await anyio.to_thread.run_sync(
            answered, service, champion, columns, explain, similar, limiter=service.scoring
        )
        note(service, Answered(champion, columns, results, names))
    going_on = service.incidents.for_tickets(caller, desk)
    return JsonResponse(
        {
            "request_id": request_id_of(request),
            "desk": desk,
            "model": model_of(champion),
            "results": [
                trimmed(result_of(ticket, found) | incident_told(ticket, found, going_on), fields)
                for ticket, found in zip(tickets, results, strict=True)
            ],
        }
    )


def result_of(ticket: TicketIn, found: Scored) -> dict[str, Any]:
    """As `ScoredOut`."""
    return {
        "external_id": ticket.external_id,
        "tier": found.tier,
        "targets": found.targets,
        **found.more,
    }


def incident_told(
    ticket: TicketIn, found: Scored, going_on: Sequence[Ongoing]
) -> dict[str, dict[str, str] | None]:
    return incident_field(going_on, found.targets, (ticket.title, ticket.body))


@router.get("/v1/models", tags=["models"])
def models(service: Served, caller: Reader) -> ModelsOut:
    """The model that each of the caller's desks is served by."""
    return ModelsOut(models=served_models(service, caller))


@router.get("/v1/desks/{desk}/models", tags=["models"])
def models_of(service: Served, caller: Reader, desk: DeskPath) -> ModelsOut:
    """The model that one desk is served by; none where nothing was promoted yet."""
    check_desk(caller, desk)
    return ModelsOut(models=[one for one in served_models(service, caller) if one.desk == desk])


def served_models(service: Service, caller: Caller) -> list[ServedOut]:
    faults = service.champions.faults()
    return [
        ServedOut(
            **model_of(champion),
            desk=champion.desk,
            published_at=champion.published_at,
            loaded_at=champion.loaded_at,
            targets={name: list(map(str, c)) for name, c in champion.triage.classes.items()},
            states={name: states_of(p) for name, p in champion.triage.promises.items()},
            fault=faults.get(champion.name),
            challenger=challenger_of(service, champion.desk),
        )
        for champion in service.champions.all()
        if caller.sees(champion.desk)
    ]


def states_of(promise: Promise) -> list[StateOut]:
    """How far each class is, and how many more labelled tickets take it further."""
    return [
        StateOut(label=label, n_labels=n, state=promise.state(label), n_more=promise.n_more(label))
        for label, n in promise.n_labels.items()
    ]


def unpacked(body: Any, many: str = "tickets") -> tuple[str | None, list[Any], tuple[str, ...]]:
    """The desk that a body names, its rows, `many` of which have a name, and where they stand.

    >>> unpacked({"title": "vpn", "desk": "it"})
    ('it', [{'title': 'vpn'}], ('body',))
    >>> unpacked({"tickets": [{"title": "vpn"}]})
    (None, [{'title': 'vpn'}], ('body', 'tickets'))
    """
    if isinstance(body, list):
        return None, body, ("body",)
    if not isinstance(body, dict):
        one = many.removesuffix("s")
        raise wrong(f"wanted a {one}, a list of {many} or {{{many}: [...]}}", "body")
    desk, rest = body.get("desk"), {k: v for k, v in body.items() if k != "desk"}
    if desk is not None and not isinstance(desk, str):
        raise wrong("wanted the name of a desk", "body", "desk")
    if many not in rest:
        return desk, [rest], ("body",)
    if not isinstance(rest[many], list):
        raise wrong("wanted a list", "body", many)
    return desk, rest[many], ("body", many)


def wrong(what: str, *where: str) -> Problem:
    return invalid([{"loc": where, "msg": what}])


def most_tickets(max_batch: int, explain: str | None, similar: int | None = None) -> int:
    """How many tickets go at once, where one that takes as long as several counts as so many.

    >>> most_tickets(1000, None), most_tickets(1000, "occlusion"), most_tickets(1000, None, 5)
    (1000, 25, 100)
    >>> most_tickets(1000, "neighbours", 5)
    50
    """
    readings = MAX_READINGS if explain == "occlusion" else 1
    searches = bool(similar) + (explain == "neighbours")
    return max(1, max_batch // max(readings, COSTS * searches))


def read_rows(
    adapter: TypeAdapter[list[Row]],
    given: list[Any],
    prefix: Sequence[str],
    max_batch: int,
    *,
    what: str = "ticket",
    numbered: bool = True,
) -> list[Row]:
    """Rows as they should be; a Problem names all that is wrong with them, and where.

    Where a single row came and it is not to be `numbered`, nobody is told that it is the first.
    """
    if not given:
        raise wrong(f"wanted at least one {what}", *prefix)
    if len(given) > max_batch:
        detail = f"{len(given)} {what}s came, at most {max_batch} go at once (FOREWARN_MAX_BATCH)"
        raise Problem(413, detail)
    try:
        return adapter.validate_python(given)
    except ValidationError as error:
        told = error.errors(include_input=False, include_url=False)
        skipped = 0 if numbered or len(given) > 1 else 1
        raise invalid([one | {"loc": one["loc"][skipped:]} for one in told], prefix) from None


def columns_of(
    tickets: Sequence[TicketIn], triage: Triage, prefix: Sequence[str]
) -> dict[str, list[str]]:
    """The texts that the model reads."""
    names = triage.features.columns
    rows = [ticket.model_dump() for ticket in tickets]
    for number, row in enumerate(rows):
        if not any(row.get(name) is not None for name in names):
            what = f"has none of the texts that this model reads: {', '.join(names)}"
            raise wrong(what, *prefix, *([str(number)] if len(rows) > 1 else []))
    return {name: [row.get(name) or "" for row in rows] for name in names}
