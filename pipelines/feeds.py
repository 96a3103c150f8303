"""What the detectors see: stored points, and tickets counted, on a regular grid."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from features.counters import per_second
from features.grid import binned, counts
from features.windows import TARGET as TARGET
from features.windows import TOTAL as TOTAL
from pipelines.workspace import Workspace

Kind = Literal["metrics", "tickets", "silence"]
METRICS: Kind = "metrics"
TICKETS: Kind = "tickets"
SILENCE: Kind = "silence"  # of metrics: that no points come
TOPICS = "topics"  # what the watch on new topics is called in the store
JUDGED: tuple[Kind, ...] = (METRICS, TICKETS)  # by how far they are from what is expected
KINDS: tuple[Kind, ...] = (*JUDGED, SILENCE)
DETECTOR_OF: dict[Kind, str] = {METRICS: "rare", TICKETS: "surge", SILENCE: "silence"}
GAP = timedelta(minutes=10)  # two readings of a counter further apart tell no rate
SPAN = timedelta(hours=12)  # about what is read at once, and what a kill costs at most


@dataclass(frozen=True)
class Steps:
    """Some steps of the grid: `times` (n_steps,), `values` (n_steps, n_keys), NaN = no point.

    `absent` is the value of a key that nothing came for: no points (NaN), or no tickets (0).
    """

    times: np.ndarray
    keys: list[str]
    values: np.ndarray
    absent: float

    def of(self, keys: Sequence[str]) -> np.ndarray:
        """The values with one column for each of `keys`, in their order.

        >>> steps = Steps(np.zeros(1, "M8[s]"), ["a", "b"], np.array([[1.0, 2.0]]), absent=0.0)
        >>> steps.of(["b", "new"])
        array([[2., 0.]])
        """
        columns = {key: column for column, key in enumerate(self.keys)}
        wanted = np.array([columns.get(key, -1) for key in keys], dtype=int)
        padded = np.column_stack([self.values, np.full(len(self.times), self.absent)])
        return padded[:, wanted]

    def beginnings(self, known: Sequence[str]) -> list[tuple[int, str]]:
        """The keys that are not known yet, each after the row in which it first shows up.

        >>> values = np.array([[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
        >>> Steps(np.zeros(2, "M8[s]"), ["a", "b", "c"], values, absent=0.0).beginnings(["a"])
        [(1, 'b')]
        """
        told = np.isfinite(self.values) & (self.values != self.absent)
        first = told.argmax(axis=0).tolist()
        new = set(np.array(self.keys, dtype=object)[told.any(axis=0)]) - set(known)
        return sorted((row, key) for row, key in zip(first, self.keys, strict=True) if key in new)


def span_of(step_seconds: int) -> timedelta:
    """How much is read at once: whole steps, half a day of them or a little less.

    >>> span_of(300), span_of(86_400)
    (datetime.timedelta(seconds=43200), datetime.timedelta(days=1))
    """
    step = timedelta(seconds=step_seconds)
    return max(SPAN // step, 1) * step


def n_spans(start: datetime, stop: datetime, step_seconds: int) -> int:
    """How many times `feed` reads."""
    return max(-((start - stop) // span_of(step_seconds)), 0)


def feed(place: Workspace, kind: Kind, start: datetime, stop: datetime) -> Iterator[Steps]:
    """The steps of [start, stop), in the order of time, at most half a day of them at once."""
    read = _counts if kind == TICKETS else metric_steps
    while start < stop:
        end = min(start + span_of(place.settings.step_seconds), stop)
        yield read(place, start, end)
        start = end


def metric_steps(
    place: Workspace, start: datetime, stop: datetime, wanted: Collection[str] | None = None
) -> Steps:
    """Means of the points, of all series or those `wanted`; of counters, the means of their rates.

    This is what the detectors saw, so that a chart of a series has to begin here as well.
    """
    settings, history = place.settings, place.history
    gap = max(GAP, 2 * timedelta(seconds=settings.step_seconds))
    # A rate needs the reading before, wherever a span happens to begin.
    first = start - gap if history.has_counters(settings.desk) else start
    keys, counters, series, at, values = history.columns(settings.desk, first, stop, wanted)
    count = counters[series]
    rates = per_second(series[count], at[count], values[count], gap.total_seconds())
    values[count] = rates
    begin, end = instant(start), instant(stop)
    steps, means = binned(series, at, values, len(keys), settings.step_seconds, begin, end)
    return Steps(steps, keys, means, absent=np.nan)


def _counts(place: Workspace, start: datetime, stop: datetime) -> Steps:
    settings = place.settings
    openings = place.store.openings(settings.desk, TARGET, start, stop)
    labels = [label for _, label in openings]
    keys = [TOTAL, *sorted({label for label in labels if label} - {TOTAL})]
    at = np.array([instant(opened_at) for opened_at, _ in openings], dtype="datetime64[ms]")
    begin, end = instant(start), instant(stop)
    steps, values = counts(at, labels, keys, begin, end, settings.step_seconds)
    return Steps(steps, keys, values, absent=0.0)


def instant(at: datetime) -> np.datetime64:
    """An aware datetime as numpy's UTC time.

    >>> from datetime import UTC
    >>> instant(datetime(2026, 3, 2, 9, 30, tzinfo=UTC))
    np.datetime64('2026-03-02T09:30:00.000')
    """
    return np.datetime64(round(at.timestamp() * 1000), "ms")


def floor(at: datetime, step_seconds: int) -> datetime:
    """The last step of the grid that began at or before `at`.

    >>> from datetime import UTC
    >>> floor(datetime(2026, 3, 2, 9, 33, tzinfo=UTC), 300).minute
    30
    """
    return at - timedelta(seconds=at.timestamp() % step_seconds)


def first_at(place: Workspace, kind: Kind) -> datetime | None:
    """When the first point, or the first ticket, came; None where there is none."""
    if kind != TICKETS:
        span = place.history.span(place.settings.desk)
        return span[0] if span else None
    first = next(place.store.tickets(place.settings.desk), None)
    return first.opened_at if first else None
