"""Above which probability a desk may let a label stand unseen, and how sure that is."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from scipy.special import betaincinv

from features.plain import read_json, write_json


@dataclass(frozen=True)
class Promise:
    """What was asked for one target, the thresholds found, and the held-out tickets behind it.

    A label of probability `auto` or more may stand alone: among such tickets at least the share
    `precision` is right, with probability `confidence` over the draw of the held-out tickets.
    `auto` is infinite where no threshold can promise that. Between `suggest` and `auto` a
    person is asked, below `suggest` nothing is said. Of `n_holdout` tickets `n_auto` lay at or
    above `auto` and `n_right` of these were right, which bounds their precision at `bound`
    from below (NaN where there were none).
    """

    precision: float
    confidence: float
    auto: float
    suggest: float
    n_holdout: int
    n_auto: int
    n_right: int
    bound: float

    @property
    def coverage(self) -> float:
        """Share of the held-out tickets that `auto` would have decided."""
        return self.n_auto / self.n_holdout if self.n_holdout else 0.0

    def save(self, folder: Path) -> None:
        """Write promise.json, with null for what is infinite or unknown."""
        kept = {key: _plain(value) for key, value in asdict(self).items()}
        write_json(folder / "promise.json", kept)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; ValueError names the file that is not what it should be."""
        path = folder / "promise.json"
        kept = read_json(path, WANTED)
        kept["auto"] = math.inf if kept["auto"] is None else kept["auto"]
        kept["bound"] = math.nan if kept["bound"] is None else kept["bound"]
        promise = cls(**kept)
        if not 0 <= promise.n_right <= promise.n_auto <= promise.n_holdout:
            raise ValueError(f"{path}: wanted 0 <= n_right <= n_auto <= n_holdout")
        if not 0 <= promise.suggest <= promise.auto:
            raise ValueError(f"{path}: wanted 0 <= suggest <= auto")
        return promise


WANTED: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("precision", "confidence", "suggest"), float),
    **dict.fromkeys(("auto", "bound"), (float, type(None))),
    **dict.fromkeys(("n_holdout", "n_auto", "n_right"), int),
}


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def lower_bound(n_right: int, n: int, confidence: float) -> float:
    """Clopper-Pearson: the share right is at least this, with that confidence.

    >>> round(lower_bound(45, 45, 0.9), 3), round(lower_bound(44, 44, 0.9), 3)
    (0.950, 0.949)
    >>> lower_bound(0, 3, 0.9)
    0.0
    """
    if n_right == 0:
        return 0.0
    return float(betaincinv(n_right, n - n_right + 1, 1 - confidence))


def fewest(precision: float, confidence: float) -> int:
    """Held-out tickets, all of them right, that promise `precision`.

    >>> fewest(0.95, 0.9), fewest(0.9, 0.9)
    (45, 22)
    """
    return math.ceil(math.log(1 - confidence) / math.log(precision))


STARTS = (0.0, 0.25, 0.5)
"""Shares of the held-out tickets, surest first, at which a walk for a threshold sets out."""


def promised(
    probability: np.ndarray,
    right: np.ndarray,
    *,
    precision: float = 0.95,
    confidence: float = 0.9,
    suggest: float = 0.5,
) -> Promise:
    """The lowest threshold on held-out tickets that keeps `precision`.

    `probability` (n_tickets,) is that of each ticket's best guess and `right` whether the guess
    was. A threshold picked because it looks best on these tickets would promise too much.
    So each walk starts with its surest tickets and takes in more of them only as long as
    Clopper-Pearson bounds the precision so far; stopping at the first failure makes one test of
    many, and several walks share the chance of an error (fixed sequences with several starts:
    Angelopoulos et al. 2021, Learn then Test, section 2).

    >>> found = promised(np.linspace(1, 0.5, 200), np.arange(200) < 150, precision=0.9)
    >>> found.n_auto, found.n_right, round(found.bound, 2)
    (158, 150, 0.91)
    """
    if not (0 < precision < 1 and 0 < confidence < 1):
        raise ValueError(
            f"precision and confidence must lie in (0, 1), got {precision} and {confidence}"
        )
    order = np.argsort(-probability, kind="stable")
    sorted_probability = probability[order]
    n_right = np.cumsum(right[order])
    ends = _ends(sorted_probability)
    share = 1 - (1 - confidence) / len(STARTS)
    last = max((_walk(ends, n_right, start, precision, share) for start in STARTS), default=0)
    auto = float(sorted_probability[last - 1]) if last else math.inf
    return Promise(
        precision=precision,
        confidence=confidence,
        auto=auto,
        suggest=min(suggest, auto),
        n_holdout=len(probability),
        n_auto=last,
        n_right=int(n_right[last - 1]) if last else 0,
        bound=lower_bound(int(n_right[last - 1]), last, share) if last else math.nan,
    )


def _ends(descending: np.ndarray) -> np.ndarray:
    """How many tickets lie at or above each different probability, fewest first."""
    return np.append(np.flatnonzero(np.diff(descending)) + 1, len(descending))


def _walk(
    ends: np.ndarray, n_right: np.ndarray, start: float, precision: float, confidence: float
) -> int:
    """How many tickets, from the surest on, keep `precision`; 0 where it fails at once."""
    least = max(fewest(precision, confidence), start * len(n_right))
    last = 0
    for end in ends[ends >= least]:
        if lower_bound(int(n_right[end - 1]), int(end), confidence) < precision:
            break
        last = int(end)
    return last
