"""Whether a model is as sure of its tickets as it was: the population stability index."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data.records import ServingFirst, ServingWindow
from models.traffic import histogram, of_version, summary, targets, total, versions

FEWEST = 200
"""Tickets below which nothing is said: the index would reach .1 by chance alone."""

N_FIRST = 1000
"""The first tickets that a version scored are what its later ones are held against."""

SOME, MUCH = 0.1, 0.25


class Drift(NamedTuple):
    """How far one target's confidence has moved; `psi` is NaN where too few tickets tell."""

    desk: str
    version: str
    target: str
    psi: float


def psi(expected: np.ndarray, actual: np.ndarray) -> float:
    """Population stability index of two histograms over the same bins: 0 where they are alike.

    Both are counts, of shape (n_bins,). Half a ticket is added to each bin, so that an empty one
    is not infinitely far away. NaN where either holds fewer than 200 tickets. From .1 on
    something has moved, from .25 on much has (Siddiqi). By chance alone it is about
    (n_bins - 1) (1 / n + 1 / m) for n and m tickets (Yurdakul): .054 for 200 against 1,000.

    >>> usual = np.array([0, 0, 50, 150, 800])
    >>> round(psi(usual, np.array([0, 0, 10, 30, 160])), 3)
    0.006
    >>> round(psi(usual, np.array([0, 20, 80, 50, 50])), 2)
    1.94
    >>> psi(usual, np.array([0, 0, 5, 15, 80]))
    nan

    References
    ----------
    Siddiqi (2006), Credit Risk Scorecards, chapter 9.
    Yurdakul (2018), Statistical Properties of Population Stability Index.
    """
    if min(expected.sum(), actual.sum()) < FEWEST:
        return math.nan
    e, a = ((one + 0.5) / (one + 0.5).sum() for one in (expected, actual))
    return float(((a - e) * np.log(a / e)).sum())


def said(index: float) -> str:
    """An index in words.

    >>> said(0.04), said(0.1), said(0.3), said(math.nan)
    ('0.04 steady', '0.10 moved', '0.30 much moved', 'not known yet')
    """
    if math.isnan(index):
        return "not known yet"
    word = "steady" if index < SOME else "moved" if index < MUCH else "much moved"
    return f"{index:.2f} {word}"


def first_of(windows: Iterable[ServingWindow], desk: str, version: str) -> ServingFirst | None:
    """What a version said of its first 1,000 tickets; None before there are so many.

    `windows` are all that are known, in order.
    """
    counts = total([])
    for one in windows:
        counts.update(of_version(one.figures, desk, version))
        if summary(counts).tickets >= N_FIRST:
            return ServingFirst(one.at, dict(counts))
    return None


def drifts(
    windows: Sequence[ServingWindow], firsts: Mapping[tuple[str, str], ServingFirst]
) -> list[Drift]:
    """Each target of each version that scored in `windows`, against its first tickets.

    `firsts` have the desk and the version as their key. A version without them, or with hardly
    a ticket since, has a drift that is unknown.
    """
    found = []
    for desk, version in versions(total(one.figures for one in windows)):
        first = firsts.get((desk, version))
        here = [(one.at, of_version(one.figures, desk, version)) for one in windows]
        now = total(counts for at, counts in here if first is None or at > first.until)
        before = {} if first is None else first.figures
        for target in targets(total(counts for _, counts in here)):
            index = psi(histogram(before, target), histogram(now, target))
            found.append(Drift(desk, version, target, index))
    return found
