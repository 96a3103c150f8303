"""What many series cost: points a second, the state, and how soon a restart goes on."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.settings import Settings
from data.store import Detection
from models.replay import stepped
from pipelines.feeds import METRICS
from pipelines.live import Live, new_live, packed, terms, unpacked

SIZES = (1, 100, 10_000, 100_000)
WARMED = 300  # steps before the stop-watch runs: from the second day a rhythm is followed
TIMED = {1: 400, 100: 400, 10_000: 40, 100_000: 6}
STEP = 300


class Cost(NamedTuple):
    """`restored` and `saved` are seconds, the packing alone, without the store's disk."""

    n_series: int
    points_a_second: float
    bytes_a_series: float
    saved: float
    restored: float


def cost(n_series: int, timed: int) -> Cost:
    """Points a second through score, watch, learn and budget, in one process."""
    settings = Settings(home=Path("nowhere"), step_seconds=STEP)
    live = new_live(METRICS, settings, datetime(2026, 1, 5, tzinfo=UTC))
    live.keys = [f"host{number}/cpu" for number in range(n_series)]
    live.watch.resize(n_series)
    live.budget.resize(n_series)
    warmed = WARMED if n_series < 100_000 else 30
    took = run(live, warmed, 0) and run(live, timed, warmed)
    began = time.perf_counter()
    state = packed(live, terms(METRICS, settings))
    saved = time.perf_counter() - began
    kept, rate = Detection(live.watermark, state), timed * n_series / took
    del live  # or two copies would stand side by side
    began = time.perf_counter()
    unpacked(METRICS, kept, settings)
    restored = time.perf_counter() - began
    return Cost(n_series, rate, len(state) / n_series, saved, restored)


def run(live: Live, n_steps: int, first: int) -> float:
    """Seconds that some steps of made-up points took."""
    rng, took = np.random.default_rng(first), 0.0
    for step in range(first, first + n_steps):
        at = np.datetime64("2026-01-05", "s") + step * np.timedelta64(STEP, "s")
        values = rng.normal(10, 1, len(live.keys))
        began = time.perf_counter()
        stepped(live.watch, live.budget, at, values)
        took += time.perf_counter() - began
    return took


def slope(found: list[Cost]) -> float:
    """Of points a second against series, both as logarithms: 0 where a series costs the same.

    >>> round(slope([Cost(1, 10.0, 0, 0, 0), Cost(100, 1000.0, 0, 0, 0)]), 2)
    1.0
    """
    series, rates = ([one[field] for one in found] for field in (0, 1))
    return float(np.polyfit(np.log(series), np.log(rates), 1)[0])


COLUMNS = (
    "series", "points a second", "state, bytes a series", "packed in s",
    "restored in s",
)  # fmt: skip


def measured() -> tuple[list[list[str]], str]:
    """A row a size, and the slopes in words."""
    found = [cost(n_series, TIMED[n_series]) for n_series in SIZES]
    slopes = f"{slope(found):.2f}, {slope(found[2:]):.2f} from 10,000 series on"
    return [cells(one) for one in found], slopes


def cells(one: Cost) -> list[str]:
    return [
        f"{one.n_series:,}", f"{one.points_a_second:,.0f}",
        f"{one.bytes_a_series:,.0f}", f"{one.saved:.2f}", f"{one.restored:.2f}",
    ]  # fmt: skip
