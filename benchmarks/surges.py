"""How soon surges of tickets are found, at so many false alerts a week for a whole desk."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from benchmarks.surge_desk import BIN_SECONDS, START, WEEK_BINS, Desks, R, draw
from benchmarks.surge_peers import ears_c2, farrington, seasonal_z, with_total
from models.surge import Surge

LEARNT_WEEKS, WEEKS = 8, 18
MERGE_BINS, GRACE_BINS = 12, 24  # candidates within an hour are one; two hours after its end
SIZES = (600, 3_000, 20_000)  # tickets a week
CLEAN, AGAIN, SICK = 2001, 2002, 2003  # seeds; the constants were chosen on others
N_CLEAN, N_SICK = 30, 10  # desks: 300 weeks without surges, 100 with four a week
PER_WEEK = 1.0
STREAMS, TICKS = 1_000, 200  # for the time of a tick
Scores = Callable[[Desks], np.ndarray]


class Found(NamedTuple):
    """Of each surge: whether it was found, and after how many bins; its length where it was not."""

    hit: np.ndarray
    delay: np.ndarray


# -- the detector, as the highest score of a desk's streams in every bin (n_bins, n_desks) -------


def ours(desks: Desks) -> np.ndarray:
    """The detector itself, bin by bin."""
    streams = with_total(desks.counts)
    n_bins, n_desks, n_streams = streams.shape
    detector = Surge(n_desks * n_streams, days_off=desks.days_off, desks=n_desks)
    highest = np.zeros((n_bins, n_desks), np.float32)
    for row, at in enumerate(desks.times):
        values = streams[row].reshape(-1).astype(float)
        scores = detector.score(at, values).reshape(n_desks, n_streams)
        highest[row] = np.nan_to_num(scores).max(axis=1)
        detector.learn(at, values)
    return highest


# -- figures ------------------------------------------------------------------------------------


def openings(scores: np.ndarray, threshold: float) -> np.ndarray:
    """Bins in which a candidate opens: as high as that, and not so for an hour before."""
    high = np.flatnonzero(scores >= threshold)
    return high[np.diff(high, prepend=-MERGE_BINS - 1) > MERGE_BINS]


def rate(scores: np.ndarray, threshold: float) -> float:
    """Candidates a week of a desk in the weeks that count."""
    live = scores[LEARNT_WEEKS * WEEK_BINS :]
    weeks = live.size / WEEK_BINS
    return sum(len(openings(column, threshold)) for column in live.T) / weeks


def threshold_for(clean: np.ndarray, per_week: float) -> float:
    """The score that clean desks reach so often, by halving."""
    low, high = 0.0, float(clean.max())
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if rate(clean, middle) > per_week else (low, middle)
    return high


def found(desks: Desks, scores: np.ndarray, threshold: float) -> Found:
    """Each surge, with the first time within it that the score is that high."""
    hit, delay = [], []
    for one in desks.surges:
        within = scores[one.onset : one.end + GRACE_BINS, one.desk] >= threshold
        hit.append(within.any())
        delay.append(min(int(within.argmax()) + 1 if within.any() else 10**9, len(one.rate)))
    return Found(np.array(hit), np.array(delay))


def clock(desks: Desks, per_week: float) -> np.ndarray:
    """When the information in each surge reaches what so few false alerts need, in bins; inf never.

    That is ln(streams x bins a week / B): what one who knew every rate would have to wait for.
    """
    needed = np.log((1 + desks.counts.shape[2]) * WEEK_BINS / per_week)
    reached = []
    for one in desks.surges:
        usual = desks.rates[one.onset : one.end, one.desk][:, one.categories].astype(float)
        now = usual + one.rate[:, one.categories]
        odds = (R + usual) / (R + now)  # of counts that are negative binomial
        gained = (now * np.log(now / usual * odds) + R * np.log(odds)).sum(axis=1).cumsum()
        over = gained >= needed
        reached.append(over.argmax() + 1 if over.any() else np.inf)
    return np.array(reached)


class Figures(NamedTuple):
    """POD of the surges that the clock reaches, of all, and the mean of its times over ours."""

    reachable: float
    all: float
    eff: float
    by_size: tuple[float, ...]


def figures(desks: Desks, one: Found, clocks: np.ndarray) -> Figures:
    can = np.isfinite(clocks)
    sizes = np.array([surge.size for surge in desks.surges])
    return Figures(
        float(one.hit[can].mean()),
        float(one.hit.mean()),
        float(clocks[can].mean() / one.delay[can].mean()),
        tuple(float(one.hit[sizes == size].mean()) for size in np.unique(sizes)),
    )


# -- the table ----------------------------------------------------------------------------------


class Row(NamedTuple):
    """One method on desks of one size; `p` is McNemar's, of ours against it."""

    tickets: int
    name: str
    figures: Figures
    minutes: float
    realised: float
    p: float


def scanned(desks: Desks) -> np.ndarray:
    """What the same windows find for one who knows every rate."""
    counts, rates = with_total(desks.counts), with_total(desks.rates)
    highest = np.zeros(counts.shape[:2], np.float32)
    for bins in Surge(1).windows.tolist():
        n, m = summed(counts, bins), np.maximum(summed(rates, bins), 1e-6)
        evidence = n * np.log(np.maximum(n, 1e-9) / m) - (n - m)
        highest = np.maximum(highest, np.where(n > m, evidence, 0).max(axis=2))
    return highest


def summed(values: np.ndarray, bins: int) -> np.ndarray:
    sums = np.cumsum(values, axis=0, dtype=np.float64)
    sums[bins:] = sums[bins:] - sums[:-bins].copy()
    return sums


METHODS: dict[str, Scores] = {
    "Forewarn": ours,
    "Farrington flexible, 60 min": farrington,
    "seasonal z, 60 min": seasonal_z,
    "EARS C2, 60 min": ears_c2,
    "the same windows, rates known": scanned,
}


def rows(tickets: int) -> Iterator[Row]:
    """Every method at the threshold that clean desks reach once a week."""
    clean, again = (
        draw(seed, N_CLEAN, WEEKS, tickets, quiet_weeks=WEEKS) for seed in (CLEAN, AGAIN)
    )
    sick = draw(SICK, N_SICK, WEEKS, tickets, quiet_weeks=LEARNT_WEEKS)
    clocks, our_hits = clock(sick, PER_WEEK), np.zeros(0, bool)
    for name, method in METHODS.items():
        threshold = threshold_for(method(clean), PER_WEEK)
        one = found(sick, method(sick), threshold)
        our_hits = one.hit if method is ours else our_hits
        won = int((our_hits & ~one.hit).sum())
        lost = int((one.hit & ~our_hits).sum())
        p = binomtest(won, won + lost).pvalue if won + lost else 1.0
        minutes = float(np.median(one.delay[one.hit])) * BIN_SECONDS / 60
        told = figures(sick, one, clocks)
        yield Row(tickets, name, told, minutes, rate(method(again), threshold), float(p))


def table_rows() -> Iterator[list[str]]:
    for tickets in SIZES:
        for row in rows(tickets):
            sys.stderr.write(f"  {row}\n")
            yield cells(row)


def cells(row: Row) -> list[str]:
    reach, all_of, eff, by_size = row.figures
    return [
        f"{row.tickets:,}", row.name, f"{reach:.3f}", f"{all_of:.3f}",
        " / ".join(f"{one:.2f}" for one in by_size), f"{eff:.2f}", f"{row.minutes:.0f}",
        f"{row.realised:.2f}", "" if row.name == "Forewarn" else f"{row.p:.1g}",
    ]  # fmt: skip


COLUMNS = (
    "tickets a week", "method", "POD, reachable", "POD, all", "POD by size 3/6/12/25", "eff",
    "median minutes", "false a week", "p against ours",
)  # fmt: skip


def tick() -> float:
    """Milliseconds that a step takes for many streams, scored and learnt."""
    detector, rng = Surge(STREAMS, warmup_days=0.1), np.random.default_rng(0)
    counts = rng.poisson(1.0, (100 + TICKS, STREAMS)).astype(float)
    took = 0.0
    for row, values in enumerate(counts):
        at = START + row * np.timedelta64(BIN_SECONDS, "s")
        began = time.perf_counter()
        detector.score(at, values)
        detector.learn(at, values)
        took += (time.perf_counter() - began) * (row >= 100)
    return 1000 * took / TICKS
