"""From "so many false alerts a week" to a threshold."""

from dataclasses import dataclass

import numpy as np

WEEK_SECONDS = 604_800
HOLD_SECONDS = 3600  # peaks nearer than this belong to one episode
TAIL_PEAKS = 40  # how many of the highest peaks the tail is fitted to
ENOUGH = 10.0  # expected alerts in the history from which counting them is sure enough


@dataclass(frozen=True)
class Threshold:
    """A score to alert at.

    `realised_per_week` is how often the history itself would have reached it, `n_weeks` how
    long that history was; `value` is NaN where nothing is known yet.
    """

    value: float
    realised_per_week: float
    n_weeks: float


def threshold_for(scores: np.ndarray, step_seconds: int, budget_per_week: float) -> Threshold:
    """The score that past `scores` (n_steps, n_series) reached `budget_per_week` times a week.

    The budget is for all series together. Each series' scores are declustered: a run of high
    scores, until an hour has passed without, counts once, with its peak. Where the history is
    too short to count rare peaks, the excesses of the highest ones over the next are taken as
    exponential (peaks over threshold: scores are logarithms, so the tail in sigmas is Pareto),
    one standard error on the safe side; the higher of count and tail is taken.

    >>> rng = np.random.default_rng(0)
    >>> found = threshold_for(rng.exponential(1, (2016 * 4, 5)), 300, budget_per_week=1)
    >>> 8 < found.value < 12, found.n_weeks
    (True, 4.0)

    References
    ----------
    Davison, Smith (1990), Models for exceedances over high thresholds, sections 2 and 3.
    """
    if budget_per_week <= 0:
        raise ValueError(f"the budget must be above 0 alerts a week, got {budget_per_week}")
    scored = int(np.sum(~np.isnan(scores).all(axis=1)))
    n_weeks = scored * step_seconds / WEEK_SECONDS
    peaks = episode_peaks(scores, max(HOLD_SECONDS // step_seconds, 1))
    if not peaks.size:
        return Threshold(float("nan"), float("nan"), n_weeks)
    value = max(_counted(peaks, budget_per_week * n_weeks), _tail(peaks, budget_per_week * n_weeks))
    return Threshold(value, float(np.sum(peaks >= value) / n_weeks), n_weeks)


def episode_peaks(scores: np.ndarray, hold: int) -> np.ndarray:
    """The peak of every episode, highest first: no higher score within `hold` steps around it.

    >>> episode_peaks(np.array([[1.0], [5.0], [4.0], [0.0], [0.0], [2.0]]), hold=2)
    array([5., 2.])
    """
    found = [_peaks_of(column, hold) for column in np.nan_to_num(scores, nan=0.0).T]
    peaks = np.concatenate(found) if found else np.zeros(0)
    return np.sort(peaks)[::-1]


def _peaks_of(column: np.ndarray, hold: int) -> np.ndarray:
    """Blocks of `hold` steps, each with its highest, less those that have a higher neighbour."""
    n_blocks = -(-len(column) // hold)
    padded = np.zeros(n_blocks * hold)
    padded[: len(column)] = column
    blocks = padded.reshape(n_blocks, hold)
    where = blocks.argmax(axis=1) + np.arange(n_blocks) * hold
    highest = blocks.max(axis=1)
    near = np.diff(where) <= hold
    beaten = np.zeros(n_blocks, bool)
    beaten[:-1] |= near & (highest[1:] >= highest[:-1])
    beaten[1:] |= near & (highest[:-1] > highest[1:])
    kept: np.ndarray = highest[~beaten & (highest > 0)]
    return kept


def _counted(peaks: np.ndarray, n_allowed: float) -> float:
    """Just above the first peak that would be one too many."""
    first_refused = int(np.floor(n_allowed))
    if first_refused >= len(peaks):
        return float(peaks[-1])
    return float(np.nextafter(peaks[first_refused], np.inf))


def _tail(peaks: np.ndarray, n_allowed: float) -> float:
    """Where an exponential tail through the highest peaks is reached `n_allowed` times."""
    k = min(TAIL_PEAKS, len(peaks) - 1)
    if n_allowed >= min(ENOUGH, k):
        return -np.inf
    excess = float(np.mean(peaks[:k] - peaks[k]))
    return float(peaks[k] + excess * (1 + 1 / np.sqrt(k)) * np.log(k / n_allowed))
