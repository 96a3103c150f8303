"""Two models held against each other, and one against no model, on the same tickets."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from models.evaluate import N_BINS

N_DRAWS = 1000  # of the bootstrap
LUCK = 0.05  # a difference that luck makes oftener than this is none


class Answers(NamedTuple):
    """A model's best guesses and their probabilities, each of shape (n_tickets,)."""

    label: np.ndarray
    probability: np.ndarray


class Baseline(NamedTuple):
    """One model against always naming `commonest`. `p`: chance of such a lead by luck."""

    n: int
    accuracy: float
    majority: float
    commonest: str
    p: float


class Part(NamedTuple):
    """A class or a language: share of its `n` tickets that was right before and after.

    `p` is the chance that luck makes it fall so far.
    """

    label: str
    n: int
    before: float
    after: float
    p: float

    @property
    def fall(self) -> float:
        return self.before - self.after


class Comparison(NamedTuple):
    """A model (`after`) against another (`before`) on `n` tickets.

    `p_better` and `p_worse` are the chances that luck alone makes it lead, or fall back, so far.
    `ece_rise` is what the calibration error rises by at least, at 95 % (bootstrap over tickets).
    Of classes the part that is right is the recall; the one that fell furthest comes first.
    """

    n: int
    accuracy_before: float
    accuracy_after: float
    p_better: float
    p_worse: float
    ece_before: float
    ece_after: float
    ece_rise: float
    classes: tuple[Part, ...]
    languages: tuple[Part, ...] = ()


def against_commonest(truth: np.ndarray, label: np.ndarray) -> Baseline:
    """Whether a model's labels are better than the commonest label of those tickets.

    >>> truth = np.array(["net"] * 6 + ["print"] * 4, dtype=object)
    >>> against_commonest(truth, truth)
    Baseline(n=10, accuracy=1.0, majority=0.6, commonest='net', p=0.0625)
    """
    names, n = np.unique(truth.astype(str), return_counts=True)
    commonest = str(names[n.argmax()])
    right, common = label == truth, truth == commonest
    return Baseline(
        len(truth),
        float(right.mean()),
        float(common.mean()),
        commonest,
        p_better(right, common),
    )


def compare(
    truth: np.ndarray,
    before: Answers,
    after: Answers,
    *,
    languages: np.ndarray | None = None,
    seed: int = 0,
) -> Comparison:
    """Paired: a ticket that both get right, or both wrong, tells nothing of which is better.

    `languages` (n_tickets,) says what each ticket is written in; without it none are compared.

    >>> truth = np.array(["net", "print"] * 10, dtype=object)
    >>> sure = np.ones(20)
    >>> broken = np.full(20, "net", dtype=object)
    >>> found = compare(truth, Answers(truth, sure), Answers(broken, sure))
    >>> found.accuracy_after, round(found.p_worse, 4), found.p_better
    (0.5, 0.001, 1.0)
    >>> [(one.label, one.fall) for one in found.classes]
    [('print', 1.0), ('net', 0.0)]
    """
    if not len(truth):
        raise ValueError("wanted tickets that both models were tested on, got none")
    old, new = before.label == truth, after.label == truth
    gaps = [right - one.probability for right, one in ((old, before), (new, after))]
    places = [_bin_of(one.probability) for one in (before, after)]
    return Comparison(
        n=len(truth),
        accuracy_before=float(old.mean()),
        accuracy_after=float(new.mean()),
        p_better=p_better(new, old),
        p_worse=p_better(old, new),
        ece_before=_ece(gaps[0], places[0]),
        ece_after=_ece(gaps[1], places[1]),
        ece_rise=_least_rise(gaps, places, np.random.default_rng(seed)),
        classes=tuple(_parts(truth, old, new)),
        languages=() if languages is None else tuple(_parts(languages, old, new)),
    )


def p_better(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Chance that luck makes `ours` right so much oftener than `theirs` on the same tickets.

    Exact McNemar test, one-sided.

    >>> p_better(np.array([True] * 5), np.array([False] * 5))
    0.03125
    >>> p_better(np.array([True, False]), np.array([True, False]))
    1.0
    """
    won, lost = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    if not won + lost:
        return 1.0
    return float(binomtest(won, won + lost, 0.5, alternative="greater").pvalue)


def holm(ps: Sequence[float]) -> list[float]:
    """Chances corrected for how many were looked at (Holm 1979), in their order.

    >>> holm([0.01, 0.04, 0.5])
    [0.03, 0.08, 0.5]
    """
    corrected, largest = [0.0] * len(ps), 0.0
    for rank, at in enumerate(np.argsort(ps, kind="stable")):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[at]))
        corrected[at] = largest
    return corrected


def _parts(names: np.ndarray, old: np.ndarray, new: np.ndarray) -> list[Part]:
    """Every part that occurs among `names` (n_tickets,), the one that fell furthest first."""
    found = []
    for name in sorted(set(names)):
        own = names == name
        p = p_better(old[own], new[own])
        shares = float(old[own].mean()), float(new[own].mean())
        found.append(Part(str(name), int(own.sum()), *shares, p))
    return sorted(found, key=lambda one: -one.fall)


def _bin_of(probability: np.ndarray) -> np.ndarray:
    place: np.ndarray = np.minimum((probability * N_BINS).astype(int), N_BINS - 1)
    return place


def _ece(gaps: np.ndarray, places: np.ndarray) -> float:
    """Expected calibration error: `gaps` are 0 or 1 for right, less the probability."""
    sums = np.bincount(places, weights=gaps, minlength=N_BINS)
    return float(np.abs(sums).sum() / len(gaps))


def _least_rise(
    gaps: list[np.ndarray], places: list[np.ndarray], rng: np.random.Generator
) -> float:
    rises = np.empty(N_DRAWS)
    for draw in range(N_DRAWS):
        rows = rng.integers(len(gaps[0]), size=len(gaps[0]))
        old, new = (_ece(gaps[at][rows], places[at][rows]) for at in (0, 1))
        rises[draw] = new - old
    return float(np.quantile(rises, LUCK))
