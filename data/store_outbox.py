"""The store's outbox: which alerts have something to tell, and what each receiver was told."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    type_coerce,
    update,
)

from data import tables
from data.backlog import Backlog
from data.database import UtcTime
from data.records import Alert
from data.rows import LOOKUP_ROWS, Row, Rows, chunks, insert, row_of, upsert

BYGONE = timedelta(days=1)  # what ended so long before it was found is history, and no news
OVER = ("resolved", "false_alarm")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one receiver was last told of one alert, and what it is to be told next.

    `number` is the change of the alert that is settled: told, or refused for good (`error` says
    why). `firing` and `labels` are as they then were. `key` and `body` are those of a message on
    its way: kept, so that it is repeated to the byte. `attempts` and `retry_at` tell of its tries.
    """

    desk: str
    receiver: str
    alert_id: str
    number: int = 0
    firing: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    told_at: datetime | None = None
    key: str = ""
    body: str = ""
    attempts: int = 0
    retry_at: datetime | None = None
    error: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True)
class ReceiverState:
    """Since when a receiver is known, and how it stands while it cannot be reached."""

    desk: str
    receiver: str
    since: datetime
    attempts: int = 0
    retry_at: datetime | None = None
    error: str = ""


class Due(NamedTuple):
    """An alert of which a receiver may have to hear, and what it last heard (number 0: nothing)."""

    alert: Alert
    number: int
    firing: bool
    last: Delivery


class OutboxRows(Rows):
    """Changes of alerts, receivers, and what these were told."""

    def receiver_state(self, desk: str, receiver: str) -> ReceiverState | None:
        """How a receiver stands; None where nothing was ever sent to it."""
        columns = tables.receivers.columns
        query = select(tables.receivers)
        query = query.where(columns.desk == desk, columns.receiver == receiver)
        return next(iter(self.fetch(query, ReceiverState)), None)

    def put_receiver_state(self, state: ReceiverState) -> None:
        """Write how a receiver stands; since when it is known stays as it was."""
        row = row_of(tables.receivers, state)
        with self.engine.begin() as connection:
            kept = ("attempts", "retry_at", "error")
            connection.execute(upsert(connection, tables.receivers, kept), row)

    def due(self, desk: str, receiver: str) -> list[Due]:
        """Alerts that fire, or of which `receiver` has not heard the last, the oldest first."""
        outbox = tables.outbox.columns
        told = [column.label(f"last_{column.name}") for column in tables.deliveries.columns]
        query = _joined(desk, receiver, tables.alerts, outbox.number, outbox.firing, *told)
        query = query.where(or_(outbox.firing, _untold()))
        alerts = tables.alerts.columns
        query = query.order_by(alerts.opened_at, alerts.id)
        with self.reading.connect() as connection:
            rows = connection.execute(query).mappings()
            return [_read_due(dict(row), Delivery(desk, receiver, row["id"])) for row in rows]

    def put_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Write what was told, in one transaction."""
        rows = [row_of(tables.deliveries, delivery) for delivery in deliveries]
        if rows:
            with self.engine.begin() as connection:
                connection.execute(upsert(connection, tables.deliveries), rows)

    def backlog(self, desk: str, receiver: str) -> Backlog:
        """How much waits for `receiver`, and how much it refused for good."""
        changed_at = tables.outbox.c.changed_at
        oldest = type_coerce(func.min(case((_untold(), changed_at))), UtcTime)
        n_waiting = func.count(case((_untold(), 1)))
        n_failed = func.count(case((tables.deliveries.c.refused, 1)))
        query = _joined(desk, receiver, n_waiting, oldest, n_failed)
        with self.reading.connect() as connection:
            return Backlog(*connection.execute(query).one())

    def refusals(self, desk: str, receiver: str, limit: int = 3) -> list[str]:
        """Why `receiver` refused what it refused, the commonest reason first."""
        columns = tables.deliveries.columns
        query = select(columns.error).where(
            columns.desk == desk, columns.receiver == receiver, columns.refused
        )
        query = query.group_by(columns.error).order_by(func.count().desc(), columns.error)
        with self.reading.connect() as connection:
            return list(connection.execute(query.limit(limit)).scalars())

    def forgive(self, desk: str, receiver: str) -> int:
        """Let what `receiver` refused be tried once more, at once; how much that is."""
        columns = tables.deliveries.columns
        theirs = columns.desk == desk, columns.receiver == receiver
        again = update(tables.deliveries).where(*theirs, columns.refused)
        rested = update(tables.receivers).where(
            tables.receivers.c.desk == desk, tables.receivers.c.receiver == receiver
        )
        with self.engine.begin() as connection:
            connection.execute(rested.values(retry_at=None))
            return connection.execute(again.values(refused=False, number=0, error="")).rowcount


def note_changes(connection: Connection, ids: Collection[str], at: datetime) -> None:
    """Number the alerts among `ids` that began or ceased to fire; to be in their transaction.

    One statement: what is read is what is written, also beside a person's word on the same alert.
    """
    alerts, outbox = tables.alerts.columns, tables.outbox
    firing = and_(alerts.closed_at.is_(None), alerts.status.not_in(OVER))
    for some in chunks(sorted(ids), LOOKUP_ROWS):
        query = select(alerts.id, alerts.desk, literal(1), firing, literal(at, UtcTime))
        rows = insert(connection, outbox).from_select(
            ["alert_id", "desk", "number", "firing", "changed_at"], query.where(alerts.id.in_(some))
        )
        new = rows.excluded
        changed = {name: new[name] for name in ("firing", "changed_at")}
        changed["number"] = outbox.c.number + 1
        connection.execute(
            rows.on_conflict_do_update(
                index_elements=["alert_id"], set_=changed, where=outbox.c.firing != new.firing
            )
        )


def delete_outbox(connection: Connection, alerts: Select[tuple[str]]) -> None:
    """Forget what was, or was to be, told of these alerts."""
    for table in (tables.outbox, tables.deliveries):
        connection.execute(delete(table).where(table.c.alert_id.in_(alerts)))


def _joined(desk: str, receiver: str, *what: Any) -> Select[Any]:
    """`what` of the desk's alerts, their changes, and what `receiver` knows of them."""
    alerts, outbox = tables.alerts.columns, tables.outbox.columns
    told, known = tables.deliveries.columns, tables.receivers.columns
    return (
        select(*what)
        .select_from(tables.outbox)
        .join(tables.alerts, alerts.id == outbox.alert_id)
        .outerjoin(
            tables.deliveries, and_(told.alert_id == outbox.alert_id, told.receiver == receiver)
        )
        .outerjoin(tables.receivers, and_(known.desk == desk, known.receiver == receiver))
        .where(outbox.desk == desk)
    )


def _untold() -> ColumnElement[bool]:
    """Whether a receiver has news to hear, for a query of `_joined`.

    Of what is over it hears where it has heard of it before; else only if that ended after the
    receiver was known, and not so long ago that it is history that was loaded.
    """
    outbox, told = tables.outbox.columns, tables.deliveries.columns
    changed, ended = (
        type_coerce(column, BigInteger) for column in (outbox.changed_at, tables.alerts.c.closed_at)
    )
    recent = func.coalesce(changed - ended, 0) <= BYGONE // timedelta(microseconds=1)
    return and_(
        or_(told.number.is_(None), told.number < outbox.number),
        or_(
            outbox.firing,
            told.alert_id.is_not(None),
            and_(outbox.changed_at >= tables.receivers.c.since, recent),
        ),
    )


def _read_due(row: Row, nothing: Delivery) -> Due:
    alert = Alert(**{column.name: row[column.name] for column in tables.alerts.columns})
    last = {column.name: row[f"last_{column.name}"] for column in tables.deliveries.columns}
    heard = nothing if last["alert_id"] is None else Delivery(**last)
    return Due(alert, row["number"], row["firing"], heard)
