"""Numbers of several targets side by side in one row, each target's a segment of it."""

from collections.abc import Sequence
from typing import Self

import numpy as np


class Segments:
    """Where each target's classes stand in a row that has those of all targets.

    >>> two = Segments([2, 1])
    >>> two.log_softmax(np.log([[1.0, 3.0, 5.0]])).round(4)
    array([[-1.3863, -0.2877,  0.    ]])
    >>> [part.tolist() for part in two.split(np.array([[1, 2, 3]]))]
    [[[1, 2]], [[3]]]
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = np.array(sizes)
        ends = np.cumsum(self.sizes)
        self.starts = ends - self.sizes
        self.owner = np.repeat(np.arange(len(sizes)), sizes)
        self._bounds = list(zip(self.starts.tolist(), ends.tolist(), strict=True))

    def take(self, which: Sequence[int]) -> tuple[Self, np.ndarray]:
        """The segments of some targets alone, and their places in the whole row."""
        places = np.flatnonzero(np.isin(self.owner, which))
        return type(self)(self.sizes[list(which)].tolist()), places

    def spread(self, numbers: Sequence[float]) -> np.ndarray:
        """A number a target as one a class."""
        return np.array(numbers, dtype=float)[self.owner]

    def split(self, row: np.ndarray) -> list[np.ndarray]:
        """Each target's part of (n_tickets, n_classes of all)."""
        return [row[:, start:end] for start, end in self._bounds]

    def log_softmax(self, scores: np.ndarray) -> np.ndarray:
        """Logarithms of probabilities that sum to 1 in each segment of (n_tickets, n_classes)."""
        shifted = scores - np.maximum.reduceat(scores, self.starts, axis=1)[:, self.owner]
        sums = np.add.reduceat(np.exp(shifted), self.starts, axis=1)
        logs: np.ndarray = shifted - np.log(sums)[:, self.owner]
        return logs
