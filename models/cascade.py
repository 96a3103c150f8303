"""Which tickets a fast tier settles, so that the encoder need not read them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from features.plain import read_json, write_json

LOSS = 0.002
"""Of all tickets, how many more may be wrong because they were not read."""

LADDER = 2.0 ** np.arange(-4, 5.5, 0.5)
"""How much of that, by itself, each target's threshold in its turn would cost."""

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


class Held(NamedTuple):
    """One target's tickets that were held out, and how sure the fast tier is of every ticket.

    `rows` (n_holdout,) are their places among all tickets; `lost` (n_holdout,) is 1 where only
    the full tier was right, -1 where only the fast one was; `top` (n_tickets,) the probability
    of the fast tier's best guess.
    """

    rows: np.ndarray
    lost: np.ndarray
    top: np.ndarray


def cascade_of(held: Mapping[str, Held], *, loss: float = LOSS) -> Cascade:
    """The cascade that settles most tickets while no target loses more than `loss` of accuracy.

    Each target's threshold is where it would lose so much by itself. A ticket that one target
    is sure of is read for the sake of another, so that less is lost than that: the thresholds
    are lowered together, step by step, until one target has lost all that it may.
    """
    best = Cascade(dict.fromkeys(held, math.inf))
    for share in LADDER:
        lower = Cascade(
            {
                t: good_enough(one.top[one.rows], one.lost, loss=share * loss)
                for t, one in held.items()
            }
        )
        settled = lower.settled({target: one.top for target, one in held.items()})
        costs = [_cost(one.lost[settled[one.rows]]) > loss * len(one.rows) for one in held.values()]
        if any(costs):
            break
        best = lower
    return best


def good_enough(top: np.ndarray, lost: np.ndarray, *, loss: float = LOSS) -> float:
    """The least probability from which the fast tier costs at most `loss` of accuracy.

    `top` (n_holdout,) is the probability of its best guess and `lost` as in `Held`. The surest
    tickets come first; one standard error is added to what they cost, and the first breach ends
    it, so that no lucky stretch further down counts. Infinite where even the surest may cost
    too much.

    >>> rng = np.random.default_rng(0)
    >>> sure = rng.uniform(0.5, 1, 5000)
    >>> wrong = rng.uniform(size=5000) > np.where(sure > 0.8, 1, sure)
    >>> round(good_enough(sure, wrong.astype(int)), 2)
    0.8
    """
    order = np.argsort(-top, kind="stable")
    top, lost = top[order], lost[order]
    ends = np.append(np.flatnonzero(np.diff(top)), len(top) - 1) if len(top) else np.zeros(0, int)
    costs = (np.cumsum(lost) + np.sqrt(np.cumsum(lost**2)))[ends]
    too_much = costs > loss * len(top)
    n = int(too_much.argmax()) if too_much.any() else len(ends)
    return float(top[ends[n - 1]]) if n else math.inf


def _cost(lost: np.ndarray) -> float:
    return float(lost.sum() + np.sqrt((lost**2).sum()))


def _least(path: Path, target: str, given: Any) -> float:
    if given is None:
        return math.inf
    if not (type(given) is float and 0 <= given <= 1):
        raise ValueError(f"{path}: the threshold of {target!r} must lie in [0, 1], got {given!r}")
    return given
