"""The learner that sits on features of any kind: one linear score for each class."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from scipy.sparse import csr_array

from features.plain import read_arrays, read_json, strings, write_arrays, write_json
from models.calibration import Calibration, calibrate
from models.segments import Segments

Features: TypeAlias = csr_array | np.ndarray
Scoring: TypeAlias = Callable[[Features], np.ndarray]

PENALTY = 0.5
"""The middle of what cross-validation likes: bank questions 1, cleaned help-desk tickets 0.3."""


class Head:
    """Linear support vectors, one class against the others, calibrated.

    Parameters
    ----------
    penalty
        C of the support vectors: what a training ticket on the wrong side costs.
    seed
        Order in which the solver goes through the tickets.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], dtype=np.float32)
    >>> head = Head().fit(x, ["printing", "printing", "network"])
    >>> head.classes.tolist()
    ['network', 'printing']
    >>> head.predict_proba(x).shape
    (3, 2)
    """

    def __init__(self, *, penalty: float = PENALTY, seed: int = 0) -> None:
        if not penalty > 0:
            raise ValueError(f"penalty must be above 0, got {penalty}")
        self.penalty = penalty
        self.seed = seed
        self.calibration = Calibration()
        self.classes = np.empty(0, dtype=object)
        self.coef = np.zeros((0, 0), dtype=np.float32)
        self.intercept = np.zeros(0, dtype=np.float32)

    def fit(self, x: Features, labels: Sequence[str]) -> Self:
        """Learn from features (n_tickets, n_features) and as many labels."""
        coef, intercept = self._solve(x, self._codes(labels))
        if len(self.classes) == 2:  # the solver scores the second class alone
            coef, intercept = np.vstack([-coef, coef]) / 2, np.hstack([-intercept, intercept]) / 2
        self.coef = np.ascontiguousarray(coef.T, dtype=np.float32)
        self.intercept = intercept.astype(np.float32)
        return self

    def _codes(self, labels: Sequence[str]) -> np.ndarray:
        """The column of each label among the `classes`, which are found here."""
        self.classes = np.array(sorted(set(labels)), dtype=object)
        if len(self.classes) < 2:
            raise ValueError(
                f"all {len(labels)} tickets have the same label, so there is nothing to tell"
                " apart; give tickets of at least two classes or leave this target out"
            )
        return np.searchsorted(self.classes, np.array(labels, dtype=object))

    def _solve(self, x: Features, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.svm import LinearSVC  # here: serving a saved head needs no scikit-learn

        solver = LinearSVC(
            C=self.penalty, class_weight=evened(codes), random_state=self.seed, max_iter=20_000
        )
        solver.fit(x, codes)
        return solver.coef_, solver.intercept_

    def scores(self, x: Features) -> np.ndarray:
        """Distances (n_tickets, n_classes) to the inner side of each class's border."""
        scores: np.ndarray = x @ self.coef + self.intercept
        return scores.astype(np.float64)

    @classmethod
    def stacked(cls, heads: Sequence[Self], segments: Segments) -> Scoring:
        """The `scores` of several heads side by side, each a segment of the row, by one product.

        Their coefficients become parts of the whole, so that nothing is kept twice.
        """
        coef = heads[0].coef if len(heads) == 1 else np.hstack([head.coef for head in heads])
        intercept = np.hstack([head.intercept for head in heads])
        for head, part in zip(heads, segments.split(coef), strict=True):
            head.coef = part

        def scores(x: Features) -> np.ndarray:
            given: np.ndarray = x @ coef + intercept
            return given.astype(np.float64)

        return scores

    def predict_proba(self, x: Features) -> np.ndarray:
        """Probabilities (n_tickets, n_classes), in the order of `classes`."""
        return self.calibration.probabilities(self.scores(x))

    def save(self, folder: Path) -> None:
        """Write head.json and head.npz."""
        write_json(folder / "head.json", self._about())
        arrays = {"coef": self.coef, "intercept": self.intercept}
        write_arrays(folder / "head.npz", arrays)

    def _about(self) -> dict[str, Any]:
        made = {"penalty": self.penalty, "seed": self.seed, "classes": self.classes.tolist()}
        return made | self.calibration._asdict()

    @classmethod
    def load(cls, folder: Path, n_features: int) -> Self:
        """What `save` wrote; ValueError names the file that is not what it should be."""
        path = folder / "head.json"
        head = cls._read(path, read_json(path, ABOUT))
        k = len(head.classes)
        arrays = read_arrays(
            folder / "head.npz",
            {"coef": ("float32", (n_features, k)), "intercept": ("float32", (k,))},
        )
        head.coef, head.intercept = arrays["coef"], arrays["intercept"]
        return head

    @classmethod
    def _read(cls, path: Path, kept: Mapping[str, Any]) -> Self:
        head = cls(penalty=kept["penalty"], seed=kept["seed"])
        head.calibration = Calibration.read(path, kept)
        head.classes = np.array(strings(path, "classes", kept["classes"]), dtype=object)
        return head


ABOUT: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("penalty", "temperature", "offset"), float),
    "seed": int,
    "classes": list,
}
"""What head.json holds of every head."""


def evened(codes: np.ndarray) -> dict[int, float]:
    """What a ticket of each class weighs: less in a large class, a ticket 1 in the mean.

    Half way, by the root of a class's size, between all tickets alike, where small classes are
    never named, and all classes alike, where they are named too often: by cross-validation on
    help-desk tickets it makes the truth likelier, and macro-F1 higher by .01 to .05.

    >>> evened(np.array([0] * 9 + [1]))
    {0: 0.833..., 1: 2.5}
    """
    sizes = np.bincount(codes)
    weights = sizes**-0.5 * sizes.sum() / (sizes**0.5).sum()
    return {code: float(weight) for code, weight in enumerate(weights)}


class Calibrated(NamedTuple):
    """A head learnt from all tickets, and how one learnt without the held-out ones did on them.

    `probability` (n_holdout,) is that of the best guess and `right` whether the guess was.
    """

    head: Head
    probability: np.ndarray
    right: np.ndarray


def fit_calibrated(
    x: Features, labels: Sequence[str], *, ordered: bool, penalty: float = PENALTY, seed: int = 0
) -> Calibrated:
    """Calibrate on tickets held out, then learn from all of them and keep the calibration.

    `ordered`: the tickets come in the order of time, and the latest are held out.
    """
    truth = checked(x, labels)
    held = held_out(truth, ordered=ordered, seed=seed)
    part = Head(penalty=penalty, seed=seed).fit(x[~held], truth[~held].tolist())
    scores, wanted = part.scores(x[held]), truth[held]
    known = np.isin(wanted, part.classes)
    found = calibrate(scores[known], np.searchsorted(part.classes, wanted[known]))
    probabilities = found.probabilities(scores)
    right = part.classes[probabilities.argmax(axis=1)] == wanted
    head = Head(penalty=penalty, seed=seed).fit(x, truth.tolist())
    head.calibration = found
    return Calibrated(head, probabilities.max(axis=1), right)


def checked(x: Features, labels: Sequence[str]) -> np.ndarray:
    """The labels as an array; ValueError unless there is a str for each row of `x`."""
    if x.shape[0] != len(labels):
        raise ValueError(f"wanted a label for each of {x.shape[0]} tickets, got {len(labels)}")
    if odd := {type(label).__name__ for label in labels if not isinstance(label, str)}:
        raise ValueError(f"labels must be str, got {' and '.join(sorted(odd))}")
    return np.array(labels, dtype=object)


def held_out(truth: np.ndarray, *, ordered: bool, seed: int) -> np.ndarray:
    """Which tickets are held out: the latest, or some of each class."""
    held = latest(len(truth)) if ordered else drawn(truth, seed)
    if len(set(truth[~held])) < 2:
        held[:] = False  # too few tickets to spare any: no promise, no calibration
    return held


HELD_OUT = 0.2
"""Share of the tickets that calibration and promise are found on."""


def latest(n: int) -> np.ndarray:
    """Which of n tickets, in the order of time, are held out.

    >>> latest(5)
    array([False, False, False, False,  True])
    """
    return np.arange(n) >= n - max(1, round(n * HELD_OUT))


def drawn(labels: np.ndarray, seed: int) -> np.ndarray:
    """Which tickets are held out, drawn so that every class keeps its share.

    A class of one ticket is learnt from, never held out.

    >>> np.flatnonzero(drawn(np.array(["a"] * 10 + ["b"]), seed=0))
    array([4, 6])
    """
    rng = np.random.default_rng(seed)
    held = np.zeros(len(labels), dtype=bool)
    for label in sorted(set(labels)):
        rows = rng.permutation(np.flatnonzero(labels == label))
        held[rows[: min(len(rows) - 1, round(len(rows) * HELD_OUT))]] = True
    return held
