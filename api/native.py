"""Forewarn's own protocol: score tickets, and say which models do it."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import anyio
import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from api.auth import Caller, Reader, Scorer, check_desk
from api.champion import Champion
from api.limits import json_body
from api.problems import Problem, invalid, request_id_of
from api.service import DeskName, Served, Service, champion_of
from api.similar import COSTS, Similar, SimilarOut, check_may_read, like_each
from data.masking import mask
from models.blend import Tier
from models.decided import Decided
from models.priority import Derived
from models.promise import Promise, State
from models.triage import Triage
from models.why import MAX_READINGS

Explain = Annotated[
    Literal["words", "occlusion"] | None,
    Query(description="add each target's evidence: the words that counted most"),
]

router = APIRouter(tags=["tickets"])


class TicketIn(BaseModel):
    """One ticket. Any other text that the model was trained on goes by its column's name."""

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, str | None]

    title: str | None = None
    body: str | None = None
    external_id: str | None = None


class WordOut(BaseModel):
    """A word as the ticket spells it, and its share of what all its words counted, in [-1, 1]."""

    word: str
    contribution: float


class EvidenceOut(BaseModel):
    words: list[WordOut]


class TargetOut(BaseModel):
    """`label` is null where the model abstains; `probability` is then that of its best guess.

    `threshold` is the probability from which that guess stands alone, `prediction_set` the labels
    to choose from, the likeliest first. `reason` says why the model abstains: the ticket is like
    nothing that it has learnt, or it may be too many things.
    """

    label: str | None
    probability: float
    decision: Literal["auto", "suggest", "abstain"]
    threshold: float | None
    guaranteed_precision: float | None
    prediction_set: list[str] | None
    reason: Literal["unknown", "unsure"] | None
    evidence: EvidenceOut | None = None


class PriorityOut(BaseModel):
    """What impact and urgency make, where the model knows these and no priority of its own.

    `flagged` is null where there were too few tickets of the first priority to learn from.
    """

    label: str
    probability: float
    impact: str
    urgency: str
    cell: str
    p1_risk: float
    flagged: bool | None


class ScoredOut(BaseModel):
    """`tier` is fast where words settled every target, full where an encoder read the ticket."""

    external_id: str | None
    tier: Tier
    targets: dict[str, TargetOut]
    priority: PriorityOut | None = None
    similar: SimilarOut | None = None


class Scored(NamedTuple):
    tier: Tier
    targets: dict[str, TargetOut]
    more: dict[str, BaseModel]


class ModelOut(BaseModel):
    name: str
    version: str
    run_id: str


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


@router.post("/v1/tickets/score", openapi_extra=OPENAPI, response_model_exclude_unset=True)
async def score(
    request: Request,
    service: Served,
    caller: Scorer,
    desk: DeskName = None,
    explain: Explain = None,
    similar: Similar = None,
) -> ScoresOut:
    """One ticket, a list, or {"tickets": [...]}: what each target's label should be, and why."""
    if similar is not None:
        check_may_read(caller)
    body_desk, given, prefix = unpacked(await json_body(request))
    desk = desk or body_desk or service.settings.desk
    check_desk(caller, desk)
    champion = champion_of(service, desk)
    tickets = read_rows(
        TICKETS, given, prefix, most_tickets(service.settings.max_batch, explain, similar)
    )
    columns = columns_of(tickets, champion.triage, prefix)
    results = await anyio.to_thread.run_sync(
        answered, service, champion, columns, explain, similar, limiter=service.scoring
    )
    for target in champion.triage.targets:
        decisions = (found.targets[target].decision for found in results)
        service.figures.count_decisions(desk, target, decisions)
    service.figures.count_tiers(desk, (found.tier for found in results))
    return ScoresOut(
        request_id=request_id_of(request),
        desk=desk,
        model=model_of(champion),
        results=[
            ScoredOut(
                external_id=ticket.external_id,
                tier=found.tier,
                targets=found.targets,
                **found.more,
            )
            for ticket, found in zip(tickets, results, strict=True)
        ],
    )


@router.get("/v1/models", tags=["models"])
def models(service: Served, caller: Reader) -> ModelsOut:
    """The model that each of the caller's desks is served by."""
    return ModelsOut(models=served_models(service, caller))


def served_models(service: Service, caller: Caller) -> list[ServedOut]:
    faults = service.champions.faults()
    return [
        ServedOut(
            **model_of(champion).model_dump(),
            desk=champion.desk,
            published_at=champion.published_at,
            loaded_at=champion.loaded_at,
            targets={name: list(map(str, c)) for name, c in champion.triage.classes.items()},
            states={name: states_of(p) for name, p in champion.triage.promises.items()},
            fault=faults.get(champion.name),
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
    """
    readings = MAX_READINGS if explain == "occlusion" else 1
    return max(1, max_batch // max(readings, COSTS if similar else 1))


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


def answered(
    service: Service,
    champion: Champion,
    columns: Mapping[str, Sequence[str]],
    explain: str | None,
    similar: int | None,
) -> list[Scored]:
    """All that is to be said of tickets. Texts are masked as they were when the model learnt."""
    texts = {name: list(map(mask, given)) for name, given in columns.items()}
    results = scored(champion.triage, texts, explain)
    if similar is not None:
        near = like_each(service, champion, texts, similar)
        for found, one in zip(results, near, strict=True):
            found.more["similar"] = one
    return results


def scored(
    triage: Triage, texts: Mapping[str, Sequence[str]], explain: str | None = None
) -> list[Scored]:
    """For each ticket, each target."""
    probabilities, decided, read = triage.answer(texts)
    by_target = {
        name: told(found, triage.promises[name].precision) for name, found in decided.items()
    }
    priorities = derived(triage.priorities(probabilities))
    n_tickets = len(read)
    results = [
        Scored(
            "full" if read[i] else "fast",
            {name: outs[i] for name, outs in by_target.items()},
            {"priority": priorities[i]} if priorities else {},
        )
        for i in range(n_tickets)
    ]
    if explain is not None:
        for row, one in enumerate(results):
            give_evidence(triage, texts, probabilities, row, one.targets, explain == "occlusion")
    return results


def derived(found: Derived | None) -> list[PriorityOut]:
    """A priority a ticket, or none where none is derived."""
    if found is None:
        return []
    n_tickets = len(found.labels)
    flagged = [None] * n_tickets if found.flagged is None else found.flagged.tolist()
    return [
        PriorityOut(
            label=found.labels[i],
            probability=round(float(found.probability[i]), 6),
            impact=found.impact[i],
            urgency=found.urgency[i],
            cell=found.cell[i],
            p1_risk=round(float(found.risk[i]), 6),
            flagged=flagged[i],
        )
        for i in range(n_tickets)
    ]


def give_evidence(
    triage: Triage,
    masked: Mapping[str, Sequence[str]],
    probabilities: Mapping[str, np.ndarray],
    row: int,
    targets: Mapping[str, TargetOut],
    again: bool,
) -> None:
    """Add to each target of one ticket the words that counted, or null where none can be told."""
    guesses = {name: triage.classes[name][p[row].argmax()] for name, p in probabilities.items()}
    said = triage.explain(masked, guesses, row, again=again)
    for name, out in targets.items():
        words = [WordOut(word=w, contribution=round(c, 4)) for w, c in said.get(name, [])]
        out.evidence = EvidenceOut(words=words) if name in said else None


def told(decided: Decided, precision: float) -> list[TargetOut]:
    """One target's answers; `precision` is what its promise was asked for."""
    rows = zip(
        decided.labels.tolist(),
        np.round(decided.probability.astype(float), 6).tolist(),
        decided.decision.tolist(),
        map(known, decided.threshold.tolist()),
        decided.prediction_sets,
        decided.unknown.tolist(),
        strict=True,
    )
    return [
        TargetOut(
            label=label,
            probability=probability,
            decision=decision,
            threshold=threshold,
            guaranteed_precision=None if threshold is None else precision,
            prediction_set=None if members is None else list(members),
            reason=reason_of(decision, unknown),
        )
        for label, probability, decision, threshold, members, unknown in rows
    ]


def reason_of(decision: str, unknown: bool) -> Literal["unknown", "unsure"] | None:
    """Why nothing is said of a ticket."""
    if decision != "abstain":
        return None
    return "unknown" if unknown else "unsure"


def known(number: float) -> float | None:
    """JSON has no infinity: it means that nothing can be promised."""
    return round(number, 6) if math.isfinite(number) else None


def model_of(champion: Champion) -> ModelOut:
    return ModelOut(name=champion.name, version=champion.version, run_id=champion.run_id)
