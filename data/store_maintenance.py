"""The store's maintenance windows."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update

from data import tables
from data.records import Maintenance
from data.rows import Rows, insert, row_of


class MaintenanceRows(Rows):
    """Maintenance windows. What has held stays, for what is learnt anew must know of it too."""

    def put_maintenance(self, one: Maintenance) -> None:
        """Store a new window; one that is there stays as it is."""
        with self.engine.begin() as connection:
            fresh = insert(connection, tables.maintenance).on_conflict_do_nothing()
            connection.execute(fresh, row_of(tables.maintenance, one))

    def maintenance(self, id: str) -> Maintenance | None:
        """The window of this id; None where there is none."""
        return next(iter(self._maintenances(tables.maintenance.c.id == id)), None)

    def maintenances(
        self, desks: Collection[str] | None = None, *, since: datetime | None = None
    ) -> list[Maintenance]:
        """Windows of these desks (None: of all), by their start; with `since` what holds after."""
        columns, which = tables.maintenance.columns, []
        if desks is not None:
            which.append(columns.desk.in_(desks))
        if since is not None:
            which.append(or_(columns.weekly.is_(True), columns.ends_at > since))
            which.append(or_(columns.removed_at.is_(None), columns.removed_at > since))
        return self._maintenances(*which)

    def remove_maintenance(self, id: str, at: datetime) -> bool:
        """Let a window hold no more from `at` on; False: unknown, over, or removed before."""
        columns = tables.maintenance.columns
        holds = and_(
            columns.id == id,
            columns.removed_at.is_(None),
            or_(columns.weekly.is_(True), columns.ends_at > at),
        )
        with self.engine.begin() as connection:
            ended = update(tables.maintenance).where(holds).values(removed_at=at)
            return connection.execute(ended).rowcount == 1

    def _maintenances(self, *which: ColumnElement[bool]) -> list[Maintenance]:
        columns = tables.maintenance.columns
        query = select(tables.maintenance).where(*which).order_by(columns.starts_at, columns.id)
        return self.fetch(query, Maintenance)


def delete_maintenance(connection: Connection, desk: str, before: datetime) -> dict[str, int]:
    """Delete the windows that held for the last time before `before`; rows gone."""
    columns = tables.maintenance.columns
    over = or_(
        and_(columns.weekly.is_(False), columns.ends_at < before), columns.removed_at < before
    )
    gone = delete(tables.maintenance).where(columns.desk == desk, over)
    return {"maintenance": connection.execute(gone).rowcount}
