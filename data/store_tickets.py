"""The store's tickets, and what models and people said of them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    select,
    true,
    tuple_,
)

from data import tables
from data.attributes import storable_attributes
from data.database import storable
from data.masking import mask
from data.records import Feedback, Incident, Prediction, Ticket
from data.rows import (
    LOOKUP_ROWS,
    Merge,
    Row,
    Rows,
    Written,
    among,
    chunks,
    put_rows,
    row_of,
    upsert,
    window,
)
from data.store_writes import Decided, note_decided
from data.ticket_texts import Key, key_of

PAGE_ROWS = 2000  # what `tickets()` holds in memory at a time
TICKET_KEY = ("desk", "source", "external_id")
SAID = (  # what is of a ticket
    tables.predictions,
    tables.shadows,
    tables.feedback,
    tables.alert_tickets,
    tables.write_backs,
)
SAID_AT = (  # what may be of a ticket that is not there: never stored, or erased meanwhile
    (tables.predictions, "scored_at"),
    (tables.feedback, "given_at"),
    (tables.write_backs, "changed_at"),
)
TEXTS = ("title", "body", "resolution")


class Change(NamedTuple):
    """A ticket as it now stands, and the number of its last change."""

    number: int
    ticket: Ticket


class Opened(NamedTuple):
    """A ticket by its name, when it was opened, and what it is about."""

    source: str
    external_id: str
    opened_at: datetime
    label: str


class TicketRows(Rows):
    """Tickets, predictions, feedback and incidents."""

    def put_tickets(self, tickets: Sequence[Ticket]) -> Written:
        """Store tickets with their texts masked; a poorer copy blanks nothing that is known."""
        kept = [masked(ticket) for ticket in tickets]
        return self.put(tables.tickets, kept, merge_tickets, number_changes)

    def tickets(
        self, desk: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[Ticket]:
        """Tickets opened in [since, until), ordered by (opened_at, source, external_id).

        They come page by page, each page its own short transaction: nobody has to wait, however
        slowly they are read, and a ticket that is stored meanwhile comes or does not.
        """
        columns = tables.tickets.columns
        order = (columns.opened_at, columns.source, columns.external_id)
        query = select(tables.tickets).where(columns.desk == desk)
        query = query.where(*window(columns.opened_at, since, until))
        query = query.order_by(*order).limit(PAGE_ROWS)
        page = self.fetch(query, Ticket)
        while page:
            yield from page
            last = (page[-1].opened_at, page[-1].source, page[-1].external_id)
            after = tuple_(*last, types=[column.type for column in order])
            page = self.fetch(query.where(tuple_(*order) > after), Ticket)

    def ticket(self, desk: str, source: str, external_id: str) -> Ticket | None:
        """The ticket of this identity, None where there is none."""
        key = _ticket_is(tables.tickets, desk, source, external_id)
        return next(iter(self.fetch(select(tables.tickets).where(key), Ticket)), None)

    def tickets_called(self, desk: str, external_id: str) -> list[Ticket]:
        """A desk's tickets of this id, by source: each source gives its own."""
        columns = tables.tickets.columns
        which = and_(columns.desk == desk, columns.external_id == external_id)
        return self.fetch(select(tables.tickets).where(which).order_by(columns.source), Ticket)

    def tickets_of(self, desk: str, keys: Collection[Key]) -> dict[Key, Ticket]:
        """Those tickets of a desk, by (source, external_id), that there are."""
        found = {}
        for some in chunks(list(keys), LOOKUP_ROWS):
            which = _among(tables.tickets, desk, some)
            for ticket in self.fetch(select(tables.tickets).where(which), Ticket):
                found[key_of(ticket)] = ticket
        return found

    def changes(self, desk: str, after: int = 0, limit: int = PAGE_ROWS) -> list[Change]:
        """Tickets in the order of their last change, each with its number: above `after`.

        A ticket that is written anew, and is not as it was, gets a number above all others of its
        desk, those that were erased too. Numbers are given under the lock of the write, so none
        below one that was seen comes later. What was erased is not told.
        """
        ticket, change = tables.tickets.columns, tables.changes.columns
        same = and_(*(ticket[name] == change[name] for name in TICKET_KEY))
        query = (
            select(change.number, tables.tickets)
            .select_from(tables.changes.join(tables.tickets, same))
            .where(change.desk == desk, change.number > after)
            .order_by(change.number)
            .limit(limit)
        )
        with self.reading.connect() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return [Change(row.pop("number"), Ticket(**row)) for row in rows]

    def n_changes(self, desk: str, after: int = 0) -> int:
        """How many tickets `changes` has to tell."""
        change = tables.changes.columns
        query = select(func.count()).where(change.desk == desk, change.number > after)
        with self.reading.connect() as connection:
            return connection.execute(query).scalar_one()

    def change_before(self, desk: str, n: int) -> int:
        """The number after which only the last `n` changes come; 0 where there are no more."""
        number = tables.changes.columns.number
        query = select(number).where(tables.changes.columns.desk == desk)
        query = query.order_by(number.desc()).offset(n).limit(1)
        with self.reading.connect() as connection:
            return connection.execute(query).scalar() or 0

    def openings(
        self, desk: str, target: str, since: datetime, until: datetime
    ) -> list[tuple[datetime, str]]:
        """When tickets of [since, until) were opened, in order, and what each is about."""
        return [(one.opened_at, one.label) for one in self.opened(desk, target, since, until)]

    def opened(self, desk: str, target: str, since: datetime, until: datetime) -> list[Opened]:
        """The tickets of [since, until), in the order in which they were opened, by name.

        Each is about the desk's own label for `target`, else what the latest prediction says,
        else "".
        """
        latest = {}
        with self.reading.connect() as connection:
            for source, external_id, opened_at, labels, predicted in connection.execute(
                _labelled(desk, target, since, until)
            ):
                label = labels.get(target) or predicted or ""
                latest[source, external_id] = Opened(source, external_id, opened_at, label)
        return list(latest.values())

    def origins(
        self, desk: str, target: str, since: datetime, until: datetime
    ) -> list[tuple[str, dict[str, str]]]:
        """What the tickets of `opened` are about, and where each comes from: its channel, too."""
        ticket = tables.tickets.columns
        query = _labelled(desk, target, since, until).add_columns(ticket.attributes, ticket.channel)
        latest = {}
        with self.reading.connect() as connection:
            for row in connection.execute(query):
                told = {"channel": row.channel} if row.channel else {}
                label = row.labels.get(target) or row.label or ""
                latest[row.source, row.external_id] = (label, told | row.attributes)
        return list(latest.values())

    def put_predictions(
        self, predictions: Sequence[Prediction], decided: Sequence[Decided] = ()
    ) -> Written:
        """Store predictions; of one model version's on one target of a ticket the latest stands.

        What was `decided` by them for a desk is to be written there from the same moment on.
        """
        rows = [row_of(tables.predictions, one) for one in predictions]
        with self.engine.begin() as connection:
            written = put_rows(connection, tables.predictions, rows, _later("scored_at"))
            note_decided(connection, decided)
        return written

    def predictions(self, desk: str, source: str, external_id: str) -> list[Prediction]:
        """What was predicted of a ticket, by target and then from the oldest to the newest."""
        said = tables.predictions.columns
        key = _ticket_is(tables.predictions, desk, source, external_id)
        order = (said.target, said.scored_at, said.model, said.version)
        return self.fetch(select(tables.predictions).where(key).order_by(*order), Prediction)

    def put_feedback(self, feedback: Sequence[Feedback]) -> Written:
        """Store corrections; of one person's on one target of a ticket the latest stands."""
        return self.put(tables.feedback, feedback, _later("given_at"))

    def feedback(self, desk: str) -> list[Feedback]:
        """A desk's corrections from the oldest to the newest."""
        columns = tables.feedback.columns
        query = select(tables.feedback).where(columns.desk == desk)
        order = (columns.given_at, *tables.feedback.primary_key.columns)
        return self.fetch(query.order_by(*order), Feedback)

    def corrections(self, desk: str, keys: Collection[Key]) -> dict[Key, dict[str, str]]:
        """What people last said that those tickets should have been, by ticket and target."""
        said = tables.feedback
        found: dict[Key, dict[str, str]] = {}
        for some in chunks(list(keys), LOOKUP_ROWS):
            query = select(said).where(_among(said, desk, some))
            for one in self.fetch(query.order_by(said.c.given_at, *said.primary_key), Feedback):
                found.setdefault((one.source, one.external_id), {})[one.target] = one.label
        return found

    def put_incidents(self, incidents: Sequence[Incident]) -> Written:
        """Store incidents; a copy without an end does not reopen one that has ended."""
        return self.put(tables.incidents, incidents, _merge_incidents)

    def incidents(
        self, desk: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[Incident]:
        """Incidents with their onset in [since, until), in order of onset."""
        columns = tables.incidents.columns
        query = select(tables.incidents).where(columns.desk == desk)
        query = query.where(*window(columns.onset_at, since, until))
        return self.fetch(query.order_by(columns.onset_at, columns.id), Incident)

    def erase_ticket(self, desk: str, source: str, external_id: str) -> dict[str, int]:
        """Delete a ticket and all that was said of it; how many rows of each table went."""
        with self.engine.begin() as connection:
            return delete_ticket(connection, desk, source, external_id)

    def erase_requester(self, desk: str, requester_hash: str) -> dict[str, int]:
        """Delete a requester's tickets and all that was said of them; rows gone by table."""
        ticket = tables.tickets.columns
        theirs = and_(ticket.desk == desk, ticket.requester == requester_hash)
        with self.engine.begin() as connection:
            return delete_tickets(connection, theirs)


def _labelled(desk: str, target: str, since: datetime, until: datetime) -> Select[Any]:
    """Tickets of [since, until) with their labels, and what was predicted, the latest last."""
    ticket, said = tables.tickets.columns, tables.predictions.columns
    same = and_(*(ticket[name] == said[name] for name in TICKET_KEY), said.target == target)
    return (
        select(ticket.source, ticket.external_id, ticket.opened_at, ticket.labels, said.label)
        .select_from(tables.tickets.outerjoin(tables.predictions, same))
        .where(ticket.desk == desk, *window(ticket.opened_at, since, until))
        .order_by(ticket.opened_at, ticket.source, ticket.external_id, said.scored_at)
    )


def delete_ticket(
    connection: Connection, desk: str, source: str, external_id: str
) -> dict[str, int]:
    """Delete a ticket and all that was said of it; how many rows of each table went."""
    return {
        table.name: _delete(connection, table, _ticket_is(table, desk, source, external_id))
        for table in (*SAID, tables.tickets)
    }


def delete_tickets(connection: Connection, which: ColumnElement[bool]) -> dict[str, int]:
    """Delete these tickets and, before them, what was said of them; rows gone by table."""
    gone = {table.name: _delete(connection, table, _of_ticket(table, which)) for table in SAID}
    return gone | {"tickets": _delete(connection, tables.tickets, which)}


def delete_orphans(connection: Connection, desk: str, before: datetime) -> dict[str, int]:
    """Delete what was said before `before` of tickets that are not in the store."""
    gone = {}
    for table, said_at in SAID_AT:
        old = and_(table.c.desk == desk, table.c[said_at] < before)
        gone[table.name] = _delete(connection, table, old & ~_of_ticket(table, true()))
    return gone


def _delete(connection: Connection, table: Table, which: ColumnElement[bool]) -> int:
    return connection.execute(delete(table).where(which)).rowcount


def _ticket_is(table: Table, desk: str, source: str, external_id: str) -> ColumnElement[bool]:
    wanted = zip(TICKET_KEY, (desk, source, external_id), strict=True)
    return and_(*(table.c[name] == value for name, value in wanted))


def _among(table: Table, desk: str, keys: Sequence[Key]) -> ColumnElement[bool]:
    return among([table.c[name] for name in TICKET_KEY], [(desk, *key) for key in keys])


def number_changes(connection: Connection, rows: Sequence[Row]) -> None:
    """Number these tickets behind all others of their desks: nobody else writes meanwhile."""
    last = tables.last_changes
    query = select(last.c.desk, last.c.number).where(last.c.desk.in_({row["desk"] for row in rows}))
    numbers = dict(connection.execute(query).tuples().all())
    changes = []
    for row in rows:
        numbers[row["desk"]] = number = numbers.get(row["desk"], 0) + 1
        changes.append({name: row[name] for name in TICKET_KEY} | {"number": number})
    connection.execute(upsert(connection, tables.changes), changes)
    lasts = [{"desk": desk, "number": number} for desk, number in numbers.items()]
    connection.execute(upsert(connection, last), lasts)


def _of_ticket(table: Table, which: ColumnElement[bool]) -> ColumnElement[bool]:
    same = (table.c[name] == tables.tickets.c[name] for name in TICKET_KEY)
    return exists().where(*same, which)


def masked(ticket: Ticket) -> Ticket:
    """The ticket as it may be stored."""
    texts = {name: mask(storable(getattr(ticket, name))) for name in TEXTS}
    return replace(ticket, **texts, attributes=storable_attributes(ticket.attributes))


def merge_tickets(known: Row, came: Row) -> Row:
    """What is known, and over it what came, where it says anything."""
    kept = {name: known[name] if value in (None, "") else value for name, value in came.items()}
    for name in ("labels", "attributes"):
        kept[name] = {**known[name], **{key: said for key, said in came[name].items() if said}}
    return kept


def _merge_incidents(known: Row, came: Row) -> Row:
    return came | {"ended_at": came["ended_at"] or known["ended_at"]}


def _later(said_at: str) -> Merge:
    return lambda known, came: came if came[said_at] >= known[said_at] else known
