"""Metric samples on their way into the history, those that come at the same time together."""

import asyncio
from collections import defaultdict
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

import anyio.to_thread
import numpy as np

from api.metrics_text import Figures
from api.opened import OpenStore
from api.problems import RETRY_SECONDS, Problem
from data.history import History
from data.points import Points

MAX_WAITING = 500_000  # samples that may wait for the database: some 100 MB
METRICS = "metrics"  # what the detection of metrics is called in the store


@dataclass
class Batch:
    """Samples of several requests that are written in one transaction."""

    points: list[Points] = field(default_factory=list)
    counters: set[str] = field(default_factory=set)
    written: asyncio.Task[None] | None = None


class Samples:
    """Writes samples off the event loop, one batch of each desk at a time.

    Prometheus sends a scrape in several requests at once. While a batch is being written, all
    that comes for the same desk gathers in the next one: the slower the database, the fewer
    transactions it is asked for.
    """

    def __init__(self, store: OpenStore, folder: Path, figures: Figures) -> None:
        self._store = store
        self._folder = folder
        self._figures = figures
        self._history: History | None = None
        self._next: dict[str, Batch] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._n_waiting = 0

    async def write(self, desk: str, points: Points, counters: AbstractSet[str]) -> None:
        """Return once the points are stored. Problem 503 where too many wait already."""
        if self._n_waiting + len(points) > MAX_WAITING:
            detail = f"{self._n_waiting:,} samples wait for the database; send these again soon"
            raise Problem(503, detail, headers={"Retry-After": RETRY_SECONDS})
        self._n_waiting += len(points)
        try:
            # Others share the batch: who hangs up must not take it away from them.
            await asyncio.shield(self._joined(desk, points, counters))
        finally:
            self._n_waiting -= len(points)

    def _joined(self, desk: str, points: Points, counters: AbstractSet[str]) -> asyncio.Task[None]:
        """The writing of the batch that these points now belong to."""
        batch = self._next.setdefault(desk, Batch())
        batch.points.append(points)
        batch.counters |= counters
        if batch.written is None:
            batch.written = asyncio.create_task(self._in_turn(desk, batch))
        return batch.written

    async def _in_turn(self, desk: str, batch: Batch) -> None:
        async with self._turns[desk]:
            del self._next[desk]  # from here on nobody joins
            await anyio.to_thread.run_sync(self._append, desk, batch)

    def _append(self, desk: str, batch: Batch) -> None:
        store = self._store()
        if self._history is None:
            self._history = History(store.engine, self._folder)
        watermark = dict(store.detections(desk)).get(METRICS)
        columns = (
            [getattr(one, name) for one in batch.points] for name in ("series", "at", "values")
        )
        points = Points(*map(np.concatenate, columns))
        done = self._history.append(desk, points, watermark=watermark, counters=batch.counters)
        self._figures.count_stored(desk, done.new + done.changed, done.late, done.same)
