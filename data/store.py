"""The store: everything Forewarn knows but the metric points, on SQLite or PostgreSQL."""

import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Table, and_, func, select

from data import tables
from data.database import BUSY_TIMEOUT_SECONDS, connect
from data.rows import Written
from data.store_alerts import AlertRows, Detection, delete_alerts
from data.store_answers import AnswerRows
from data.store_audit import AuditRows
from data.store_changes import ChangeRows, delete_changes
from data.store_detected import DetectedRows, delete_detected
from data.store_forecasts import ForecastRows
from data.store_handling import HandlingRows
from data.store_keys import KeyRows
from data.store_maintenance import MaintenanceRows, delete_maintenance
from data.store_outbox import OutboxRows
from data.store_replays import ReplayRows
from data.store_serving import ServingRows
from data.store_shadows import ShadowRows
from data.store_tickets import delete_orphans, delete_tickets
from data.store_updates import UpdateRows, forget_updates
from data.store_writes import WriteRows

__all__ = ["Detection", "Store", "Written"]

COUNTED = (
    tables.tickets,
    tables.predictions,
    tables.feedback,
    tables.incidents,
    tables.detections,
    tables.alerts,
)


class Store(
    UpdateRows,
    HandlingRows,
    AlertRows,
    DetectedRows,
    ForecastRows,
    OutboxRows,
    MaintenanceRows,
    ChangeRows,
    KeyRows,
    AuditRows,
    ReplayRows,
    ServingRows,
    AnswerRows,
    WriteRows,
    ShadowRows,
):
    """All rows of all desks behind one database URL.

    Every write is one transaction and idempotent: done twice, it changes nothing. Processes and
    threads may share a database; a store may be shared by threads, not across a fork.

    >>> store = Store("sqlite://")
    >>> store.counts("it")["tickets"]
    0
    >>> store.close()
    """

    def __init__(self, url: str, wait_seconds: float = BUSY_TIMEOUT_SECONDS) -> None:
        super().__init__(connect(url, wait_seconds))

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def ping(self) -> None:
        """Raise `sqlalchemy.exc.DBAPIError` where the database cannot be read."""
        with self.reading.connect() as connection:
            connection.execute(select(tables.tickets.c.desk).limit(1)).all()

    def counts(self, desk: str) -> dict[str, int]:
        """How many rows of this desk each table holds."""
        with self.reading.connect() as connection:
            return {table.name: _count(connection, table, desk) for table in COUNTED}

    def expire(self, desk: str, before: datetime) -> dict[str, int]:
        """Delete what is older than `before`; how many rows of each table went.

        That is tickets opened before, with what was said of them, alerts closed before with the
        incidents that they made, changes made before, and maintenance that was over before. What
        was said of a ticket that the store never held goes by its own time.
        """
        ticket, alert = tables.tickets.columns, tables.alerts.columns
        with self.engine.begin() as connection:
            orphans = delete_orphans(connection, desk, before)
            opened = and_(ticket.desk == desk, ticket.opened_at < before)
            closed = and_(alert.desk == desk, alert.closed_at < before)
            gone = [
                orphans,
                delete_tickets(connection, opened),
                delete_alerts(connection, closed),
                delete_maintenance(connection, desk, before),
                delete_changes(connection, desk, before),
                delete_detected(connection, desk, before),
            ]
            forget_updates(connection, desk, before)
        names = dict.fromkeys(name for one in gone for name in one)
        return {name: sum(one.get(name, 0) for one in gone) for name in names}

    def backup(self, to: Path) -> None:
        """Copy a SQLite database into the file `to` while it is in use.

        The copy takes its name when it is whole, and only its owner can read it.
        """
        if self.engine.dialect.name != "sqlite":
            raise ValueError("only SQLite is copied here; for PostgreSQL run pg_dump on its server")
        aside = to.with_name(f".{to.name}.{os.getpid()}")
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL, 0o600))
        try:
            self._copy(aside)
            os.replace(aside, to)
        finally:
            aside.unlink(missing_ok=True)

    def _copy(self, to: Path) -> None:
        source = self.engine.raw_connection()
        try:
            with closing(sqlite3.connect(to)) as copy:
                source.driver_connection.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, none beside it
        finally:
            source.close()


def _count(connection: Connection, table: Table, desk: str) -> int:
    query = select(func.count()).select_from(table).where(table.c.desk == desk)
    return connection.execute(query).scalar_one()
