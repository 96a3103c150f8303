"""What the measures read of the store: how tickets were handled, without their texts."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from data import tables
from data.records import Ticket
from data.rows import Rows, window

TEXTS = {"title", "body", "resolution"}


class Told(NamedTuple):
    """From when to when one source has told anything of its tickets.

    >>> from datetime import UTC
    >>> Told(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)).until.month
    3
    """

    since: datetime
    until: datetime


class HandlingRows(Rows):
    """Tickets as the measures want them."""

    def handled(
        self, desk: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[Ticket]:
        """Tickets opened in [since, until), in order, with empty texts: a small part to read."""
        columns = tables.tickets.columns
        wanted = [column for column in columns if column.name not in TEXTS]
        query = select(*wanted).where(
            columns.desk == desk, *window(columns.opened_at, since, until)
        )
        return self.fetch(query.order_by(columns.opened_at, *columns[:3]), Ticket)

    def told(self, desk: str) -> Mapping[str, Told]:
        """For each source of a desk when its first ticket was opened, and the last time it tells.

        An export that was made in March says nothing of April: a ticket that is open in it was
        open then. Times that lie ahead (`sla_due_at`) count for nothing.
        """
        ticket = tables.tickets.columns
        times = ("opened_at", "resolved_at", "acknowledged_at", "first_response_at")
        last = [func.max(ticket[name], type_=ticket[name].type) for name in times]
        first = func.min(ticket.opened_at, type_=ticket.opened_at.type)
        query = select(ticket.source, first, *last).where(ticket.desk == desk)
        with self.reading.connect() as connection:
            rows = connection.execute(query.group_by(ticket.source)).tuples().all()
        return {
            source: Told(first, max(at for at in latest if at is not None))
            for source, first, *latest in rows
        }
