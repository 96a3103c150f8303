"""The store's outbox for desks: what is to be written into their tickets, and what was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select, type_coerce, update

from data import tables
from data.backlog import Backlog
from data.database import UtcTime
from data.present import present
from data.rows import Rows, insert

PAGE = 100  # how many are read at a time
TOLD = ("told", "written", "sending", "attempts", "retry_at", "error", "refused")


class Decided(NamedTuple):
    """What is to stand in a ticket at its desk, field by field in the desk's own words."""

    desk: str
    source: str
    external_id: str
    wanted: Mapping[str, str]
    at: datetime


@dataclass(frozen=True, slots=True)
class Writing:
    """One ticket that is written back.

    `number` counts its decisions, and `told` is that which is settled: written, or refused for
    good (`error` says why). `written` is what we last wrote into each field, and `sending` what is
    on its way and may have arrived. `attempts` and `retry_at` tell of its tries.
    """

    desk: str
    source: str
    external_id: str
    number: int
    changed_at: datetime
    wanted: Mapping[str, str]
    told: int = 0
    written: Mapping[str, str] = field(default_factory=dict)
    sending: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 0
    retry_at: datetime | None = None
    error: str = ""
    refused: bool = False


class WriteRows(Rows):
    """Tickets that are written back."""

    def unwritten(self, desk: str, source: str, now: datetime) -> list[Writing]:
        """Tickets of which `source` has yet to be told, the longest decided first; a page."""
        columns = tables.write_backs.columns
        rested = or_(columns.retry_at.is_(None), columns.retry_at <= now)
        query = select(tables.write_backs).where(_of(desk, source), _untold(), rested)
        order = (columns.changed_at, columns.external_id)
        return self.fetch(query.order_by(*order).limit(PAGE), Writing)

    def put_writing(self, writing: Writing) -> None:
        """Note what was written. What was decided meanwhile stays, and an erased ticket erased."""
        columns = tables.write_backs.columns
        which = and_(_of(writing.desk, writing.source), columns.external_id == writing.external_id)
        values = {name: getattr(writing, name) for name in TOLD}
        with self.engine.begin() as connection:
            connection.execute(update(tables.write_backs).where(which).values(values))

    def unwritten_backlog(self, desk: str, source: str) -> Backlog:
        """How many tickets wait to be written, and how many were refused for good."""
        columns = tables.write_backs.columns
        oldest = type_coerce(func.min(case((_untold(), columns.changed_at))), UtcTime)
        n_waiting, n_failed = func.count(case((_untold(), 1))), func.count(case((_failed(), 1)))
        query = select(n_waiting, oldest, n_failed).where(_of(desk, source))
        with self.reading.connect() as connection:
            return Backlog(*connection.execute(query).one())

    def write_refusals(self, desk: str, source: str, limit: int = 3) -> list[str]:
        """Why tickets were refused, the commonest reason first."""
        error = tables.write_backs.columns.error
        query = select(error).where(_of(desk, source), _failed()).group_by(error)
        with self.reading.connect() as connection:
            query = query.order_by(func.count().desc(), error).limit(limit)
            return list(connection.execute(query).scalars())

    def forgive_writes(self, desk: str, source: str) -> int:
        """Let what was refused be tried once more; how much that is."""
        again = update(tables.write_backs).where(_of(desk, source), _failed())
        with self.engine.begin() as connection:
            return connection.execute(again.values(refused=False, told=0, error="")).rowcount


def note_decided(connection: Connection, decided: Sequence[Decided]) -> None:
    """Number what was decided anew; to be in the transaction that stores the predictions.

    What is as it was decided before is no news: a desk that tells of our own write hears nothing.
    Nor is anything written into a ticket that was erased here meanwhile.
    """
    last = {one[:3]: one for one in decided}  # of one ticket the last word counts
    kept = present(connection, list(last.values()))
    if not kept:
        return
    rows = insert(connection, tables.write_backs)
    columns, new = tables.write_backs.columns, rows.excluded
    changed = {"wanted": new.wanted, "changed_at": new.changed_at, "number": columns.number + 1}
    key = list(tables.write_backs.primary_key.columns.keys())
    upserted = rows.on_conflict_do_update(
        index_elements=key, set_=changed, where=columns.wanted != new.wanted
    )
    connection.execute(upserted, [_row(one) for one in kept])


def _row(one: Decided) -> dict[str, object]:
    writing = Writing(one.desk, one.source, one.external_id, 1, one.at, one.wanted)
    return {column.name: getattr(writing, column.name) for column in tables.write_backs.columns}


def _of(desk: str, source: str) -> ColumnElement[bool]:
    columns = tables.write_backs.columns
    return and_(columns.desk == desk, columns.source == source)


def _untold() -> ColumnElement[bool]:
    return tables.write_backs.c.told < tables.write_backs.c.number


def _failed() -> ColumnElement[bool]:
    return and_(tables.write_backs.c.refused, ~_untold())
