"""Past tickets like one, and open ones that say the same: for the person who has it in hand."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

import anyio
from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.auth import Caller, Reader, check_desk
from api.champion import Champion
from api.problems import Problem
from api.service import DeskName, Served, Service, champion_of
from data.records import Ticket
from data.store import Store
from data.ticket_index import Found, Near, TicketIndex
from data.ticket_texts import Key, fields_of, key_of

MOST = 20  # that anybody reads through
COSTS = 10  # tickets that are scored while one is looked for

K = Annotated[int, Query(ge=1, le=MOST, description="how many past tickets")]
Similar = Annotated[
    int | None,
    Query(ge=1, le=MOST, description="add so many of the nearest past tickets; needs scope read"),
]

router = APIRouter(tags=["tickets"])


class RepeatOut(BaseModel):
    """An open ticket; `similarity` is the share of different words that both have, from 0.9 on."""

    source: str
    external_id: str
    similarity: float


class PastOut(BaseModel):
    """A past ticket. `similarity` is a cosine; `labels` hold what people said last."""

    source: str
    external_id: str
    similarity: float
    title: str
    labels: dict[str, str]
    resolution: str | None
    opened_at: datetime
    closed_at: datetime | None


class IndexingOut(BaseModel):
    """So many tickets were looked through, of so many."""

    indexed: int
    of: int


class SimilarOut(BaseModel):
    """`indexing` is null where all tickets of the desk were looked through."""

    tickets: list[PastOut]
    duplicates: list[RepeatOut]
    indexing: IndexingOut | None


@router.get("/v1/tickets/{source}/{external_id:path}/similar")
async def similar(
    service: Served,
    caller: Reader,
    source: str,
    external_id: str,
    desk: DeskName = None,
    k: K = 5,
) -> SimilarOut:
    """The past tickets most like a stored one, and apart the open ones that say the same."""
    desk = desk or service.settings.desk
    check_desk(caller, desk)
    champion = champion_of(service, desk)
    key = (source, external_id)
    return await anyio.to_thread.run_sync(
        like_stored, service, champion, key, k, limiter=service.scoring
    )


def like_stored(service: Service, champion: Champion, key: Key, k: int) -> SimilarOut:
    ticket = stored(service.store(), champion.desk, key)
    index = index_of(service, champion)
    return told(service.store(), index, fields_of([ticket], index.nearby.columns), k, but=key)


def stored(store: Store, desk: str, key: Key) -> Ticket:
    found = store.ticket(desk, *key) if all(map(str.isprintable, key)) else None
    if found is None:
        raise Problem(404, "no ticket of this desk has this id at this source")
    return found


def like_each(
    service: Service, champion: Champion, columns: Mapping[str, Sequence[str]], k: int
) -> list[SimilarOut]:
    """What is like each of some tickets, whose texts are masked.

    During a promotion the index may still read other columns than the model that has scored.
    """
    index, rows = index_of(service, champion), zip(*columns.values(), strict=True)
    tickets = [dict(zip(columns, row, strict=True)) for row in rows]
    wanted = index.nearby.columns
    one_by_one = ({name: [ticket.get(name, "")] for name in wanted} for ticket in tickets)
    return [told(service.store(), index, fields, k) for fields in one_by_one]


def index_of(service: Service, champion: Champion) -> TicketIndex:
    if service.indexes.has_stopped:
        raise Problem(503, "tickets are no longer indexed; restart, the log says why")
    return service.indexes.of(champion)


def check_may_read(caller: Caller) -> None:
    """Problem 403 for a key that may score but not see what others wrote."""
    if not caller.may("read"):
        raise Problem(403, "stored tickets are shown, which needs a key with the scope read too")


def told(
    store: Store,
    index: TicketIndex,
    fields: Mapping[str, Sequence[str]],
    k: int,
    but: Key | None = None,
) -> SimilarOut:
    found = index.look(store, fields, k, but)
    keys = [key_of(one.ticket) for one in found.tickets]
    corrected = store.corrections(index.desk, keys)
    return SimilarOut(
        tickets=[
            past_out(one, corrected.get(key, {}))
            for one, key in zip(found.tickets, keys, strict=True)
        ],
        duplicates=[repeat_out(one) for one in found.duplicates],
        indexing=indexing_out(found),
    )


def past_out(near: Near, corrected: Mapping[str, str]) -> PastOut:
    ticket = near.ticket
    return PastOut(
        source=ticket.source,
        external_id=ticket.external_id,
        similarity=round(near.similarity, 4),
        title=ticket.title,
        labels={**ticket.labels, **corrected},
        resolution=ticket.resolution or None,
        opened_at=ticket.opened_at,
        closed_at=ticket.resolved_at,
    )


def repeat_out(near: Near) -> RepeatOut:
    source, external_id = key_of(near.ticket)
    return RepeatOut(source=source, external_id=external_id, similarity=round(near.similarity, 4))


def indexing_out(found: Found) -> IndexingOut | None:
    if found.n_indexed == found.n_known:
        return None
    return IndexingOut(indexed=found.n_indexed, of=found.n_known)
