"""The learner for vectors of meaning: short, dense, each of length 1."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax

from models.head import Features, Head, Scoring, evened
from models.segments import Segments

PENALTY = 5.0
"""Between what cross-validation likes: bank questions 10, issues of software projects 3."""

STRENGTH = 10.0
"""How long the weights are that a class's name stands for, in units of its vector."""

FEW = 50.0
"""Tickets a class, in the mean, from which a prior of names makes weights that are twice as free.

A prior that is not 0 costs no length of its own; of 1 ticket a class held-out questions to a bank
want a penalty of 100, of 20 one of 30, of 100 one of 10.
"""

ENOUGH = 20
"""Tickets a class, in the mean, from which tickets without a label teach nothing more."""

N_ROUNDS, SHARPER, SURE, WORTH = 2, 1.5, 0.5, 0.3
"""So often tickets without a label are labelled by what was learnt, its scores so much sharper;
those that it is so sure of teach, each as much as this part of a ticket."""

TOLERANCE = 1e-5
"""With a looser one, such as 2e-3, it stops early on vectors of length 1, and silently."""


class Logistic(Head):
    """Multinomial logistic regression: a head that is calibrated and saved as any other.

    On vectors of a sentence encoder it beats support vectors by a point of accuracy. What its
    weights are drawn to is 0, or with a `prior` the vectors of the classes' names: the maximum a
    posteriori under a normal prior with that mean. A class of one ticket is then told by its name,
    a class of hundreds by its tickets.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], dtype=np.float32)
    >>> head = Logistic().fit(x, ["printing", "printing", "network"])
    >>> head.classes[head.scores(x).argmax(axis=1)].tolist()
    ['printing', 'printing', 'network']
    """

    def __init__(self, *, penalty: float = PENALTY, seed: int = 0) -> None:
        super().__init__(penalty=penalty, seed=seed)
        self._prior: np.ndarray | None = None
        self._loose: np.ndarray | None = None

    def fit(
        self,
        x: Features,
        labels: Sequence[str],
        prior: np.ndarray | None = None,
        loose: np.ndarray | None = None,
    ) -> Self:
        """Learn from features (n_tickets, n_features), as many labels, and what names say.

        `prior` (n_classes, n_features) has the vector of each class's name, in the order of
        `classes`. `loose` (n_others, n_features) are tickets without a label: where labels are
        few, those that are told surely teach too (self-training: Yarowsky 1995).
        """
        self._prior, self._loose = prior, loose
        super().fit(x, labels)
        self._prior = self._loose = None
        return self

    def scores(self, x: Features) -> np.ndarray:
        """Logarithms of the probabilities that were learnt, which calibration mends from there."""
        logs: np.ndarray = log_softmax(super().scores(x), axis=1)
        return logs

    @classmethod
    def stacked(cls, heads: Sequence[Self], segments: Segments) -> Scoring:
        linear = super().stacked(heads, segments)
        return lambda x: segments.log_softmax(linear(x))

    def _solve(self, x: Features, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = np.array(list(evened(codes).values()))[codes]
        middle, penalty = np.zeros((len(self.classes), x.shape[1])), self.penalty
        if self._prior is not None:
            middle = STRENGTH * self._prior.astype(np.float64)
            penalty *= 1 + FEW * len(middle) / len(codes)
        # Of two classes others learn one row, their difference, whose square is twice as dear.
        dear = (2 if len(middle) == 2 else 1) / (penalty * weights.sum())
        coef, intercept = likeliest(x, codes, weights / weights.sum(), middle, dear)
        if self._loose is not None and len(codes) < ENOUGH * len(middle):
            for _ in range(N_ROUNDS):
                chances = softmax(SHARPER * (self._loose @ coef.T + intercept), axis=1)
                sure = chances.max(axis=1) > SURE
                every = np.concatenate([weights, WORTH * chances[sure].max(axis=1)])
                told = np.concatenate([codes, chances[sure].argmax(axis=1)])
                share, some = every / every.sum(), np.vstack([x, self._loose[sure]])
                dearer = dear * weights.sum() / every.sum()
                coef, intercept = likeliest(some, told, share, middle, dearer)
        if len(middle) == 2:
            return coef[[1]] - coef[[0]], intercept[[1]] - intercept[[0]]
        return coef, intercept


def likeliest(
    x: Features, codes: np.ndarray, weights: np.ndarray, middle: np.ndarray, dear: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (n_classes, n_features) and intercepts under which the `codes` are likeliest.

    `weights` (n_tickets,) sum to 1; each square of a coefficient's distance to `middle` costs
    `dear` / 2. The same minimum as scikit-learn's where the middle is 0.

    >>> x, middle = np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros((2, 2))
    >>> likeliest(x, np.array([0, 1]), np.full(2, 0.5), middle, 0.1)[0].round(2)
    array([[ 0.82, -0.82],
           [-0.82,  0.82]])
    """
    from scipy.optimize import minimize  # here: only training needs it

    n, k = len(codes), len(middle)
    rows = np.arange(n)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        coef, intercept = flat[:-k].reshape(k, -1), flat[-k:]
        given = (x @ coef.T.astype(x.dtype)).astype(np.float64) + intercept
        total = logsumexp(given, axis=1)
        away = np.exp(given - total[:, None])
        away[rows, codes] -= 1
        away *= weights[:, None]
        steps = (x.T @ away.astype(x.dtype)).T + dear * (coef - middle)
        cost = weights @ (total - given[rows, codes]) + dear / 2 * ((coef - middle) ** 2).sum()
        return float(cost), np.concatenate([steps.ravel(), away.sum(axis=0)])

    start = np.concatenate([middle.ravel(), np.zeros(k)])
    options = {"maxiter": 2000, "gtol": TOLERANCE, "ftol": 64 * np.finfo(float).eps}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    return found[:-k].reshape(k, -1), found[-k:]
