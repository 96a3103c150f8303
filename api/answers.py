"""What is said of tickets: each target's label, how sure, what may be done, and why.

Answers are plain dicts, for to check each of them against a schema would cost more than to make
it. Their classes here are what the OpenAPI document shows.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel

from api.champion import Champion
from api.neighbours import NeighboursOut, neighbours_of
from api.ongoing import OngoingOut
from api.service import Service
from api.similar import SimilarOut, like_each
from data.masking import mask
from models.blend import Tier
from models.decided import Verdict
from models.priority import Derived
from models.triage import Answers, Triage


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
    evidence: EvidenceOut | NeighboursOut | None = None


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
    """`tier` is fast where words settled every target, full where an encoder read the ticket.

    `incident` is the one that the ticket seems to be of; there only while the desk has any.
    """

    external_id: str | None
    tier: Tier
    targets: dict[str, TargetOut]
    priority: PriorityOut | None = None
    similar: SimilarOut | None = None
    incident: OngoingOut | None = None


class ModelOut(BaseModel):
    name: str
    version: str
    run_id: str


class Scored(NamedTuple):
    """What is said of one ticket: `targets` as `TargetOut`, `more` as the rest of `ScoredOut`."""

    tier: Tier
    targets: dict[str, dict[str, Any]]
    more: dict[str, Any]


def model_of(champion: Champion) -> dict[str, str]:
    """Which model spoke."""
    return {"name": champion.name, "version": champion.version, "run_id": champion.run_id}


def answered(
    service: Service,
    champion: Champion,
    columns: Mapping[str, Sequence[str]],
    explain: str | None,
    similar: int | None,
) -> list[Scored]:
    """All that is to be said of tickets, with what explains it and what is like them."""
    texts = masked(columns)
    results = scored(champion.triage, texts, None if explain == "neighbours" else explain)
    if explain == "neighbours":
        near = neighbours_of(service, champion, texts, [one.tier for one in results])
        for found, theirs in zip(results, near, strict=True):
            for target, out in found.targets.items():
                out["evidence"] = theirs.get(target)
    if similar is not None:
        like = like_each(service, champion, texts, similar)
        for found, one in zip(results, like, strict=True):
            found.more["similar"] = one.model_dump(mode="json")
    return results


def answered_plainly(champion: Champion, columns: Mapping[str, Sequence[str]]) -> list[Scored]:
    """What the model says of tickets, and no more."""
    return scored(champion.triage, masked(columns))


def answered_soon(champion: Champion, columns: Mapping[str, Sequence[str]]) -> list[Scored] | None:
    """The same, where no encoder need read any of them; else None."""
    found = champion.triage.at_a_glance(masked(columns))
    return None if found is None else results_of(champion.triage, found)


def masked(columns: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Texts as they were when the model learnt."""
    return {name: list(map(mask, given)) for name, given in columns.items()}


def scored(
    triage: Triage, texts: Mapping[str, Sequence[str]], explain: str | None = None
) -> list[Scored]:
    """For each ticket, each target."""
    found = triage.answer(texts)
    results = results_of(triage, found)
    if explain is not None:
        again = explain == "occlusion"
        for row, one in enumerate(results):
            give_evidence(triage, texts, found.probabilities, row, one.targets, again)
    return results


def results_of(triage: Triage, found: Answers) -> list[Scored]:
    by_target = {
        name: [told(one, triage.promises[name].precision) for one in given]
        for name, given in found.verdicts.items()
    }
    priorities = derived(triage.priorities(found.probabilities))
    return [
        Scored(
            "full" if read else "fast",
            {name: outs[row] for name, outs in by_target.items()},
            {"priority": priorities[row]} if priorities else {},
        )
        for row, read in enumerate(found.read.tolist())
    ]


def derived(found: Derived | None) -> list[dict[str, Any]]:
    """A priority a ticket, or none where none is derived."""
    if found is None:
        return []
    n_tickets = len(found.labels)
    flagged = [None] * n_tickets if found.flagged is None else found.flagged.tolist()
    return [
        {
            "label": found.labels[i],
            "probability": round(float(found.probability[i]), 6),
            "impact": found.impact[i],
            "urgency": found.urgency[i],
            "cell": found.cell[i],
            "p1_risk": round(float(found.risk[i]), 6),
            "flagged": flagged[i],
        }
        for i in range(n_tickets)
    ]


def give_evidence(
    triage: Triage,
    masked: Mapping[str, Sequence[str]],
    probabilities: Mapping[str, np.ndarray],
    row: int,
    targets: Mapping[str, dict[str, Any]],
    again: bool,
) -> None:
    """Add to each target of one ticket the words that counted, or null where none can be told."""
    guesses = {name: triage.classes[name][p[row].argmax()] for name, p in probabilities.items()}
    said = triage.explain(masked, guesses, row, again=again)
    for name, out in targets.items():
        words = [{"word": w, "contribution": round(c, 4)} for w, c in said.get(name, [])]
        out["evidence"] = {"words": words} if name in said else None


def told(one: Verdict, precision: float) -> dict[str, Any]:
    """One target's answer; `precision` is what its promise was asked for."""
    threshold = known(one.threshold)
    return {
        "label": one.label,
        "probability": round(one.probability, 6),
        "decision": one.decision,
        "threshold": threshold,
        "guaranteed_precision": None if threshold is None else precision,
        "prediction_set": one.prediction_set,
        "reason": reason_of(one.decision, one.unknown),
    }


def reason_of(decision: str, unknown: bool) -> Literal["unknown", "unsure"] | None:
    """Why nothing is said of a ticket."""
    if decision != "abstain":
        return None
    return "unknown" if unknown else "unsure"


def known(number: float) -> float | None:
    """JSON has no infinity: it means that nothing can be promised."""
    return round(number, 6) if math.isfinite(number) else None
