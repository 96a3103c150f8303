"""How often scores reach a level: peaks on record, and what is known before there are any."""

from typing import NamedTuple

import numpy as np

ENOUGH = 5.0  # peaks from which counting is sure enough; beyond them the tail is exponential
SURE = 5.0  # peaks that the prior's mean excess weighs as much as
HALF_LIFE_WEEKS = 2.0  # of a peak on record
N_WEEKS = 13  # that the record reaches back
A_WEEK_MORE = 1.5  # times its share that one week may count for, and a peak: one that is bad
HIGHEST = 100.0  # scores are logarithms: none comes near


class Tail(NamedTuple):
    """An exponential tail: `rate` peaks a series-week reach `start`, a mean `excess` beyond it."""

    start: float
    rate: float
    excess: float


# Measured once, in the train parts of the AIOPS KPIs 2018, on scores of series older than two
# days: 0.09, 0.056, 0.034, 0.009 and 0.006 peaks a series-week, on no labelled anomaly, reach 3.5,
# 3.75, 4, 4.5 and 5. In the calm weeks of twelve simulated desks 0.23, 0.044, 0.016, 0.005, 0.004.
# Of topics on simulated desks without any, as `benchmarks/topics.py` draws them: 7.3, 2.8, 1.0 and
# 0.5 peaks a week reach 8, 10, 12 and 14.
PRIORS = {"rare": Tail(3.5, 0.1, 0.4), "topics": Tail(8.0, 7.3, 2.1)}
NOTHING_KNOWN = Tail(0.0, 0.0, 0.3)


class Record(NamedTuple):
    """Peaks (n_peaks,), how many weeks ago each was, and the series-weeks seen (N_WEEKS,)."""

    peaks: np.ndarray
    weeks_ago: np.ndarray
    seen: np.ndarray


class Level(NamedTuple):
    """A score, and how far peaks that reach it go beyond in the mean."""

    value: float
    excess: float


UNKNOWN = Level(float("nan"), float("nan"))


def level_for(record: Record, n_series: int, per_week: float, prior: Tail | None) -> Level:
    """The score that `n_series` series together reach `per_week` times a week; NaN if unknown.

    Peaks are counted with weights that halve every two weeks, no week for more than half as much
    again as its share and one, so that a bad week does not make the desk deaf for long. The prior
    counts as one series-week. Where fewer than ENOUGH are allowed, the peaks beyond the level
    that ENOUGH reach are taken as exponential (peaks over threshold: scores are logarithms, so
    the tail in sigmas is Pareto), their mean drawn to the prior's.

    >>> peaks = np.random.default_rng(0).exponential(1, 400)  # ten series, a hundred a week
    >>> record = Record(peaks, np.arange(400) // 100, np.repeat([10.0, 0.0], [4, 9]))
    >>> found = level_for(record, 10, 1.0, None)
    >>> round(found.value, 1), round(found.excess, 1), round(float(np.log(100)), 1)
    (4.5, 0.8, 4.6)

    References
    ----------
    Davison, Smith (1990), Models for exceedances over high thresholds, sections 2 and 3.
    """
    weights = 0.5 ** ((np.arange(N_WEEKS) + 0.5) / HALF_LIFE_WEEKS)
    before = prior or NOTHING_KNOWN
    exposure = float(record.seen @ weights) + (prior is not None)
    if n_series == 0 or exposure == 0:
        return UNKNOWN
    n_weeks = max(exposure / n_series, 0.5)
    allowed = per_week * exposure / n_series
    counted = max(allowed, ENOUGH)
    most = 1 + A_WEEK_MORE * counted / n_weeks
    base = _reached(record, weights, most, before, counted)
    beyond = record.peaks >= base
    counts = np.bincount(record.weeks_ago[beyond], minlength=N_WEEKS)
    share = weights * np.minimum(1, most / np.maximum(counts, 1))
    weight = share[record.weeks_ago[beyond]]
    total = float((record.peaks[beyond] - base) @ weight) + SURE * before.excess
    excess = total / (float(weight.sum()) + SURE)
    return Level(base + excess * float(np.log(counted / allowed)), excess)


def _reached(
    record: Record, weights: np.ndarray, most: float, prior: Tail, expected: float
) -> float:
    """The lowest level that at most `expected` peaks reach, by halving; counts fall with it."""
    low, high = 0.0, HIGHEST
    for _ in range(40):
        level = (low + high) / 2
        beyond = record.weeks_ago[record.peaks >= level]
        counts = np.minimum(np.bincount(beyond, minlength=N_WEEKS), most)
        before = prior.rate * np.exp(min((prior.start - level) / prior.excess, 50.0))
        if float(counts @ weights) + before <= expected:
            high = level
        else:
            low = level
    return high
