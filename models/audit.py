"""What is wrong with labels, found before a model is built on them."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.blend import N_FOLDS, spread
from models.calibration import calibrate
from models.head import HELD_OUT, Features, Head
from models.promise import n_missing

Report = Callable[[float, float | None], None]


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

    Each ticket is judged by a model of the other folds. How many labels are wrong is estimated
    by confident learning (Northcutt et al. 2021, cleanlab), and that many with the lowest
    probability of their own label are named. Of classes with fewer than five tickets nothing is
    said. It means little where the text does not tell the label: see `models.signal`.

    >>> x = np.repeat(np.eye(2, dtype=np.float32), 20, axis=0)
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
    probabilities = cross_validated(x[rows], truth, seed=seed, report=report)
    own = probabilities[np.arange(len(rows)), truth]
    wrong = _unbelievable(truth, probabilities)
    wrong = wrong[np.argsort(own[wrong], kind="stable")]
    best = probabilities.argmax(axis=1)
    return [
        LabelError(int(rows[at]), str(given[rows[at]]), str(classes[best[at]]), float(own[at]))
        for at in wrong
        if best[at] != truth[at]
    ]


def _unbelievable(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    from cleanlab.filter import find_label_issues  # 2 s to load, so only where it is needed

    wrong = find_label_issues(truth, probabilities, filter_by="low_self_confidence", n_jobs=1)
    return np.flatnonzero(wrong)


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
