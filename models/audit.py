"""What is wrong with labels, found before a model is built on them."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, diags_array

from models.blend import N_FOLDS, spread
from models.calibration import calibrate
from models.head import HELD_OUT, Features, Head
from models.neighbours import N_NEIGHBOURS, ROWS_AT_ONCE, nearest, remembered, shares_of
from models.promise import n_missing

Report = Callable[[float, float | None], None]

NEAR, NEARER, COMMON = 0.25, 0.1, 0.1
"""The neighbours' part of a judgement; how much more alike counts e times as much; and how much
each class's share of all counts beside theirs, so that what is new to them is not impossible."""

DOUBT = 0.25
"""Of the odds that blind guessing gives a label. Like the three above chosen on the training parts
of banking77 and Endava, a tenth of their labels flipped."""


class LabelError(NamedTuple):
    """A ticket whose label is likely wrong: its row, what it says, and what would fit.

    `probability` is what a model that has not seen the ticket gives the label that stands there.
    """

    row: int
    label: str
    fits: str
    probability: float


def label_errors(
    x: Features, labels: Sequence[str], *, seed: int = 0, report: Report | None = None
) -> list[LabelError]:
    """Labels that are likely wrong, the least believable first.

    Each ticket is judged by a model of the other folds and by the labels of the tickets most like
    it. Named is whose own label has less than a quarter of the odds that blind guessing gives.
    Of classes with fewer than five tickets nothing is said. It means little where the text does
    not tell the label: see `models.signal`.

    Own label, out of fold: Northcutt et al. 2021. Neighbours: with a tenth of the labels of public
    tickets flipped, what they add to a model finds more of these at less false alarm.

    >>> x = csr_array(np.repeat(np.eye(2, dtype=np.float32), 20, axis=0))
    >>> labels = ["net"] * 20 + ["print"] * 20
    >>> labels[3] = "print"
    >>> [(error.row, error.label, error.fits) for error in label_errors(x, labels)]
    [(3, 'print', 'net')]
    """
    given = np.array(labels, dtype=object)
    n = Counter(labels)
    rows = np.flatnonzero([n[label] >= N_FOLDS for label in labels])
    classes, truth = np.unique(given[rows].astype(str), return_inverse=True)
    if len(classes) < 2:
        return []
    probabilities = believed(x[rows], truth, seed=seed, report=report)
    own = probabilities[np.arange(len(rows)), truth]
    wrong = np.flatnonzero(own * (len(classes) - 1) < DOUBT * (1 - own))
    best = probabilities.argmax(axis=1)
    return [
        LabelError(int(rows[at]), str(given[rows[at]]), str(classes[best[at]]), float(own[at]))
        for at in wrong[np.argsort(own[wrong], kind="stable")]
    ]


def believed(
    x: Features, truth: np.ndarray, *, seed: int = 0, report: Report | None = None
) -> np.ndarray:
    """Probabilities (n_tickets, n_classes) by the other folds' model and by the neighbours."""
    model = cross_validated(x, truth, seed=seed, report=report)
    common = np.bincount(truth, minlength=model.shape[1]) / len(truth)
    near = (alike(x, truth, seed=seed) + COMMON * common) / (1 + COMMON)
    both: np.ndarray = model ** (1 - NEAR) * near**NEAR
    both /= both.sum(axis=1, keepdims=True)
    return both


def alike(x: Features, truth: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Share (n_tickets, n_classes) of each class among the 20 tickets most like each other one.

    By the cosine of `x`; the nearer, the weightier, as `models.neighbours` has it, and of more
    than 10,000 tickets a random part is looked through. 0 where nothing is like a ticket.

    >>> alike(csr_array(np.eye(2)[[0, 0, 1, 1]]), np.array([0, 0, 1, 0]))
    array([[1.0000000, 0.0000000],
           [1.0000000, 0.0000000],
           [1.0000000, 0.0000000],
           [0.0000000, 1.0000000]])
    """
    some = remembered(len(truth), seed)
    unit = _unit(x)
    others = unit[some].T.tocsc()
    shares = np.zeros((len(truth), int(truth.max()) + 1))
    for start in range(0, len(truth), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(truth)))
        similar = (unit[rows] @ others).toarray()
        similar[rows[:, None] == some] = 0  # a ticket is no witness for itself
        places, found = nearest(similar, N_NEIGHBOURS + 1)
        shares[rows] = shares_of(truth[some[places]], found, shares.shape[1], NEARER)
    return shares


def _unit(x: Features) -> csr_array:
    """Rows of length 1, or of none."""
    counted = csr_array(x)
    lengths = np.sqrt(np.asarray(counted.multiply(counted).sum(axis=1)).ravel())
    return csr_array(diags_array(1 / np.maximum(lengths, 1e-12)) @ counted)


def cross_validated(
    x: Features, truth: np.ndarray, *, seed: int = 0, report: Report | None = None
) -> np.ndarray:
    """Calibrated probabilities (n_tickets, n_classes), each ticket's by a model without it.

    `truth` are class numbers from 0 on; every class has at least as many tickets as there are
    folds, so that each fold's model knows all classes.
    """
    folds = spread(truth, seed)
    scores = np.zeros((len(truth), int(truth.max()) + 1))
    names = np.array([f"{code:09}" for code in range(scores.shape[1])], dtype=object)
    for fold in range(N_FOLDS):
        learnt, judged = folds != fold, folds == fold
        head = Head(seed=seed).fit(x[learnt], names[truth[learnt]].tolist())
        scores[judged] = head.scores(x[judged])
        if report:
            report(fold + 1, N_FOLDS)
    return calibrate(scores, truth).probabilities(scores)


def missing(
    counts: Mapping[str, int],
    precision: float = 0.95,
    confidence: float = 0.9,
    *,
    ordered: bool = False,
) -> dict[str, int]:
    """How many more tickets each class needs for a promise of its own; classes with enough: 0.

    A promise is found on held-out tickets: of those with times (`ordered`) on the latest fifth,
    else on all. Until a class has enough, it shares the promise of the others like it.

    >>> missing({"vpn": 400, "fax": 3}), missing({"vpn": 400, "fax": 3}, ordered=True)
    ({'vpn': 0, 'fax': 309}, {'vpn': 1160, 'fax': 1560})
    """
    share = HELD_OUT if ordered else 1.0
    held = np.array([int(n * share) for n in counts.values()], dtype=int)
    more = n_missing(held, precision, confidence)
    return {label: math.ceil(n / share) for label, n in zip(counts, more.tolist(), strict=True)}
