"""The learner for vectors of meaning: short, dense, each of length 1."""

import numpy as np
from scipy.special import log_softmax

from models.head import Features, Head, evened

PENALTY = 5.0
"""Between what cross-validation likes: bank questions 10, issues of software projects 3."""

TOLERANCE = 1e-5
"""With a looser one, such as 2e-3, it stops early on vectors of length 1, and silently."""


class Logistic(Head):
    """Multinomial logistic regression: a head that is calibrated and saved as any other.

    On vectors of a sentence encoder it beats support vectors by a point of accuracy.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], dtype=np.float32)
    >>> head = Logistic().fit(x, ["printing", "printing", "network"])
    >>> head.classes[head.scores(x).argmax(axis=1)].tolist()
    ['printing', 'printing', 'network']
    """

    def __init__(self, *, penalty: float = PENALTY, seed: int = 0) -> None:
        super().__init__(penalty=penalty, seed=seed)

    def scores(self, x: Features) -> np.ndarray:
        """Logarithms of the probabilities that were learnt, which calibration mends from there."""
        logs: np.ndarray = log_softmax(super().scores(x), axis=1)
        return logs

    def _solve(self, x: Features, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.linear_model import LogisticRegression  # here: serving needs none

        solver = LogisticRegression(
            C=self.penalty, class_weight=evened(codes), tol=TOLERANCE, max_iter=2000
        )
        solver.fit(x, codes)
        return solver.coef_, solver.intercept_
