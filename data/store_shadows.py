"""The store's account of challengers: what each would have answered where the champion did.

A table of its own: whoever asks what a ticket is about reads `predictions`, and there a challenger
has no say.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import and_, exists, func, select

from data import tables
from data.present import present
from data.records import Shadow
from data.rows import Row, Rows, Written, lock, put_rows, row_of

SHADOWS = tables.shadows
KEY = ("source", "external_id")


class Pair(NamedTuple):
    """A challenger and the champion beside which it was scored, by their versions."""

    champion: str
    challenger: str


class Judged(NamedTuple):
    """A shadow, and the label that the ticket should have had: None where nobody has said it."""

    shadow: Shadow
    truth: str | None


class ShadowRows(Rows):
    """Shadows of tickets that are in the store; they go with their tickets."""

    def put_shadows(self, shadows: Sequence[Shadow]) -> Written:
        """Store what was said of tickets that are still there; of two on one the latest stands."""
        with self.engine.begin() as connection:
            lock(connection, SHADOWS)
            kept = [row_of(SHADOWS, one) for one in present(connection, shadows)]
            return put_rows(connection, SHADOWS, kept, _later)

    def last_shadow(self, desk: str) -> Pair | None:
        """The champion and the challenger of which the latest shadow is."""
        query = select(SHADOWS.c.champion, SHADOWS.c.challenger).where(SHADOWS.c.desk == desk)
        query = query.order_by(SHADOWS.c.scored_at.desc()).limit(1)
        with self.reading.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else Pair(*row)

    def shadows(self, desk: str, pair: Pair) -> list[Judged]:
        """All that two versions said of the same tickets, each with what people say it is.

        That is their last correction, else the label that the desk has on the ticket now. Where we
        write into the ticket ourselves no label counts: it may be the champion's own.
        """
        said, ticket, told = SHADOWS.c, tables.tickets.c, tables.feedback.c
        newest = (
            func.row_number()
            .over(
                partition_by=[told.source, told.external_id, told.target],
                order_by=[told.given_at.desc(), told.given_by.desc()],
            )
            .label("place")
        )
        last = select(*tables.feedback.c, newest).where(told.desk == desk).subquery()
        same = [said[name] == ticket[name] for name in ("desk", *KEY)]
        ours = tables.write_backs.c
        is_written = exists().where(*(said[name] == ours[name] for name in ("desk", *KEY)))
        heard = [said[name] == last.c[name] for name in (*KEY, "target")]
        query = (
            select(
                SHADOWS,
                ticket.labels,
                last.c.label.label("corrected"),
                is_written.label("is_written"),
            )
            .join(tables.tickets, and_(*same))
            .outerjoin(last, and_(*heard, last.c.place == 1))
            .where(said.desk == desk, said.champion == pair.champion)
            .where(said.challenger == pair.challenger)
            .order_by(*SHADOWS.primary_key.columns)
        )
        with self.reading.connect() as connection:
            return [_judged(dict(row)) for row in connection.execute(query).mappings()]


def _judged(row: Row) -> Judged:
    labels, corrected = row.pop("labels"), row.pop("corrected")
    label = None if row.pop("is_written") else labels.get(row["target"])
    return Judged(Shadow(**row), corrected or label or None)


def _later(known: Row, came: Row) -> Row:
    return came if came["scored_at"] >= known["scored_at"] else known
