"""The learner that remembers: what the most similar tickets were labelled."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from features.dense import in_8_bits, widened
from features.plain import read_arrays, read_json, write_arrays, write_json
from models.head import ABOUT, Features, Head, Scoring
from models.segments import Segments

N_NEIGHBOURS = 20
WIDTH = 0.07
"""Of similarity: how much nearer a neighbour must be to count e times as much."""

LIMIT = 10_000
"""Tickets that are remembered; more would cost a model's reader tens of MB and milliseconds."""

NOTHING = 1e-3  # the share of a class that none of the neighbours has: unlikely, not impossible
ROWS_AT_ONCE = 500


class Neighbours(Head):
    """The labels of the 20 nearest tickets, the nearer the weightier.

    A class may lie in many places, such as the many ways to say that a card did not come, which
    no straight border shows. Each neighbour counts by how much nearer it is than the 21st, so
    that no hair's breadth decides who is among them (cf. Samworth 2012, on such weights).

    The vectors are kept in 8 bits a number, and of more than 10,000 tickets a random part: a
    model carries what these tickets meant, though not what they said.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], dtype=np.float32)
    >>> head = Neighbours().fit(x, ["printing", "printing", "network"])
    >>> head.classes[head.scores(x).argmax(axis=1)].tolist()
    ['printing', 'printing', 'network']
    """

    def __init__(self, *, penalty: float = WIDTH, seed: int = 0) -> None:
        super().__init__(penalty=penalty, seed=seed)
        self.codes = np.zeros(0, dtype=np.int32)
        self.kept = np.zeros((0, 0), dtype=np.int8)
        self.scale = 1.0
        self._vectors = np.zeros((0, 0), dtype=np.float32)

    def _remember(self, kept: np.ndarray, codes: np.ndarray, scale: float) -> None:
        self.kept, self.codes, self.scale = kept, codes, scale
        self._vectors = widened(kept, scale)

    def fit(self, x: Features, labels: Sequence[str]) -> Self:
        """Learn from dense features (n_tickets, n_features) and as many labels."""
        codes = self._codes(labels).astype(np.int32)
        some = remembered(len(codes), self.seed)
        kept, scale = in_8_bits(x[some])
        self._remember(kept, codes[some], scale)
        return self

    def scores(self, x: Features) -> np.ndarray:
        """Logarithms of each class's share (n_tickets, n_classes) among the neighbours."""
        return self._logs(*self._nearest(x))

    def _nearest(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places and cosines of the 20 nearest tickets and the next."""
        parts = [
            nearest(x[start : start + ROWS_AT_ONCE] @ self._vectors, N_NEIGHBOURS + 1)
            for start in range(0, max(len(x), 1), ROWS_AT_ONCE)
        ]
        return np.vstack([places for places, _ in parts]), np.vstack([found for _, found in parts])

    def _logs(self, places: np.ndarray, found: np.ndarray) -> np.ndarray:
        shares = shares_of(self.codes[places], found, len(self.classes), self.penalty)
        logs: np.ndarray = np.log(shares + NOTHING)
        return logs

    @classmethod
    def stacked(cls, heads: Sequence[Self], segments: Segments) -> Scoring:
        """The `scores` of several heads; those that remember the same tickets look once for all."""
        like = [next(one for one in heads if one.remembers_as(head)) for head in heads]
        for head, first in zip(heads, like, strict=True):
            head.kept, head._vectors = first.kept, first._vectors

        def scores(x: Features) -> np.ndarray:
            near = {id(first): first._nearest(x) for first in like}
            pairs = zip(heads, like, strict=True)
            return np.hstack([head._logs(*near[id(first)]) for head, first in pairs])

        return scores

    def remembers_as(self, other: Self) -> bool:
        """Whether both keep the vectors of the same tickets."""
        return self.scale == other.scale and np.array_equal(self.kept, other.kept)

    def save(self, folder: Path) -> None:
        """Write head.json and head.npz."""
        write_json(folder / "head.json", self._about() | {"scale": self.scale})
        write_arrays(folder / "head.npz", {"vectors": self.kept, "codes": self.codes})

    @classmethod
    def load(cls, folder: Path, n_features: int) -> Self:
        """What `save` wrote; ValueError names the file that is not what it should be."""
        path = folder / "head.json"
        kept = read_json(path, {**ABOUT, "scale": float})
        head = cls._read(path, kept)
        if not 0 < kept["scale"] < np.inf:
            raise ValueError(f"{path}: scale must be above 0, got {kept['scale']}")
        arrays = read_arrays(
            folder / "head.npz",
            {"vectors": ("int8", (None, n_features)), "codes": ("int32", (None,))},
        )
        vectors, codes = arrays["vectors"], arrays["codes"]
        if len(vectors) != len(codes) or not _all_below(codes, len(head.classes)):
            raise ValueError(f"{folder / 'head.npz'}: wanted one of the classes for each vector")
        head._remember(vectors, codes, kept["scale"])
        return head


def remembered(n: int, seed: int) -> np.ndarray:
    """Which of n tickets are remembered: all of them, or a random part in their order."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:LIMIT])


def nearest(similar: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Places and cosines (n_tickets, at most n) of the nearest tickets, in no order."""
    n = min(n, similar.shape[1])
    places = np.argpartition(-similar, n - 1, axis=1)[:, :n]
    return places, np.take_along_axis(similar, places, axis=1)


def shares_of(codes: np.ndarray, found: np.ndarray, n_classes: int, width: float) -> np.ndarray:
    """Share (n_tickets, n_classes) of each class among the neighbours of a ticket.

    `codes` and `found` (n_tickets, n_neighbours) are their classes and cosines. Each counts by how
    much nearer it is than the farthest, e times as much for `width` nearer; 0 where all are
    equally far.

    >>> shares_of(np.array([[0, 0, 1, 1]]), np.array([[0.9, 0.8, 0.8, 0.1]]), 2, 0.1).round(2)
    array([[0.79, 0.21]])
    """
    found = found.astype(np.float64)
    weights = np.exp((found - found.max(axis=1, keepdims=True)) / width)
    weights -= weights.min(axis=1, keepdims=True)
    shares = np.zeros((len(codes), n_classes))
    np.add.at(shares, (np.arange(len(codes))[:, None], codes), weights)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
    return shares


def _all_below(codes: np.ndarray, n: int) -> bool:
    return len(codes) > 0 and int(codes.min()) >= 0 and int(codes.max()) < n
