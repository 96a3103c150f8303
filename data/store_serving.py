"""The store's account of serving: what each process of the endpoint did, minute by minute."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, delete, func, select, update

from data import tables
from data.records import ServingFirst, ServingWindow
from data.rows import LOOKUP_ROWS, Rows, chunks, insert, window

Figures = Mapping[tuple[str, ...], float]
STATS = tables.serving_stats
TOLD = [STATS.c[name] for name in ServingWindow.__dataclass_fields__]


class Running(NamedTuple):
    """A process whose run has not ended: its newest window, and whether that is its last."""

    process: str
    at: datetime
    is_last: bool


class Heard(NamedTuple):
    """Of what a version decided alone on a target, how much people judged, and found right."""

    version: str
    target: str
    n: int
    n_right: int


class ServingRows(Rows):
    """Windows of serving, each written once and never changed."""

    def put_serving(self, windows: Sequence[ServingWindow]) -> int:
        """Store those windows that are new; how many were."""
        rows = [
            {name: getattr(one, name) for name in ServingWindow.__dataclass_fields__}
            | {"n_tickets": n_tickets(one.figures), "sent": False, "ended": False}
            for one in windows
        ]
        with self.engine.begin() as connection:
            # psycopg counts no rows here, hence RETURNING
            fresh = insert(connection, STATS).on_conflict_do_nothing().returning(STATS.c.at)
            return sum(connection.execute(fresh, row).first() is not None for row in rows)

    def serving(
        self, since: datetime | None, until: datetime | None = None, *, scored: bool = False
    ) -> list[ServingWindow]:
        """Windows that began in [since, until), in order; `scored` are those with tickets."""
        query = select(*TOLD).where(*window(STATS.c.at, since, until))
        if scored:
            query = query.where(STATS.c.n_tickets > 0)
        return self.fetch(query.order_by(STATS.c.at, STATS.c.process), ServingWindow)

    def unsent_serving(self, limit: int) -> list[ServingWindow]:
        """The oldest windows, at most `limit`, that nobody was told of."""
        query = select(*TOLD).where(~STATS.c.sent).order_by(STATS.c.at, STATS.c.process)
        return self.fetch(query.limit(limit), ServingWindow)

    def mark_serving_sent(self, process: str, at: Collection[datetime]) -> None:
        """Note that these windows of a process were told."""
        with self.engine.begin() as connection:
            for some in chunks(sorted(at), LOOKUP_ROWS):
                these = and_(STATS.c.process == process, STATS.c.at.in_(some))
                connection.execute(update(STATS).where(these).values(sent=True))

    def serving_running(self) -> list[Running]:
        """The processes whose runs have not ended."""
        last = (
            select(STATS.c.process, func.max(STATS.c.at).label("at"))
            .where(~STATS.c.ended)
            .group_by(STATS.c.process)
            .subquery()
        )
        query = select(STATS.c.process, STATS.c.at, STATS.c.is_last).join(
            last, and_(STATS.c.process == last.c.process, STATS.c.at == last.c.at)
        )
        return self.fetch(query.order_by(STATS.c.process), Running)

    def mark_serving_ended(self, process: str, until: datetime) -> None:
        """Note that the run of a process has ended, whose newest window began at `until`."""
        these = and_(STATS.c.process == process, STATS.c.at <= until)
        with self.engine.begin() as connection:
            connection.execute(update(STATS).where(these).values(ended=True))

    def expire_serving(self, before: datetime) -> int:
        """Delete windows that began before, told or not; how many went."""
        with self.engine.begin() as connection:
            return connection.execute(delete(STATS).where(STATS.c.at < before)).rowcount

    def put_serving_first(self, desk: str, version: str, first: ServingFirst) -> None:
        """Keep what a version said first, once and for all."""
        row = {"desk": desk, "version": version, "until": first.until, "figures": first.figures}
        with self.engine.begin() as connection:
            fresh = insert(connection, tables.serving_firsts).on_conflict_do_nothing()
            connection.execute(fresh, row)

    def serving_firsts(self) -> dict[tuple[str, str], ServingFirst]:
        """What each version, by desk and number, said first."""
        with self.reading.connect() as connection:
            rows = connection.execute(select(tables.serving_firsts)).all()
        return {(row.desk, row.version): ServingFirst(row.until, row.figures) for row in rows}

    def heard(self, desk: str) -> list[Heard]:
        """Of what each version decided alone, what people said since; their last word counts."""
        last: dict[tuple[str, ...], bool] = {}
        with self.reading.connect() as connection:
            for *key, label, said in connection.execute(_judged(desk)):
                last[tuple(key)] = label == said
        found: dict[tuple[str, str], list[bool]] = {}
        for (*_, target, version), right in last.items():
            found.setdefault((version, target), []).append(right)
        return [Heard(*key, len(right), sum(right)) for key, right in sorted(found.items())]


def n_tickets(figures: Figures) -> int:
    """How many tickets were scored in a window.

    >>> n_tickets({("tickets", "it", "3", "fast"): 2, ("requests",): 9})
    2
    """
    return int(sum(n for key, n in figures.items() if key[0] == "tickets"))


def _judged(desk: str) -> Select[Any]:
    """What was decided alone beside each word of people on it, the latest last."""
    made, said = tables.predictions.columns, tables.feedback.columns
    same = and_(*(made[name] == said[name] for name in ("desk", "source", "external_id", "target")))
    return (
        select(
            made.source, made.external_id, made.model, made.target, made.version,
            made.label, said.label.label("said"),
        )
        .select_from(tables.predictions.join(tables.feedback, same))
        .where(made.desk == desk, made.decision == "auto")
        .order_by(said.given_at, said.given_by)
    )  # fmt: skip
