"""Above which probability a desk may let a label stand unseen, and how sure that is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from scipy.special import betaincinv

from features.plain import read_json, write_json
from models.conformal import Sets, conformal


class Threshold(NamedTuple):
    """The probability from which a label may stand alone, and the held-out tickets behind it.

    `auto` is infinite where none can promise the precision. Of the `n_holdout` tickets of its
    classes `n_auto` lay at or above it, and of these `n_right` were right.
    """

    auto: float
    n_holdout: int
    n_auto: int
    n_right: int

    @property
    def coverage(self) -> float:
        """Share of its held-out tickets that would have been decided alone."""
        return self.n_auto / self.n_holdout if self.n_holdout else 0.0


NOTHING = Threshold(math.inf, 0, 0, 0)

State = Literal["learning", "usable", "promised"]
"""Of a class: known by hardly more than its name, known by tickets, or sure enough for `auto`."""

FEWEST = 5
"""Labelled tickets from which a class is known by them; with fewer it is never `auto`."""


@dataclass(frozen=True)
class Promise:
    """What was asked for one target, and the thresholds found.

    A label of the probability `of(label).auto` or more may stand alone. With probability
    `confidence` over the draw of the held-out tickets, all of this is true at once: of the
    tickets that are so given a class in `own`, at least the share `precision` is right; so it
    is of those given any of the other classes, which share the threshold `rest`; and so it is
    of them all, for the whole is a mean of these parts.

    `missing` says for each class without a promise of its own how many more labelled tickets
    it would need. `sets` are the labels to show where none may stand alone. `n_labels` says of
    each class how many labelled tickets it had, where that is known.
    """

    precision: float
    confidence: float
    rest: Threshold
    own: Mapping[str, Threshold]
    missing: Mapping[str, int]
    sets: Sets
    n_labels: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_holdout(self) -> int:
        return sum(one.n_holdout for one in (self.rest, *self.own.values()))

    def of(self, label: str) -> Threshold:
        """The threshold that applies where `label` is the best guess."""
        return NOTHING if self._is_new(label) else self.own.get(label, self.rest)

    def state(self, label: str) -> State:
        """How far a class has come, from its name alone to labels that may stand unseen.

        >>> never, sure = Threshold(math.inf, 0, 0, 0), Threshold(0.9, 200, 180, 178)
        >>> n = {"mail": 900, "vpn": 30, "fax": 2}
        >>> sets = conformal(np.ones(9))
        >>> one = Promise(0.95, 0.9, never, {"mail": sure}, {"vpn": 9, "fax": 9}, sets, n)
        >>> [one.state(label) for label in n]
        ['promised', 'usable', 'learning']
        """
        if math.isfinite(self.of(label).auto):
            return "promised"
        return "learning" if self._is_new(label) else "usable"

    def n_more(self, label: str) -> int:
        """Labelled tickets that take a class to the next state; 0 where it is promised."""
        if self.state(label) == "promised":
            return 0
        return FEWEST - self.n_labels[label] if self._is_new(label) else self.missing.get(label, 0)

    def _is_new(self, label: str) -> bool:
        return self.n_labels.get(label, FEWEST) < FEWEST

    def save(self, folder: Path) -> None:
        """Write promise.json, with null for a threshold that is infinite."""
        kept = asdict(self) | {
            "rest": _plain(self.rest),
            "own": {label: _plain(one) for label, one in self.own.items()},
            "sets": self.sets._asdict(),
        }
        write_json(folder / "promise.json", kept)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; ValueError names the file that is not what it should be."""
        path = folder / "promise.json"
        kept = read_json(path, WANTED)
        for key in ("missing", "n_labels"):
            for label, n in kept[key].items():
                _check(path, f"{key} of {label!r}", type(n) is int and n >= 0)
        return cls(
            precision=kept["precision"],
            confidence=kept["confidence"],
            rest=_threshold(path, "rest", kept["rest"]),
            own={label: _threshold(path, label, one) for label, one in kept["own"].items()},
            missing=kept["missing"],
            sets=_sets(path, kept["sets"]),
            n_labels=kept["n_labels"],
        )


WANTED: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("precision", "confidence"), float),
    **dict.fromkeys(("rest", "own", "missing", "sets", "n_labels"), dict),
}


def _plain(one: Threshold) -> dict[str, Any]:
    return one._asdict() | {"auto": one.auto if math.isfinite(one.auto) else None}


def _threshold(path: Path, name: str, given: Any) -> Threshold:
    _check(path, f"the threshold of {name!r}", isinstance(given, dict))
    one = Threshold(**_fields(path, name, given, Threshold._fields))
    counts = (one.n_right, one.n_auto, one.n_holdout)
    ints = all(type(count) is int for count in counts)
    _check(path, f"the counts of {name!r}", ints and 0 <= counts[0] <= counts[1] <= counts[2])
    if one.auto is None:
        return one._replace(auto=math.inf)
    _check(path, f"auto of {name!r}", type(one.auto) is float and 0 <= one.auto <= 1)
    return one


def _sets(path: Path, given: dict[str, Any]) -> Sets:
    sets = Sets(**_fields(path, "sets", given, Sets._fields))
    shares = all(type(one) is float and 0 <= one <= 1 for one in (sets.level, sets.floor))
    _check(path, "level, floor or n of sets", shares and type(sets.n) is int and sets.n >= 0)
    return sets


def _fields(
    path: Path, name: str, given: dict[str, Any], wanted: tuple[str, ...]
) -> dict[str, Any]:
    if set(given) != set(wanted):
        raise ValueError(f"{path}: {name!r} has {sorted(given)}, wanted {sorted(wanted)}")
    return given


def _check(path: Path, what: str, fine: bool) -> None:
    if not fine:
        raise ValueError(f"{path}: {what} cannot be true; train or publish again")


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


def enough(precision: float, confidence: float) -> int:
    """Held-out tickets that promise `precision` with half of the errors that it allows.

    With `fewest` a class would lose its promise to the first error, though it is better than
    asked for; such a class is better off among the others.

    >>> enough(0.95, 0.9), enough(0.9, 0.9)
    (158, 78)
    """
    n = fewest(precision, confidence)
    while lower_bound(n - math.ceil(n * (1 - precision) / 2), n, confidence) < precision:
        n += 1
    return n


def promised(
    classes: np.ndarray,
    probabilities: np.ndarray,
    truth: np.ndarray,
    *,
    precision: float = 0.95,
    confidence: float = 0.9,
    share: float = 1.0,
    n_labels: Sequence[int] | None = None,
) -> Promise:
    """Thresholds that keep `precision`: for each class that has `enough` tickets, and the rest.

    `probabilities` (n_tickets, n_classes) are those of held-out tickets and `truth` (n_tickets,)
    the column that was right; `share` of all labelled tickets were held out. `n_labels`
    (n_classes,) are these; a class of fewer than `FEWEST` is never `auto`, and has no part in
    what is promised of the rest.

    Each threshold is found on the tickets of its own best guesses. Which classes have their
    own is settled by how many tickets they have, before it is seen which of these were right.
    All thresholds share the chance of an error, 1 - confidence, equally (Bonferroni): with
    that confidence every one of them is true, and then so is the whole, since a mean is no
    less than the least of its parts. Without sharing, of ten classes that are just too bad one
    would pass by luck and stand alone as the whole.

    >>> classes, truth = np.array(["mail", "vpn"], dtype=object), np.repeat([0, 1], [380, 20])
    >>> found = promised(classes, np.eye(2)[truth] * 0.8 + 0.1, truth)
    >>> found.own, found.rest, found.missing
    ({'mail': Threshold(auto=0.9, n_holdout=380, n_auto=380, n_right=380)},
     Threshold(auto=inf, n_holdout=20, n_auto=0, n_right=0), {'vpn': 292})
    """
    if not (0 < precision < 1 and 0 < confidence < 1):
        raise ValueError(
            f"precision and confidence must lie in (0, 1), got {precision} and {confidence}"
        )
    old = np.full(len(classes), FEWEST) if n_labels is None else np.asarray(n_labels)
    guess, top = probabilities.argmax(axis=1), probabilities.max(axis=1)
    n = np.bincount(guess, minlength=len(classes))
    most = np.argsort(-n, kind="stable")
    n_own = _n_own(n[most], precision, confidence)
    parts = [[code] for code in most[:n_own]] + [
        [code for code in most[n_own:].tolist() if old[code] >= FEWEST]
    ] * (n_own < len(classes))
    sure = shared(confidence, len(parts))
    found = []
    autos = np.full(len(classes), np.inf)
    for part in parts:
        inside = np.isin(guess, part)
        found.append(threshold(top[inside], (guess == truth)[inside], precision, sure))
        autos[part] = found[-1].auto
    more = n_missing(n, precision, confidence)
    below = top < autos[guess]
    return Promise(
        precision=precision,
        confidence=confidence,
        rest=found[n_own] if n_own < len(parts) else Threshold(math.inf, 0, 0, 0),
        own={str(classes[code]): one for (code,), one in zip(parts[:n_own], found, strict=False)},
        missing={str(classes[code]): math.ceil(more[code] / share) for code in most[n_own:]},
        sets=conformal(probabilities[below, truth[below]]),
        n_labels={}
        if n_labels is None
        else {str(label): int(n) for label, n in zip(classes, n_labels, strict=True)},
    )


def n_missing(n: np.ndarray, precision: float, confidence: float) -> np.ndarray:
    """How many more held-out tickets each class needs for a promise of its own.

    `n` (n_classes,) are those that it has; 0 stands where they are enough.

    >>> n_missing(np.array([400, 20]), 0.95, 0.9)
    array([  0, 292])
    """
    most = np.argsort(-n, kind="stable")
    n_own = _n_own(n[most], precision, confidence)
    more: np.ndarray = np.maximum(_wanted(n_own + 1, len(n), precision, confidence) - n, 0)
    more[most[:n_own]] = 0
    return more


def _n_own(descending: np.ndarray, precision: float, confidence: float) -> int:
    """How many of the classes have enough tickets, when they share the chance of an error."""
    n_own = 0
    for number, n in enumerate(descending.tolist(), start=1):
        if n < fewest(precision, confidence):
            break
        if n >= _wanted(number, len(descending), precision, confidence):
            n_own = number
    return n_own


def _wanted(n_own: int, n_classes: int, precision: float, confidence: float) -> int:
    """Tickets that each of `n_own` classes needs for a promise of its own."""
    sure = shared(confidence, n_own + (n_own < n_classes))
    return enough(precision, shared(sure, N_STARTS))


def shared(confidence: float, n: int) -> float:
    """The confidence of each of n statements of which all must be true.

    >>> shared(0.9, 4)
    0.975
    """
    return 1 - (1 - confidence) / n


N_STARTS = 2


def threshold(
    probability: np.ndarray, right: np.ndarray, precision: float, confidence: float
) -> Threshold:
    """The lowest threshold on held-out tickets that keeps `precision`.

    `probability` (n_tickets,) is that of each ticket's best guess and `right` whether the guess
    was. A threshold picked because it looks best on these tickets would promise too much.
    So each walk starts with its surest tickets and takes in more of them only as long as
    Clopper-Pearson bounds the precision so far; stopping at the first failure makes one test of
    many, and several walks share the chance of an error (fixed sequences with several starts:
    Angelopoulos et al. 2021, Learn then Test, section 2).

    >>> threshold(np.linspace(1, 0.5, 200), np.arange(200) < 150, 0.9, 0.9)
    Threshold(auto=0.603, n_holdout=200, n_auto=159, n_right=150)
    """
    order = np.argsort(-probability, kind="stable")
    descending, n_right = probability[order], np.cumsum(right[order])
    ends, sure = _ends(descending), shared(confidence, N_STARTS)
    starts = (0, _promising(descending, precision))
    last = max(_walk(ends, n_right, start, precision, sure) for start in starts)
    if not last:
        return Threshold(math.inf, len(descending), 0, 0)
    return Threshold(float(descending[last - 1]), len(descending), last, int(n_right[last - 1]))


def _promising(descending: np.ndarray, precision: float) -> int:
    """How many of the surest tickets would pass the most easily, if probabilities were true.

    A walk from the first ticket on may stumble over an early error. This start looks at no
    outcome, so that it costs nothing but its part of the chance of an error.
    """
    if not len(descending):
        return 0
    n = np.arange(1, len(descending) + 1)
    margins = (np.cumsum(descending) / n - precision) * np.sqrt(n)
    return int(margins.argmax()) + 1


def _ends(descending: np.ndarray) -> np.ndarray:
    """How many tickets lie at or above each different probability, fewest first."""
    return np.append(np.flatnonzero(np.diff(descending)) + 1, len(descending))


def _walk(
    ends: np.ndarray, n_right: np.ndarray, start: int, precision: float, confidence: float
) -> int:
    """How many tickets, from the surest on, keep `precision`; 0 where it fails at once."""
    last = 0
    for end in ends[ends >= max(fewest(precision, confidence), start)]:
        if lower_bound(int(n_right[end - 1]), int(end), confidence) < precision:
            break
        last = int(end)
    return last
