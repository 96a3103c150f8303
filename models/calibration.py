"""Scores made into probabilities that mean what they say."""

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Each row of (n_tickets, n_classes) as probabilities.

    >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return probabilities


def temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature T that makes softmax(logits / T) likeliest on tickets not learnt from.

    `logits` is (n_tickets, n_classes), `truth` the column that was right. A little of each truth
    is spread over all classes, as Platt (1999) does: a handful of tickets that all came out
    right does not make a model that is always sure. Guo et al. (2017), section 4.2.

    >>> logits = np.array([[2.0, 0.0]] * 100)
    >>> round(temperature(logits, np.array([0] * 88 + [1] * 12)), 1)  # 2 / log(88 / 12)
    1.0
    """
    if not len(logits):
        return 1.0  # nothing tells
    spread = 1 / (len(logits) + 2)
    right = logits[np.arange(len(logits)), truth]
    aim = (1 - spread) * right + spread * logits.mean(axis=1)
    low, high = np.log(1e-3), np.log(1e3)  # of 1 / T; the likelihood is concave in 1 / T
    for _ in range(50):
        middle = (low + high) / 2
        expected = (softmax(logits * np.exp(middle)) * logits).sum(axis=1)
        low, high = (middle, high) if expected.mean() < aim.mean() else (low, middle)
    return float(np.exp(-(low + high) / 2))
