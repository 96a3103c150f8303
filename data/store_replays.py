"""The store's replays: of each desk, the newest that told what would have fired."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from data import tables
from data.replays import ReplayTold
from data.rows import Rows, upsert


class Replay(NamedTuple):
    """What a replay told, when it was made, and the command that makes it anew."""

    made_at: datetime
    command: str
    told: ReplayTold


class ReplayRows(Rows):
    """Replays, the newest of each desk and kind."""

    def put_replay(self, desk: str, kind: str, replay: Replay) -> None:
        """Keep a replay in the place of the one before."""
        row = {"desk": desk, "kind": kind, "made_at": replay.made_at, "command": replay.command}
        with self.engine.begin() as connection:
            statement = upsert(connection, tables.replays)
            connection.execute(statement, row | {"told": replay.told.to_json()})

    def replay(self, desk: str, kind: str) -> Replay | None:
        """The newest replay of this kind; None where there was none."""
        columns = tables.replays.columns
        query = select(columns.made_at, columns.command, columns.told)
        query = query.where(columns.desk == desk, columns.kind == kind)
        with self.reading.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return Replay(row.made_at, row.command, ReplayTold.from_json(row.told))
