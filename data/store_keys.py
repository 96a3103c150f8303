"""The store's API keys, and the leases by which one process does what only one may do."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select, update

from data import tables
from data.keys import ApiKey
from data.rows import Row, Rows, insert, row_of, upsert


class KeyRows(Rows):
    """API keys and leases."""

    def put_key(self, key: ApiKey) -> None:
        """Store a new key. One that is there stays as it is: a key can only be revoked."""
        with self.engine.begin() as connection:
            connection.execute(insert(connection, tables.keys).on_conflict_do_nothing(), _row(key))

    def key(self, id: str) -> ApiKey | None:
        """The key of this id, revoked or not; None where there is none."""
        return next(iter(self._keys(tables.keys.c.id == id)), None)

    def keys(self) -> list[ApiKey]:
        """All keys from the oldest to the newest, revoked ones too."""
        return self._keys()

    def revoke_key(self, id: str, at: datetime) -> bool:
        """Revoke a key; False where it is unknown or was revoked before."""
        columns = tables.keys.columns
        live = update(tables.keys).where(columns.id == id, columns.revoked_at.is_(None))
        with self.engine.begin() as connection:
            return connection.execute(live.values(revoked_at=at)).rowcount == 1

    def rotate_key(self, old: str, new: ApiKey, until: datetime) -> bool:
        """Store `new` and let `old` end at `until` at the latest; False where `old` is over."""
        columns, row = tables.keys.columns, _row(new)
        now = new.created_at
        holds = and_(columns.id == old, columns.revoked_at.is_(None), _later(columns, now))
        shortened = and_(columns.id == old, _later(columns, until))
        with self.engine.begin() as connection:
            if connection.execute(select(columns.id).where(holds)).first() is None:
                return False
            connection.execute(insert(connection, tables.keys), row)
            connection.execute(update(tables.keys).where(shortened).values(expires_at=until))
            return True

    def take_lease(self, name: str, holder: str, now: datetime, seconds: float) -> bool:
        """Take or renew a lease for `seconds`; False while another holder's has not expired."""
        columns = tables.leases.columns
        mine = or_(columns.holder == holder, columns.expires_at <= now)
        row = {"name": name, "holder": holder, "expires_at": now + timedelta(seconds=seconds)}
        with self.engine.begin() as connection:
            # psycopg counts no rows of an upsert, hence RETURNING
            taken = upsert(connection, tables.leases, where=mine).returning(columns.holder)
            return connection.execute(taken, row).first() is not None

    def release_lease(self, name: str, holder: str) -> None:
        """Give a lease back; another holder's stays."""
        columns = tables.leases.columns
        mine = delete(tables.leases).where(columns.name == name, columns.holder == holder)
        with self.engine.begin() as connection:
            connection.execute(mine)

    def _keys(self, *which: ColumnElement[bool]) -> list[ApiKey]:
        columns = tables.keys.columns
        query = select(tables.keys).where(*which).order_by(columns.created_at, columns.id)
        with self.reading.connect() as connection:
            return [_read_key(dict(row)) for row in connection.execute(query).mappings()]


def _later(columns: Any, at: datetime) -> ColumnElement[bool]:
    """Whether a key would hold beyond `at`."""
    return or_(columns.expires_at.is_(None), columns.expires_at > at)


def _row(key: ApiKey) -> Row:
    row = row_of(tables.keys, key)
    return row | {name: sorted(row[name]) for name in ("scopes", "desks")}


def _read_key(row: Row) -> ApiKey:
    return ApiKey(**row | {name: frozenset(row[name]) for name in ("scopes", "desks")})
