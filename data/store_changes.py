"""The store's changes: deployments, flags, whatever somebody did to a service."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select

from data import tables
from data.records import Change
from data.rows import Rows, insert, row_of, window


class ChangeRows(Rows):
    """Changes, which are told once and never edited."""

    def put_service_changes(self, changes: Sequence[Change]) -> int:
        """Store those that are new, by their ids; how many were."""
        if not changes:
            return 0
        with self.engine.begin() as connection:
            fresh = insert(connection, tables.service_changes).on_conflict_do_nothing()
            # psycopg counts no rows of such an insert, hence RETURNING
            told = fresh.returning(tables.service_changes.c.id)
            rows = {one.id: row_of(tables.service_changes, one) for one in changes}
            return sum(connection.execute(told, row).first() is not None for row in rows.values())

    def service_changes(
        self, desk: str, since: datetime | None, until: datetime | None, limit: int = 100
    ) -> list[Change]:
        """Those of [since, until), the newest first."""
        columns = tables.service_changes.columns
        query = select(tables.service_changes).where(
            columns.desk == desk, *window(columns.at, since, until)
        )
        return self.fetch(query.order_by(columns.at.desc(), columns.id).limit(limit), Change)


def delete_changes(connection: Connection, desk: str, before: datetime) -> dict[str, int]:
    """Delete the changes made before; rows gone."""
    columns = tables.service_changes.columns
    gone = delete(tables.service_changes).where(columns.desk == desk, columns.at < before)
    return {"service_changes": connection.execute(gone).rowcount}
