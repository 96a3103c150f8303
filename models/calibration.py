"""Scores made into probabilities that mean what they say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np


class Calibration(NamedTuple):
    """Two numbers, found on tickets that were not learnt from.

    Each class's score becomes the probability sigmoid(score / temperature + offset) that it is
    the one, and the classes' probabilities are scaled to sum to 1. With an offset far below 0
    this is the softmax of score / temperature; one near 0 suits scores that were learnt one
    class against the others, since it knows a ticket that no class claims.

    >>> Calibration(temperature=0.5, offset=0.0).probabilities(np.array([[1.0, -1.0, -1.0]]))
    array([[0.7869861, 0.1065070, 0.1065070]])
    """

    temperature: float = 1.0
    offset: float = 0.0

    @classmethod
    def read(cls, path: Path, kept: Mapping[str, Any]) -> Self:
        """The calibration that `kept`, read from `path`, holds; ValueError where it is none."""
        if not 0 < kept["temperature"] < np.inf:
            raise ValueError(f"{path}: temperature must be above 0, got {kept['temperature']}")
        return cls(kept["temperature"], kept["offset"])

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Each row of (n_tickets, n_classes) as probabilities."""
        return _softmax(claims(scores / self.temperature + self.offset))


def claims(margins: np.ndarray) -> np.ndarray:
    """Logarithms of sigmoid(margins): what each class claims, before all are scaled to sum to 1."""
    claimed: np.ndarray = -np.logaddexp(0, -margins)
    return claimed


def calibrate(scores: np.ndarray, truth: np.ndarray) -> Calibration:
    """The numbers that make the truth of held-out tickets likeliest.

    `scores` is (n_tickets, n_classes), `truth` the column that was right. A little of each truth
    is spread over all classes, as Platt (1999) does: a handful of tickets that all came out
    right does not make a model that is always sure. Without a ticket nothing is known.

    >>> rng = np.random.default_rng(0)
    >>> scores = rng.normal(0, 3, (5000, 4))
    >>> chances = Calibration(temperature=2.0, offset=-1.0).probabilities(scores)
    >>> found = calibrate(scores, np.array([rng.choice(4, p=chance) for chance in chances]))
    >>> round(found.temperature, 1), round(found.offset, 1)
    (2.0, -1.0)
    """
    from scipy.optimize import minimize  # here: only training needs it

    if not len(scores):
        return Calibration()
    n, k = scores.shape
    spread = 1 / (n + 2)
    aim = np.full((n, k), spread / k)
    aim[np.arange(n), truth] += 1 - spread

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        margins = scores * np.exp(numbers[0]) + numbers[1]
        claimed = claims(margins)
        chances = _softmax(claimed)
        slope = (chances - aim) * (1 - np.exp(claimed))
        steps = np.array([(slope * (margins - numbers[1])).sum(), slope.sum()])
        return -(aim * np.log(np.maximum(chances, 1e-300))).sum() / n, steps / n

    best = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-7, 7), (-10, 10)])
    return Calibration(float(np.exp(-best.x[0])), float(best.x[1]))


def _softmax(scores: np.ndarray) -> np.ndarray:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return probabilities
