"""Which past tickets speak for a label, where the model goes by a ticket's neighbours."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from api.champion import Champion
from api.service import Service
from api.similar import IndexingOut, SimilarOut, like_each
from models.blend import Tier
from models.neighbours import N_NEIGHBOURS
from models.triage import Triage

HEAD = "neighbours"
SHOWN = 10  # as many as words are


class NeighbourOut(BaseModel):
    """A past ticket; `label` is its label of this target, `similarity` a cosine."""

    source: str
    external_id: str
    label: str
    similarity: float


class NeighboursOut(BaseModel):
    """`indexing` is null where all tickets of the desk were looked through."""

    neighbours: list[NeighbourOut]
    indexing: IndexingOut | None


def neighbours_of(
    service: Service,
    champion: Champion,
    texts: Mapping[str, Sequence[str]],
    tiers: Sequence[Tier],
) -> list[dict[str, dict[str, Any]]]:
    """For each ticket the targets that go by neighbours in its tier, and the nearest of these.

    A model remembers what tickets meant, not which they were. So they are looked for among the
    desk's stored tickets, as near as the model reads them.
    """
    going = [by_neighbours(champion.triage, tier) for tier in tiers]
    if not any(going):
        return [{} for _ in tiers]
    near = like_each(service, champion, texts, N_NEIGHBOURS)
    return [
        {target: with_label(found, target) for target in targets}
        for targets, found in zip(going, near, strict=True)
    ]


def by_neighbours(triage: Triage, tier: Tier) -> Collection[str]:
    """The targets of which neighbours have a say."""
    return [name for name, one in triage.blends.items() if HEAD in one.of_tier(tier).weights]


def with_label(found: SimilarOut, target: str) -> dict[str, Any]:
    """As `NeighboursOut`: those of the nearest that have a label, the nearest first."""
    told = [
        {
            "source": one.source,
            "external_id": one.external_id,
            "label": one.labels[target],
            "similarity": one.similarity,
        }
        for one in found.tickets
        if one.labels.get(target)
    ]
    indexing = found.indexing.model_dump() if found.indexing else None
    return {"neighbours": told[:SHOWN], "indexing": indexing}
