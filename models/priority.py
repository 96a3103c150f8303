"""Priority out of impact and urgency, and a watch on the first priority that misses few."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from features.plain import of_type, read_json, write_json
from models.blend import Blend
from models.cascade import Cascade
from models.head import Features, held_out
from models.matrix import NAME, SOURCES, Matrix
from models.promise import fewest, lower_bound

FILE = "priority.json"


@dataclass(frozen=True)
class Floor:
    """From which probability of the first priority on a ticket is flagged, whatever its label.

    At least `share` of all tickets of the first priority are flagged, with probability
    `confidence` over the draw of the held-out tickets. Of `n_holdout` tickets `n_first` were of
    the first priority; `n_caught` of these and `n_flagged` of all lay at or above `threshold`,
    which is infinite where there were too few to say.
    """

    share: float
    confidence: float
    threshold: float
    n_holdout: int
    n_first: int
    n_caught: int
    n_flagged: int

    @property
    def n_missing(self) -> int:
        """How many more held-out tickets of the first priority it takes to say anything."""
        return max(0, fewest(self.share, self.confidence) - self.n_first)


def floor(
    risk: np.ndarray, first: np.ndarray, *, share: float = 0.95, confidence: float = 0.9
) -> Floor:
    """The highest threshold that still catches `share` of the first priority.

    `risk` (n_tickets,) is the probability of the first priority of held-out tickets, `first`
    whether they were of it. Where the k-th lowest risk of m such tickets is the threshold, the
    share of later ones caught follows Beta(m - k + 1, k), whatever the risks look like (Wilks
    1941); its lower quantile is the bound of Clopper and Pearson for m - k + 1 of m. So no
    threshold is picked because it looks best, and one test is enough.

    >>> found = floor(np.linspace(0, 1, 1000), np.arange(1000) >= 900)
    >>> round(found.threshold, 2), found.n_caught, found.n_flagged
    (0.9, 99, 99)
    >>> floor(np.ones(12), np.arange(12) < 5).n_missing
    40
    """
    if not (0 < share < 1 and 0 < confidence < 1):
        raise ValueError(f"share and confidence must lie in (0, 1), got {share} and {confidence}")
    own = np.sort(risk[first])[::-1]
    enough = [n for n in range(1, len(own) + 1) if lower_bound(n, len(own), confidence) >= share]
    threshold = float(own[enough[0] - 1]) if enough else math.inf
    return Floor(
        share=share,
        confidence=confidence,
        threshold=threshold,
        n_holdout=len(risk),
        n_first=len(own),
        n_caught=int((own >= threshold).sum()),
        n_flagged=int((risk >= threshold).sum()),
    )


def derivable(targets: Collection[str]) -> bool:
    """Whether a model of these targets knows impact and urgency, and no priority of its own.

    >>> derivable(["impact", "urgency", "group"]), derivable(["impact", "urgency", "priority"])
    (True, False)
    """
    return {*SOURCES} <= {*targets} and NAME not in targets


class Derived(NamedTuple):
    """The priority of each ticket, every field of shape (n_tickets,).

    `labels` is the likeliest priority and `probability` how likely; `impact` and `urgency` are
    the best guesses and `cell` the priority that these two make, which may be another. `risk` is
    the probability of the first priority; `flagged` None where no floor could be found.
    """

    labels: np.ndarray
    probability: np.ndarray
    impact: np.ndarray
    urgency: np.ndarray
    cell: np.ndarray
    risk: np.ndarray
    flagged: np.ndarray | None


@dataclass(frozen=True)
class Priority:
    """How a model that knows impact and urgency tells the priority."""

    matrix: Matrix
    floor: Floor

    @classmethod
    def learn(
        cls,
        matrix: Matrix,
        xs: Mapping[str, Features],
        labels: Mapping[str, Sequence[str | None]],
        *,
        ordered: bool,
        seed: int = 0,
        cascade: Cascade | None = None,
        spared: np.ndarray | None = None,
    ) -> Self:
        """Find the floor on tickets held out from heads that learn from the others alone.

        `xs` maps views to the tickets' features, `labels` has their impact and urgency, None
        where one is not known. A `cascade` says which tickets the fast tier will answer.
        ValueError names a label that the matrix does not know.

        Of tickets that were `spared` (n_tickets,), as `Blend.learn` has it, half calibrate these
        heads and the other half finds the floor.
        """
        given = {name: np.array(labels[name], dtype=object) for name in SOURCES}
        rows = np.flatnonzero([all(pair) for pair in zip(*given.values(), strict=True)])
        known = {name: one[rows] for name, one in given.items()}
        truth = matrix.all_of(known)
        if spared is None:
            held, fresh = held_out(truth, ordered=ordered, seed=seed), None
        else:
            held = _half(spared[rows], truth, ordered)
            fresh = (spared[rows] & ~held)[~held]
        if not held.any() or any(len(set(one[~held])) < 2 for one in known.values()):
            return cls(matrix, floor(np.zeros(0), np.zeros(0, dtype=bool)))
        learnt, asked = ({view: x[rows[at]] for view, x in xs.items()} for at in (~held, held))
        heads = {
            name: Blend.learn(
                learnt, one[~held].tolist(), ordered=ordered, seed=seed, spared=fresh
            ).blend
            for name, one in known.items()
        }
        fast = {name: head.predict_fast(asked) for name, head in heads.items()}
        full = {name: head.predict_proba(asked) for name, head in heads.items()}
        said = full if cascade is None else cascade.joined(fast, full)
        joined = matrix.joined({name: head.classes for name, head in heads.items()}, said)
        return cls(matrix, floor(joined[:, 0], truth[held] == matrix.priorities[0]))

    def derive(self, classes: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray]) -> Derived:
        """The priorities of tickets, of which a model gave these probabilities for its classes."""
        joined = self.matrix.joined(classes, given)
        guesses = {name: classes[name][given[name].argmax(axis=1)] for name in SOURCES}
        risk, threshold = joined[:, 0], self.floor.threshold
        return Derived(
            labels=np.array(self.matrix.priorities, dtype=object)[joined.argmax(axis=1)],
            probability=joined.max(axis=1),
            impact=guesses["impact"],
            urgency=guesses["urgency"],
            cell=self.matrix.all_of(guesses),
            risk=risk,
            flagged=risk >= threshold if math.isfinite(threshold) else None,
        )

    def save(self, folder: Path) -> None:
        """Write priority.json, with null for a threshold that could not be found."""
        kept = asdict(self.floor)
        if math.isinf(self.floor.threshold):
            kept["threshold"] = None
        write_json(folder / FILE, {"matrix": asdict(self.matrix), "floor": kept})

    @classmethod
    def load(cls, folder: Path, classes: Mapping[str, np.ndarray]) -> Self:
        """What `save` wrote, for a model of these classes.

        ValueError names the file that is not what it should be.
        """
        path = folder / FILE
        kept = read_json(path, {"matrix": dict, "floor": dict})
        matrix = Matrix.parsed(path, kept["matrix"])
        if missing := [name for name in SOURCES if name not in classes]:
            raise ValueError(f"{path} stands beside a model without {' and '.join(missing)}")
        try:
            matrix.cells(*(classes[name].tolist() for name in SOURCES))
        except ValueError as error:
            raise ValueError(f"{path} is not of this model: {error}") from error
        return cls(matrix, _floor(path, kept["floor"]))


def _floor(path: Path, kept: Mapping[str, Any]) -> Floor:
    of_type(path, kept, WANTED)
    threshold = math.inf if kept["threshold"] is None else kept["threshold"]
    found = Floor(**{**kept, "threshold": threshold})
    if not (0 < found.share < 1 and 0 < found.confidence < 1 and threshold >= 0):
        raise ValueError(f"{path}: share, confidence or threshold is out of range")
    if not 0 <= found.n_caught <= min(found.n_first, found.n_flagged) <= found.n_holdout:
        raise ValueError(f"{path}: wanted 0 <= n_caught <= n_first, n_flagged <= n_holdout")
    return found


WANTED: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("share", "confidence"), float),
    "threshold": (float, type(None)),
    **dict.fromkeys(("n_holdout", "n_first", "n_caught", "n_flagged"), int),
}


def _half(spared: np.ndarray, truth: np.ndarray, ordered: bool) -> np.ndarray:
    """The later half of the spared tickets, or half of each class of them.

    >>> _half(np.array([False, True, True, True, True]), np.array(list("aabab")), False)
    array([False, False, False,  True,  True])
    """
    rows = np.flatnonzero(spared)
    half = np.zeros(len(spared), dtype=bool)
    if ordered:
        half[rows[len(rows) // 2 :]] = True
    else:
        half[rows[np.argsort(truth[rows], kind="stable")][1::2]] = True
    return half
