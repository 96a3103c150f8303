"""How high each series' evidence has peaked, and how rare a height is among those peaks."""

from typing import NamedTuple

import numpy as np

BIN, N_BINS = 1 / 6, 42  # of the record, from 1 (evidence of one sigma) to 8
TAIL_PEAKS = 3.0  # beyond the third highest peak the record is continued by a tail,
TAIL_MEAN, TAIL_PRIOR = 0.2, 40.0  # exponential in evidence, Pareto in sigmas
UNSEEN = 50.0  # points more than seen, so that nothing is impossible
KEPT = 6 / 7  # of a record that is full
LOG2_E = float(np.log2(np.e))


class Tail(NamedTuple):
    """Where each series' tail begins, how many peaks lie beyond, and their mean excess."""

    start: np.ndarray
    n: np.ndarray
    mean: np.ndarray


def reached(evidence: np.ndarray) -> np.ndarray:
    """Which bins of the record a peak of each series counts in, shape (N_BINS, n_series).

    >>> reached(np.array([0.9, 1.4])).sum(axis=0)
    array([0, 3])
    """
    bins = 1 + BIN * np.arange(N_BINS, dtype=np.float32)[:, None]
    counted: np.ndarray = evidence >= bins
    return counted


def tail(peaks: np.ndarray) -> np.ndarray:
    """The `Tail` of each record as one array, shape (3, n_series).

    `peaks` (N_BINS, n_series) says how many reached each bin. The mean is drawn to TAIL_MEAN.

    >>> tail(np.where(np.arange(N_BINS)[:, None] < 12, 5.0, 0.0)).round(2).T
    array([[3. , 0. , 0.2]], dtype=float32)
    """
    beyond = peaks <= TAIL_PEAKS
    beyond[-1] = True
    first = beyond.argmax(axis=0)
    n = np.take_along_axis(peaks, first[None], axis=0)[0]
    excess = BIN * np.where(beyond, peaks, 0).sum(axis=0)
    mean = (excess + TAIL_MEAN * TAIL_PRIOR) / (n + TAIL_PRIOR)
    return np.stack(Tail(1 + BIN * first, n, mean)).astype(np.float32)


def bits(evidence: np.ndarray, peaks: np.ndarray, n_points: np.ndarray, tails: Tail) -> np.ndarray:
    """Minus log2 of how often a point of each series peaked at `evidence` or above: (n_series,).

    `peaks` (N_BINS, n_series) of `n_points` (n_series,) is the record. Evidence of at most one
    sigma is nothing rare: 0.

    >>> peaks = np.where(np.arange(N_BINS)[:, None] < 12, 50.0, 0.0)
    >>> found = [bits(np.array([e]), peaks, np.array([2000.0]), Tail(*tail(peaks))) for e in (2, 4)]
    >>> np.concatenate(found).round(1)
    array([ 5.3, 18.2], dtype=float32)

    References
    ----------
    Vovk, Gammerman, Shafer (2005), Algorithmic Learning in a Random World, section 2.2: the
    rank among the past as a probability. Siffer, Fouque, Termier, Largouet (2017), Anomaly
    Detection in Streams with Extreme Value Theory, section 3: the tail beyond what was seen.
    """
    found = np.zeros(len(evidence), np.float32)
    some = np.flatnonzero(evidence > 1)
    height, n = evidence[some], n_points[some]
    start, n_beyond, mean = (part[some] for part in tails)
    place = np.clip((height - 1) / BIN, 0, N_BINS - 1.001)
    lower = place.astype(np.int32)
    least, of = 1 / (n + UNSEEN), 1 / np.maximum(n, 1)
    here = np.log2(peaks[lower, some] * of + least)
    next_up = np.log2(peaks[lower + 1, some] * of + least)
    within = here + (place - lower) * (next_up - here)
    excess = (height - start) / mean
    beyond = np.log2(n_beyond * of + least) - excess * LOG2_E
    found[some] = np.maximum(-np.where(excess > 0, beyond, within), 0)
    return found
