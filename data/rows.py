"""How the store writes: rows are compared with those known, merged with them, and upserted."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    Table,
    and_,
    false,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite

Row = dict[str, Any]
Record = TypeVar("Record")
Merge = Callable[[Row, Row], Row]
Then = Callable[[Connection, Sequence[Row]], None]
INSERTS = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
MANY_KINDS = 10
LOOKUP_ROWS = 500  # times six columns of a key stays far below SQLite's 32,766 parameters


class Written(NamedTuple):
    """What a write did: rows that were not there, that now say more or other, that were there."""

    new: int
    changed: int
    same: int


class Rows:
    """An engine, and beside it the same one for transactions that only read."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.reading = engine.execution_options(readonly=True)

    def put(
        self, table: Table, records: Sequence[object], merge: Merge, then: Then | None = None
    ) -> Written:
        """Write `records` in one transaction; `merge(known, came)` says what is to stand.

        `then` is given the rows that are new or changed, in the same transaction.
        """
        with self.engine.begin() as connection:
            rows = [row_of(table, one) for one in records]
            return put_rows(connection, table, rows, merge, then)

    def fetch(self, query: Select[Any], record: type[Record]) -> list[Record]:
        """The rows of `query`, whose columns are the fields of `record`."""
        with self.reading.connect() as connection:
            return [record(**row) for row in connection.execute(query).mappings()]


def window(
    column: ColumnElement[datetime], since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    """The conditions that make `column` lie in [since, until), None being no limit."""
    conditions = [] if since is None else [column >= since]
    return conditions if until is None else [*conditions, column < until]


def among(
    columns: Sequence[ColumnElement[Any]], keys: Sequence[Sequence[Any]]
) -> ColumnElement[bool]:
    """The condition that the values of `columns` are one of `keys`.

    For a list of tuples SQLite reads the whole table, while it looks up single values in the
    index. So keys that share all but the last value, as tickets of one source do, are written as
    such, unless they are of so many kinds that to write them out takes longer than to read.

    >>> from sqlalchemy import column
    >>> which = among([column("desk"), column("id")], [("it", 1), ("it", 2), ("hr", 1)])
    >>> print(which.compile(compile_kwargs={"literal_binds": True}))
    desk = 'it' AND id IN (1, 2) OR desk = 'hr' AND id IN (1)
    """
    *first, last = columns
    ends: dict[tuple[Any, ...], list[Any]] = {}
    for *start, end in keys:
        ends.setdefault(tuple(start), []).append(end)
    if len(ends) > MANY_KINDS:
        return tuple_(*columns).in_(keys)
    kinds = [
        and_(*(one == value for one, value in zip(first, start, strict=True)), last.in_(values))
        for start, values in ends.items()
    ]
    return or_(false(), *kinds)


def row_of(table: Table, record: object) -> Row:
    """The record's fields under the names of the columns, which are the same."""
    return {column.name: getattr(record, column.name) for column in table.columns}


def put_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    merge: Merge,
    then: Then | None = None,
) -> Written:
    """Upsert what is new or differs, and count."""
    lock(connection, table)
    known = _known(connection, table, rows)
    pending, tally = {}, {"new": 0, "changed": 0, "same": 0}
    for came in rows:
        key = _key(table, came)
        before = known.get(key)
        row = came if before is None else merge(before, came)
        tally["new" if before is None else "same" if row == before else "changed"] += 1
        if row != before:
            known[key] = pending[key] = row
    if pending:
        connection.execute(upsert(connection, table), list(pending.values()))
        if then is not None:
            then(connection, list(pending.values()))
    return Written(**tally)


def upsert(
    connection: Connection,
    table: Table,
    update: Collection[str] | None = None,
    where: ColumnElement[bool] | None = None,
) -> Any:
    """INSERT .. ON CONFLICT DO UPDATE of the columns in `update` (all that are not the key).

    `where`, if given, is a condition on the row that is there; without it that row stays.
    """
    rows = insert(connection, table)
    key = list(table.primary_key.columns.keys())
    if update is None:
        update = [column.name for column in table.columns if not column.primary_key]
    return rows.on_conflict_do_update(
        index_elements=key, set_={name: rows.excluded[name] for name in update}, where=where
    )


def insert(connection: Connection, table: Table) -> Any:
    """The engine's own INSERT, which knows ON CONFLICT."""
    return INSERTS[connection.dialect.name](table)


def lock(connection: Connection, table: Table) -> None:
    """Let nobody else write `table` until this transaction ends, so that a merge is safe.

    SQLite has taken its write lock already, when the transaction began.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def _known(connection: Connection, table: Table, rows: Sequence[Row]) -> dict[tuple[Any, ...], Row]:
    known = {}
    for wanted in chunks([_key(table, row) for row in rows], LOOKUP_ROWS):
        which = among(list(table.primary_key.columns), wanted)
        for row in connection.execute(select(table).where(which)).mappings():
            known[_key(table, row)] = dict(row)
    return known


def _key(table: Table, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.primary_key.columns)


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """`items` in pieces of `size`, the last one shorter.

    >>> list(chunks("abcde", 2))
    ['ab', 'cd', 'e']
    """
    return (items[start : start + size] for start in range(0, len(items), size))
