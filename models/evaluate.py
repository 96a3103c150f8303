"""How good probabilities were on tickets that were not learnt from. Pure figures.

Every function takes `classes` (n_classes,), `probabilities` (n_tickets, n_classes) and the true
`labels`. A ticket whose label is None or "" is left out; a label that is no class of the model
counts as a wrong answer.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

Labels = Sequence[str | None] | np.ndarray

N_BINS = 15  # as in Guo et al. (2017), so that figures can be compared


class ClassScore(NamedTuple):
    """One class: NaN is a precision where it was never predicted, a recall where it never was."""

    precision: float
    recall: float
    f1: float
    n: int


@dataclass(frozen=True)
class Evaluation:
    """Figures of one target. `majority_accuracy` is what always naming the commonest label gets.

    `accuracy_se` is the standard error of `accuracy`; `macro_f1` the mean F1 of the classes that
    occurred or were predicted; `ece` the expected calibration error over 15 equal bins of the
    best guess's probability.
    """

    n: int
    accuracy: float
    accuracy_se: float
    macro_f1: float
    ece: float
    majority_accuracy: float
    per_class: dict[str, ClassScore]


class Bin(NamedTuple):
    """Tickets whose best guess has a probability in [low, high), the last bin's end included.

    `probability` and `accuracy` are means over them, NaN where `n` is 0.
    """

    low: float
    high: float
    n: int
    probability: float
    accuracy: float


class Curve(NamedTuple):
    """Share of tickets decided, and of those the share right, at thresholds that fall."""

    threshold: np.ndarray
    coverage: np.ndarray
    precision: np.ndarray


class Confusion(NamedTuple):
    """`counts[i, j]`: tickets of class `names[i]` that were called `names[j]`."""

    names: tuple[str, ...]
    counts: np.ndarray


class Pair(NamedTuple):
    """So many tickets of the class `truth` were called `guess`."""

    truth: str
    guess: str
    n: int


def evaluate(classes: np.ndarray, probabilities: np.ndarray, labels: Labels) -> Evaluation:
    """All figures of one target.

    >>> classes, labels = np.array(["a", "b"], dtype=object), ["a", "a", "b", "b"]
    >>> found = evaluate(classes, np.array([[0.9, 0.1]] * 3 + [[0.2, 0.8]]), labels)
    >>> found.accuracy, round(found.accuracy_se, 3), round(found.macro_f1, 3), found.per_class["a"]
    (0.75, 0.217, 0.733, ClassScore(precision=0.66, recall=1.0, f1=0.8, n=2))
    """
    guess, top, truth = _judged(classes, probabilities, labels)
    right = guess == truth
    accuracy = float(right.mean())
    per_class = _per_class(confusion(classes, probabilities, labels))
    return Evaluation(
        n=len(truth),
        accuracy=accuracy,
        accuracy_se=float(np.sqrt(accuracy * (1 - accuracy) / len(truth))),
        macro_f1=float(np.mean([score.f1 for score in per_class.values()])),
        ece=_ece(_bins(top, right, N_BINS)),
        majority_accuracy=max(Counter(truth).values()) / len(truth),
        per_class=per_class,
    )


def reliability(
    classes: np.ndarray, probabilities: np.ndarray, labels: Labels, n_bins: int = N_BINS
) -> list[Bin]:
    """How often the best guess was right, by how probable it was said to be.

    >>> classes, sure = np.array(["a", "b"], dtype=object), np.array([[0.9, 0.1], [0.8, 0.2]])
    >>> reliability(classes, sure, ["a", "b"], n_bins=2)[1]
    Bin(low=0.5, high=1.0, n=2, probability=0.85, accuracy=0.5)
    """
    guess, top, truth = _judged(classes, probabilities, labels)
    return _bins(top, guess == truth, n_bins)


def coverage_precision(
    classes: np.ndarray, probabilities: np.ndarray, labels: Labels, n_points: int = 200
) -> Curve:
    """What each threshold on the best guess's probability would decide, and how well.

    >>> classes, sure = np.array(["a", "b"], dtype=object), np.array([[0.9, 0.1], [0.8, 0.2]])
    >>> curve = coverage_precision(classes, sure, ["a", "b"])
    >>> curve.threshold.tolist(), curve.coverage.tolist(), curve.precision.tolist()
    ([0.9, 0.8], [0.5, 1.0], [1.0, 0.5])
    """
    guess, top, truth = _judged(classes, probabilities, labels)
    order = np.argsort(-top, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(top[order])) + 1, len(top))
    if len(ends) > n_points:
        ends = ends[np.linspace(0, len(ends) - 1, n_points).round().astype(int)]
    n_right = np.cumsum((guess == truth)[order])
    return Curve(top[order][ends - 1], ends / len(top), n_right[ends - 1] / ends)


def confusion(classes: np.ndarray, probabilities: np.ndarray, labels: Labels) -> Confusion:
    """Truth against best guess, over the classes that occurred or were predicted, sorted.

    >>> sure = np.array([[0.9, 0.1], [0.8, 0.2]])
    >>> confusion(np.array(["a", "b"], dtype=object), sure, ["a", "c"])
    Confusion(names=('a', 'c'), counts=array([[1, 0], [1, 0]]))
    """
    guess, _, truth = _judged(classes, probabilities, labels)
    names = tuple(sorted(set(guess) | set(truth)))
    place = {name: at for at, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), dtype=int)
    pairs = [place[name] for name in truth], [place[name] for name in guess]
    np.add.at(counts, pairs, 1)
    return Confusion(names, counts)


def worst_pairs(confused: Confusion, n: int = 10) -> list[Pair]:
    """The pairs of classes mistaken most often, most first.

    >>> worst_pairs(Confusion(("a", "b"), np.array([[5, 2], [3, 9]])))
    [Pair(truth='b', guess='a', n=3), Pair(truth='a', guess='b', n=2)]
    """
    names, counts = confused
    wrong = [(i, j) for i, j in np.argwhere(counts) if i != j]
    wrong.sort(key=lambda pair: -counts[pair])
    return [Pair(names[i], names[j], int(counts[i, j])) for i, j in wrong[:n]]


def _judged(
    classes: np.ndarray, probabilities: np.ndarray, labels: Labels
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best guess, its probability and the truth of each ticket that has a label."""
    if probabilities.shape != (len(labels), len(classes)):
        raise ValueError(
            f"wanted probabilities of shape {(len(labels), len(classes))} for {len(labels)}"
            f" labels and {len(classes)} classes, got {probabilities.shape}"
        )
    rows = [row for row, label in enumerate(labels) if label]
    if not rows:
        raise ValueError(f"none of the {len(labels)} tickets has a label to evaluate against")
    known = probabilities[rows]
    truth = np.array([labels[row] for row in rows], dtype=object)
    return classes[known.argmax(axis=1)], known.max(axis=1), truth


def _per_class(confused: Confusion) -> dict[str, ClassScore]:
    names, counts = confused
    hits, called, n = counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1)
    return {
        name: ClassScore(
            precision=_share(hits[at], called[at]),
            recall=_share(hits[at], n[at]),
            f1=_share(2 * hits[at], called[at] + n[at]),
            n=int(n[at]),
        )
        for at, name in enumerate(names)
    }


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")


def _bins(top: np.ndarray, right: np.ndarray, n_bins: int) -> list[Bin]:
    edges = np.linspace(0, 1, n_bins + 1)
    place = np.minimum((top * n_bins).astype(int), n_bins - 1)
    n = np.bincount(place, minlength=n_bins)
    sums = [np.bincount(place, weights=each, minlength=n_bins) for each in (top, right)]
    return [
        Bin(
            float(low),
            float(high),
            int(n[at]),
            _share(sums[0][at], n[at]),
            _share(sums[1][at], n[at]),
        )
        for at, (low, high) in enumerate(pairwise(edges))
    ]


def _ece(bins: list[Bin]) -> float:
    n = sum(each.n for each in bins)
    return sum(each.n * abs(each.accuracy - each.probability) for each in bins if each.n) / n
