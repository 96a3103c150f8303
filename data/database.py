"""How Forewarn connects to a database: SQLite by default, PostgreSQL by URL."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import BigInteger, Connection, Engine, Text, create_engine, event, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.types import TypeDecorator

from data.migrations import MIGRATIONS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Down, locked, full or overrun; or PostgreSQL takes no writes, as a standby does.
UNREACHABLE = (OperationalError, InterfaceError, InternalError, NoConnectionFree)
REFUSED = (DBAPIError, NoConnectionFree, ArgumentError)  # all that a database, or its URL, can say
BUSY_TIMEOUT_SECONDS = 30  # with 0, three of four writes fail beside two other writers


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as whole microseconds since 1970 in both engines."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: object) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"wanted a time with its zone, got {value.isoformat()}")
        return (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: object) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Words(TypeDecorator[str]):
    """Text, less what no database holds, wherever it came from: see `storable`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        return None if value is None else storable(value)


def storable(words: str) -> str:
    """PostgreSQL holds no NUL, and neither engine half a surrogate pair.

    >>> storable("vpn\\0 \\ud83d"), storable("🖨")
    ('vpn ?', '🖨')
    """
    return words.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def refusal(error: Exception) -> str:
    """What a database said, in one line, without the rows that were on their way to it.

    >>> refusal(OperationalError("INSERT ...", {"body": "private"}, OSError("disk full")))
    'disk full'
    """
    said = str(getattr(error, "orig", None) or error).strip()
    return said.partition("\n")[0].rstrip()


def connect(url: str, wait_seconds: float = BUSY_TIMEOUT_SECONDS) -> Engine:
    """An engine on `url`, its tables brought up to date. It waits so long for a lock or a host.

    SQLite runs in WAL mode and takes its write lock when a transaction begins, so that a reader
    who goes on to write never meets a lock that it cannot wait for.
    """
    if make_url(url).get_backend_name() == "sqlite":
        engine = _sqlite(url, wait_seconds)
    else:
        engine = _postgres(url, wait_seconds)
    migrate(engine, MIGRATIONS)
    return engine


def _postgres(url: str, wait_seconds: float) -> Engine:
    waits = {"connect_timeout": max(2, round(wait_seconds))}  # a host that drops packets: minutes
    engine = create_engine(url, pool_pre_ping=True, pool_timeout=wait_seconds, connect_args=waits)

    @event.listens_for(engine, "connect")
    def bound_waiting(connection: object, _record: object) -> None:
        connection.execute(f"SET lock_timeout = {round(1000 * wait_seconds)}")  # type: ignore[attr-defined]
        connection.commit()  # type: ignore[attr-defined]

    return engine


def _sqlite(url: str, wait_seconds: float) -> Engine:
    database = make_url(url).database
    pool: dict[str, float] = {}
    if database and database != ":memory:":
        pool["pool_timeout"] = wait_seconds  # in memory there is no pool
        with suppress(OSError):  # the database says that it cannot be opened, as it does later on
            Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": wait_seconds}, **pool)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare_sqlite(connection: object, _record: object) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # we begin transactions ourselves
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]


def _begin_immediate(connection: Connection) -> None:
    readonly = connection.get_execution_options().get("readonly", False)
    connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")


def migrate(engine: Engine, migrations: list[Callable[[Connection], None]]) -> None:
    """Run each migration that this database has not seen, in order, each in its transaction."""
    for number, migration in enumerate(migrations, start=1):
        with engine.begin() as connection:
            if number > _version(connection):
                migration(connection)
                connection.execute(
                    text("INSERT INTO migrations (number, name) VALUES (:number, :name)"),
                    {"number": number, "name": migration.__name__},
                )


def _version(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        # Two processes that start together must not both migrate.
        connection.execute(text("SELECT pg_advisory_xact_lock(20260101)"))
    connection.execute(
        text("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT)")
    )
    return connection.execute(text("SELECT COALESCE(MAX(number), 0) FROM migrations")).scalar_one()
