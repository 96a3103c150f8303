"""How soon surges of tickets are found, at so many false alerts a week for a whole desk."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.surge_desk import WEEK_BINS, Desks, R
from models.surge import Surge

LEARNT_WEEKS = 8
MERGE_BINS, GRACE_BINS = 12, 24  # candidates within an hour are one; two hours after its end
Scores = Callable[[Desks], np.ndarray]


class Found(NamedTuple):
    """Of each surge: whether it was found, and after how many bins; its length where it was not."""

    hit: np.ndarray
    delay: np.ndarray


# -- detectors, each the highest score of a desk's streams in every bin (n_bins, n_desks) -------


def with_total(counts: np.ndarray) -> np.ndarray:
    """The total as one stream more, the first: (n_bins, n_desks, 1 + n_categories)."""
    return np.concatenate([counts.sum(axis=2, keepdims=True), counts], axis=2)


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
