"""Whether texts say anything at all about a label, before a model is built on them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from models.compare import p_better

RIDGE = 1.0
"""Smoothing of the stand-in model, of texts scaled to length 1: the middle of .3, 1 and 3, which
told true labels from shuffled ones alike on the public ticket sets."""

N_FOLDS = 5
CHANCE = 0.01  # what a verdict of "signal" may owe to luck
LEAST_REMOVED = 0.05
"""Share of the commonest label's errors that must go: less helps nobody, however certain it is."""


class Signal(NamedTuple):
    """What a quick model learns of labels that it has not seen.

    Of `n` tickets judged by others the share `accuracy` is right, and `majority` would be by
    always naming the commonest label; `p_gain` is the chance of a lead as large where neither is
    better (exact McNemar test, one-sided). `skill` is the share of the squared error (Brier) that
    the text takes away, and `p` the chance of as much with the labels shuffled (permutation test).
    """

    n: int
    accuracy: float
    majority: float
    p_gain: float
    skill: float
    p: float

    @property
    def removed(self) -> float:
        """Share of the commonest label's errors that the text removes; below 0 it adds some."""
        return (self.accuracy - self.majority) / max(1 - self.majority, 1 / self.n)

    @property
    def found(self) -> bool:
        """Whether the text helps to tell the label: beyond chance, and enough to be of use."""
        lead = self.p_gain <= CHANCE and self.removed >= LEAST_REMOVED
        return bool(self.p <= CHANCE and lead)

    @property
    def trace(self) -> bool:
        """Text and label belong together, yet too weakly to beat the commonest label."""
        return self.p <= CHANCE and not self.found


def signal(
    x: csr_array,
    labels: np.ndarray,
    *,
    ordered: bool,
    n_permutations: int = 199,
    seed: int = 0,
) -> Signal:
    """Test features (n_tickets, n_features) for what they say about as many labels.

    Stands in for the model: ridge regression on the cosine of texts, whose answers are a fixed
    matrix times the labels, so that shuffling the labels a hundred times costs seconds. `ordered`:
    the tickets come in the order of time and are judged by those before them, else by those of
    other folds. Give some 2,000 tickets at most, each text once: copies would judge each other.

    >>> rng = np.random.default_rng(0)
    >>> kinds = rng.integers(0, 2, 200)
    >>> x = csr_array(np.eye(2)[kinds] + rng.random((200, 2)))
    >>> signal(x, np.array(["net", "print"])[kinds], ordered=False).found
    True
    >>> signal(x, np.array(["net", "print"])[rng.permutation(kinds)], ordered=False).found
    False
    """
    rng = np.random.default_rng(seed)
    truth = np.unique(labels.astype(str), return_inverse=True)[1]
    judged, answers = _answers(x, _folds(len(truth), ordered, rng))
    if not len(judged):
        raise ValueError(f"wanted at least {N_FOLDS} tickets to find a signal in, got {len(truth)}")
    given = _judge(answers, truth, judged)
    shuffled = [_judge(answers, rng.permutation(truth), judged) for _ in range(n_permutations)]
    luck = sum(one.skill >= given.skill for one in shuffled)
    right, common = given.right, truth[judged] == np.bincount(truth[judged]).argmax()
    return Signal(
        n=len(judged),
        accuracy=float(right.mean()),
        majority=float(common.mean()),
        p_gain=p_better(right, common),
        skill=given.skill,
        p=(1 + luck) / (1 + n_permutations),
    )


class _Judged(NamedTuple):
    right: np.ndarray
    skill: float


def _judge(answers: np.ndarray, truth: np.ndarray, judged: np.ndarray) -> _Judged:
    """How good the answers are where `truth` is what the tickets are labelled."""
    wanted = np.eye(int(truth.max()) + 1, dtype=np.float32)[truth]
    said, aim = answers @ wanted, wanted[judged]
    error, blind = ((aim - said) ** 2).sum(), ((aim - wanted.mean(axis=0)) ** 2).sum()
    skill = 1 - float(error / blind) if blind else 0.0
    return _Judged(said.argmax(axis=1) == truth[judged], skill)


def _answers(
    x: csr_array, folds: Iterator[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are judged, and the matrix that makes all labels into the judgement of each."""
    alike = _cosine(x)
    judged, answers = [], [np.zeros((0, len(alike)), dtype=np.float32)]
    for known, unknown in folds:
        centre = alike[np.ix_(known, known)].mean(axis=0)
        inner = alike[np.ix_(known, known)] - centre - centre[:, None] + centre.mean()
        outer = alike[np.ix_(unknown, known)]
        outer = outer - outer.mean(axis=1, keepdims=True) - centre + centre.mean()
        weights = np.linalg.solve(inner + RIDGE * np.eye(len(known)), outer.T).T
        rows = np.zeros((len(unknown), len(alike)), dtype=np.float32)
        rows[:, known] = weights - weights.mean(axis=1, keepdims=True) + 1 / len(known)
        judged.append(unknown)
        answers.append(rows)
    return np.concatenate(judged) if judged else np.zeros(0, int), np.concatenate(answers)


def _cosine(x: csr_array) -> np.ndarray:
    lengths = np.sqrt(np.asarray(x.multiply(x).sum(axis=1)).ravel())
    alike: np.ndarray = (x @ x.T).toarray() / np.maximum(np.outer(lengths, lengths), 1e-12)
    return alike


def _folds(
    n: int, ordered: bool, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to learn from and rows to judge: each part by the others, or by what came before it."""
    if n < N_FOLDS:
        return
    rows = np.arange(n) if ordered else rng.permutation(n)
    parts = np.array_split(rows, N_FOLDS)
    for at in range(1 if ordered else 0, N_FOLDS):
        others = parts[:at] if ordered else parts[:at] + parts[at + 1 :]
        yield np.concatenate(others), parts[at]
