"""Which tickets a fast tier settles, so that the encoder need not read them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from features.plain import read_json, write_json

LOSS = 0.002
"""Of all tickets, how many more may be wrong because they were not read."""

FILE = "cascade.json"


class Cascade(NamedTuple):
    """For each target the probability from which the fast tier's best guess is good enough.

    A threshold is infinite where it never is. A ticket is settled where it is so for
    every target, as the encoder reads it for all of them or for none.

    >>> cascade = Cascade({"group": 0.8, "urgency": 0.5})
    >>> cascade.settled({"group": np.array([0.9, 0.9]), "urgency": np.array([0.4, 0.6])})
    array([False,  True])
    """

    thresholds: Mapping[str, float]

    def settled(self, top: Mapping[str, np.ndarray]) -> np.ndarray:
        """Which tickets (n_tickets,), by the probability of each target's best guess."""
        enough = [top[target] >= least for target, least in self.thresholds.items()]
        settled: np.ndarray = np.all(enough, axis=0)
        return settled

    def joined(
        self, fast: Mapping[str, np.ndarray], full: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Of either tier's probabilities (n_tickets, n_classes) those that will be answered.

        Of some of the targets alone it takes a few more tickets for settled than there will be.
        """
        own = Cascade({target: self.thresholds[target] for target in fast})
        settled = own.settled({target: given.max(axis=1) for target, given in fast.items()})
        return {
            target: np.where(settled[:, None], given, full[target])
            for target, given in fast.items()
        }

    def save(self, folder: Path) -> None:
        """Write cascade.json, with null for a threshold that is infinite."""
        kept = {
            target: least if math.isfinite(least) else None
            for target, least in self.thresholds.items()
        }
        write_json(folder / FILE, {"thresholds": kept})

    @classmethod
    def load(cls, folder: Path, targets: tuple[str, ...]) -> Self:
        """What `save` wrote; ValueError names the file that is not what it should be."""
        path = folder / FILE
        kept = read_json(path, {"thresholds": dict})["thresholds"]
        if kept.keys() != set(targets):
            raise ValueError(f"{path}: thresholds of {list(kept)}, wanted {list(targets)}")
        return cls({target: _least(path, target, kept[target]) for target in targets})


def good_enough(
    fast: np.ndarray, full: np.ndarray, truth: np.ndarray, *, loss: float = LOSS
) -> float:
    """The least probability from which the fast tier costs at most `loss` of accuracy.

    `fast` and `full` (n_holdout, n_classes) are what either says of tickets that it had not
    seen, `truth` (n_holdout,) the column that was right. The surest tickets come first; one
    standard error is added to what they cost, and the first breach ends it, so that no lucky
    stretch further down counts. Infinite where even the surest may cost too much.

    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(0, 2, 5000)
    >>> sure = rng.uniform(0.5, 1, 5000)
    >>> right = rng.uniform(size=5000) < np.where(sure > 0.8, 1, sure)
    >>> guess = np.where(right, truth, 1 - truth)
    >>> fast = np.where(np.eye(2, dtype=bool)[guess], sure[:, None], 1 - sure[:, None])
    >>> round(good_enough(fast, np.eye(2)[truth], truth), 2)
    0.8
    """
    top = fast.max(axis=1, initial=0)
    lost = (full.argmax(axis=1) == truth).astype(int) - (fast.argmax(axis=1) == truth)
    order = np.argsort(-top, kind="stable")
    top, lost = top[order], lost[order]
    ends = np.append(np.flatnonzero(np.diff(top)), len(top) - 1) if len(top) else np.zeros(0, int)
    costs = (np.cumsum(lost) + np.sqrt(np.cumsum(lost**2)))[ends]
    too_much = costs > loss * len(truth)
    n = int(too_much.argmax()) if too_much.any() else len(ends)
    return float(top[ends[n - 1]]) if n else math.inf


def _least(path: Path, target: str, given: Any) -> float:
    if given is None:
        return math.inf
    if not (type(given) is float and 0 <= given <= 1):
        raise ValueError(f"{path}: the threshold of {target!r} must lie in [0, 1], got {given!r}")
    return given
