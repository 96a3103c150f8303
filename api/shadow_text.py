"""What challengers did, as Prometheus reads it and as GET /v1/models tells it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from pydantic import BaseModel

from api.challengers import Standing
from api.champion import PREFIX
from api.metrics_text import Labels, headed, line
from api.service import Service
from models.shadow import beside
from models.traffic import Key


class ChallengerOut(BaseModel):
    """`n_scored` and `not_scored` (by reason) count tickets, in this process since it started."""

    version: str
    run_id: str
    share: float
    since: datetime
    loaded_at: datetime | None
    n_scored: int
    not_scored: dict[str, int]
    fault: str | None


def challenger_of(service: Service, desk: str) -> ChallengerOut | None:
    """The desk's challenger; None where there is none."""
    found = service.shadows.challengers.get(desk)
    if found is None:
        return None
    named, model = found.named, found.model
    mine = {
        key: n
        for key, n in service.shadows.counts.copy().items()
        if (key[1], key[3]) == (desk, named.version)
    }
    reasons: Counter[str] = Counter()
    for key, n in mine.items():
        if key[0] == "shadow_left":
            reasons[key[4]] += int(n)
    return ChallengerOut(
        version=named.version,
        run_id=named.run_id,
        share=named.share,
        since=named.since,
        loaded_at=model and model.loaded_at,
        n_scored=int(sum(n for key, n in mine.items() if key[0] == "shadow_tickets")),
        not_scored=dict(reasons),
        fault=found.fault,
    )


def shadow_text(service: Service, sees: Callable[[str], bool]) -> str:
    """The shadow's part of /metrics, of the desks that one `sees`."""
    counts = {k: n for k, n in service.shadows.counts.copy().items() if sees(k[1])}
    standing = [one for one in service.shadows.challengers.all() if sees(desk_of(one))]
    blocks: dict[str, list[tuple[Labels, float]]] = {
        "forewarn_shadow_share": [(labels_of(one), one.named.share) for one in standing],
        "forewarn_shadow_loaded": [(labels_of(one), int(bool(one.model))) for one in standing],
        "forewarn_shadow_tickets_total": list(scored(counts)),
        "forewarn_shadow_answers_total": list(answers(counts)),
        "forewarn_shadow_dropped_total": list(dropped(counts)),
    }
    rows: list[str] = []
    for name, some in blocks.items():
        rows += headed(name, [line(name, labels, n) for labels, n in some])
    return "".join(f"{row}\n" for row in rows)


def desk_of(one: Standing) -> str:
    return one.named.name.removeprefix(PREFIX)


def labels_of(one: Standing) -> Labels:
    return {"desk": desk_of(one), "version": one.named.version}


def at(key: Key) -> dict[str, str | int]:
    """A count's desk and versions, as labels."""
    return {"desk": key[1], "champion": key[2], "version": key[3]}


def scored(counts: Mapping[Key, float]) -> Iterator[tuple[Labels, float]]:
    return ((at(k), int(n)) for k, n in sorted(counts.items()) if k[0] == "shadow_tickets")


def dropped(counts: Mapping[Key, float]) -> Iterator[tuple[Labels, float]]:
    for key, n in sorted(counts.items()):
        if key[0] == "shadow_left":
            yield at(key) | {"reason": key[4].replace(" ", "_")}, int(n)


def answers(counts: Mapping[Key, float]) -> Iterator[tuple[Labels, float]]:
    for one in beside(counts):
        told = {"desk": one.desk, "champion": one.champion, "version": one.challenger}
        for label, n in (("same", one.n_same), ("other", one.n - one.n_same)):
            yield {**told, "target": one.target, "label": label}, n
