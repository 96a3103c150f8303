"""The store's audit log: who changed what, and when. Rows are added, never changed or deleted.

A row is written when the change stands, in a transaction of its own: a change that was refused
leaves none.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from sqlalchemy import select

from data import tables
from data.rows import Rows, insert, window

COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Logged:
    """Something that was done: by whom (a key's id, "loopback", or "command line" with the user).

    `subject` is the id of what it was done to, `desk` whose it is, "*" being all. Neither `what`
    nor `subject` holds words of people: those stand where they were said.
    """

    at: datetime
    who: str
    what: str
    desk: str
    subject: str


class AuditRows(Rows):
    """The audit log."""

    def log(self, at: datetime, who: str, what: str, desk: str, *subjects: str) -> None:
        """Add what was done to each of `subjects`."""
        done = [Logged(at, who, what, desk, subject) for subject in subjects]
        if not done:
            return
        with self.engine.begin() as connection:
            connection.execute(insert(connection, tables.audit_log), [asdict(one) for one in done])

    def logged(
        self,
        desks: Collection[str] | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> list[Logged]:
        """What was done on these desks (None: on all), the newest first."""
        columns = tables.audit_log.columns
        which = window(columns.at, since, until)
        if desks is not None:
            which.append(columns.desk.in_(desks))
        query = select(*(columns[field.name] for field in fields(Logged))).where(*which)
        return self.fetch(query.order_by(columns.number.desc()).limit(limit), Logged)
