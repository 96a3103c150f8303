"""Tickets as their own systems tell of them, in whatever order the messages come."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from data import tables
from data.records import Ticket
from data.rows import LOOKUP_ROWS, Written, among, chunks, lock, put_rows, row_of, upsert
from data.store_tickets import (
    TICKET_KEY,
    TicketRows,
    delete_ticket,
    masked,
    merge_tickets,
    number_changes,
)

Identity = tuple[str, str, str]


class Update(NamedTuple):
    """A ticket as it was `at` that time; `deleted` where it was gone."""

    ticket: Ticket
    at: datetime
    deleted: bool = False

    @property
    def key(self) -> Identity:
        return self.ticket.desk, self.ticket.source, self.ticket.external_id


class UpdateRows(TicketRows):
    """Tickets, and how new what is known of each is."""

    def put_updates(self, updates: Sequence[Update]) -> Written:
        """Store what is no older than what is known; a ticket that was deleted is erased.

        An older message changes nothing, whenever it comes, also after the ticket was deleted: the
        time stays when the ticket goes. The same message again changes nothing either.
        """
        with self.engine.begin() as connection:
            lock(connection, tables.tickets)  # until the end: what was read below stays true
            known = _known(connection, {one.key for one in updates})
            ordered = sorted(updates, key=lambda one: one.at)
            fresh = [one for one in ordered if one.key not in known or one.at >= known[one.key]]
            last = {one.key: one for one in fresh}
            for key, one in last.items():
                if one.deleted:
                    delete_ticket(connection, *key)
            if last:
                times = [
                    dict(zip(TICKET_KEY, key, strict=True)) | {"at": one.at}
                    for key, one in last.items()
                ]
                connection.execute(upsert(connection, tables.updates), times)
            rows = [
                row_of(tables.tickets, masked(one.ticket))
                for one in fresh
                if not last[one.key].deleted
            ]
            told = put_rows(connection, tables.tickets, rows, merge_tickets, number_changes)
        return told._replace(same=told.same + len(updates) - len(fresh))


def forget_updates(connection: Connection, desk: str, before: datetime) -> None:
    """Delete the times of updates before `before`; the tickets they were of are gone by then."""
    columns = tables.updates.columns
    connection.execute(delete(tables.updates).where(columns.desk == desk, columns.at < before))


def _known(connection: Connection, keys: Collection[Identity]) -> dict[Identity, datetime]:
    found = {}
    columns = tables.updates.columns
    for some in chunks(list(keys), LOOKUP_ROWS):
        which = among([columns[name] for name in TICKET_KEY], some)
        for desk, source, external_id, at in connection.execute(
            select(*(columns[name] for name in TICKET_KEY), columns.at).where(which)
        ):
            found[desk, source, external_id] = at
    return found
