"""One target from several views of the tickets: some heads, and what each one's word counts."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from scipy.sparse import csr_array, issparse, vstack

from features.plain import of_type, read_json, write_json
from models.calibration import Calibration, calibrate
from models.discriminant import Discriminant
from models.head import Features, Head, checked, latest
from models.logistic import Logistic
from models.neighbours import Neighbours

HEADS: dict[str, tuple[str, type[Head]]] = {
    "words": ("words", Head),
    "glance": ("glance", Logistic),
    "meaning": ("meaning", Logistic),
    "middles": ("meaning", Discriminant),
    "neighbours": ("meaning", Neighbours),
}
"""The heads that there can be: the view that each looks at, and its learner."""

Tier = Literal["fast", "full"]

FAST = ("words", "glance")
"""The heads that can speak before an encoder has read the ticket."""

LEAST = 0.05
"""A head with a smaller share of the say is left out, and its view need not be computed at all."""

N_FOLDS = 5
ENOUGH = 20_000
"""Of more tickets than this one fold is held out, not all in turn: a fifth of them will do."""

BY_NAME = "meaning"
"""The head that knows what a class's name means."""

FEW = 5
"""Tickets a class, in the mean, below which that head speaks alone: with 1 it was righter by .01 to
.04 than what out-of-fold weights made of all heads, with 5 it was no more."""

UNTRIED = Calibration(temperature=0.8, offset=-10.0)
"""Of that head before the first ticket: about true of questions to a bank."""

TINY = 1e-9  # a head's probability of 0 would be a veto


class Names(NamedTuple):
    """A target's `classes`, sorted, and for each view what their names are there.

    `xs` maps views to features (n_classes, n_features), as if each name were a ticket. `loose`
    (n_others, n_features) is the meaning of tickets that have no label, if there are any.
    """

    classes: tuple[str, ...]
    xs: Mapping[str, Features]
    loose: np.ndarray | None = None


class Joined(NamedTuple):
    """What each head's word counts, and the calibration of what they say together."""

    weights: dict[str, float]
    calibration: Calibration = Calibration()

    def probabilities(self, given: Mapping[str, np.ndarray]) -> np.ndarray:
        """The weighted geometric mean of the heads' probabilities, calibrated.

        One head that is left to speak for itself was calibrated before.
        """
        if len(self.weights) == 1:
            return given[next(iter(self.weights))]
        return self.calibration.probabilities(self.scores(given))

    def scores(self, given: Mapping[str, np.ndarray]) -> np.ndarray:
        parts = [weight * _logs(given[name]) for name, weight in self.weights.items()]
        summed: np.ndarray = np.sum(parts, axis=0)
        return summed


def join(given: Mapping[str, np.ndarray], truth: np.ndarray) -> Joined:
    """The weights, 0 or more, under which the truth of held-out tickets is likeliest.

    `given` maps a head to its probabilities (n_tickets, n_classes), `truth` (n_tickets,) is the
    column that was right. Without a ticket every head counts the same.

    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(0, 2, 400)
    >>> seeing = np.eye(2)[truth] * 0.6 + 0.2
    >>> join({"words": seeing, "meaning": rng.dirichlet([1, 1], 400)}, truth).weights.keys()
    dict_keys(['words'])
    """
    if len(given) < 2 or not len(truth):
        return Joined(dict.fromkeys(given, 1 / max(len(given), 1)))
    weights = _likeliest([_logs(one) for one in given.values()], truth)
    shares = weights / weights.sum()
    kept = {name: float(share) for name, share in zip(given, shares, strict=True) if share >= LEAST}
    return Joined(kept, calibrate(Joined(kept).scores(given), truth))


def _likeliest(logs: Sequence[np.ndarray], truth: np.ndarray) -> np.ndarray:
    from scipy.optimize import minimize  # here: only training needs it

    stacked, rows = np.stack(logs), np.arange(len(truth))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = np.tensordot(weights, stacked, axes=1)
        mixed -= mixed.max(axis=1, keepdims=True)
        chances = np.exp(mixed) / np.exp(mixed).sum(axis=1, keepdims=True)
        right = stacked[:, rows, truth]
        slope = (right - (stacked * chances).sum(axis=2)).mean(axis=1)
        return -float(np.log(chances[rows, truth] + TINY).mean()), -slope

    start = np.full(len(logs), 1 / len(logs))
    weights: np.ndarray = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(0, 3)] * len(logs)
    ).x
    return weights if weights.sum() > 0 else start


def _logs(probabilities: np.ndarray) -> np.ndarray:
    logs: np.ndarray = np.log(np.maximum(probabilities, TINY))
    return logs


class Fitted(NamedTuple):
    """A blend learnt from all tickets, and what blends that had not seen a ticket made of it.

    `probabilities` (n_holdout, n_classes), in the order of the blend's classes, `fast` those of
    the fast tier, and `truth` (n_holdout,), the column that was right. `held` (n_tickets,) says
    which tickets these are.
    """

    blend: "Blend"
    probabilities: np.ndarray
    fast: np.ndarray
    truth: np.ndarray
    held: np.ndarray

    @property
    def share(self) -> float:
        """Of the tickets, how many were held out."""
        return float(self.held.mean()) if self.held.any() else 1.0


class Blend:
    """Calibrated heads, on one view or another, joined by a weighted geometric mean.

    A weight may be 0: words win on texts that were cleaned to a soup of words, meaning wins on
    sentences, neighbours where a class lies in many places. A head that counts nothing is not
    kept, and a view that no head looks at need not be made.

    The heads that need no encoder are joined once more, by weights of their own, for a
    fast tier: where that is sure, nothing need be read (`models.cascade`).

    Examples
    --------
    >>> x = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]] * 10, dtype=np.float32)
    >>> labels = ["printing", "printing", "network", "network"] * 10
    >>> views = {"words": x, "meaning": x}
    >>> blend = Blend.learn(views, labels, ordered=False).blend
    >>> blend.classes[blend.predict_proba(views).argmax(axis=1)].tolist()[:3]
    ['printing', 'printing', 'network']
    """

    def __init__(self, heads: Mapping[str, Head], joined: Joined, fast: Joined) -> None:
        self.heads = {name: heads[name] for name in HEADS if name in joined.weights | fast.weights}
        self.joined = joined
        self.fast = fast

    @property
    def views(self) -> tuple[str, ...]:
        """The views that have a say."""
        return tuple(dict.fromkeys(HEADS[name][0] for name in self.heads))

    @property
    def reads(self) -> bool:
        """Whether the full tier needs what an encoder reads."""
        return any(name not in FAST for name in self.joined.weights)

    @property
    def classes(self) -> np.ndarray:
        return next(iter(self.heads.values())).classes

    @classmethod
    def learn(
        cls,
        xs: Mapping[str, Features],
        labels: Sequence[str],
        *,
        ordered: bool,
        seed: int = 0,
        spared: np.ndarray | None = None,
        names: Names | None = None,
    ) -> Fitted:
        """Calibrate and weigh on tickets held out, then learn from all of them.

        `xs` maps views to their features of the same tickets. `ordered`: the tickets come in
        the order of time, and the latest fifth is held out, for tomorrow's tickets are like
        those. Else each ticket is held out once, from a model of the other four fifths. Five
        times the tickets are worth the little that is assumed: that the five models err as if
        apart, and that the one learnt from all of them is no worse than they are.

        `spared` (n_tickets,) says which tickets were kept from whatever made the features, where
        it has learnt from the labels of the others. Their labels show in those features, which
        would flatter every head: the spared tickets, and no others, are held out.
        With `names` meaning's head is drawn to what they mean, and a class's name is a first
        ticket of it that is never held out: what no ticket is left of out of fold can still be
        told, and a class that has none at all be learnt. With few tickets that head speaks alone.
        """
        labelled = checked(next(iter(xs.values())), labels)
        classes = np.array(sorted(set(labels)) if names is None else names.classes, dtype=object)
        truth = np.searchsorted(classes, labelled)
        folds = _folds(truth, ordered, seed) if spared is None else np.where(spared, 0, -1)
        if names is None:  # classes with a name are known whatever is held out
            folds = _sparable(truth, folds)
        held = folds >= 0
        seen, codes = _seen(truth, folds, len(classes)), truth[held]
        if names is not None:
            seen[:] = True
        known = seen[np.arange(len(seen)), codes]
        given, calibrations = {}, {}
        for name in (name for name, (view, _) in HEADS.items() if view in xs):
            if names is not None and len(truth) < FEW * len(classes) and name != BY_NAME:
                continue  # too little shows yet what the others are worth
            scores = _scores(name, xs, labelled, folds, seen, seed, names)
            calibrations[name] = (
                calibrate(scores[known], codes[known]) if names is None or len(codes) else UNTRIED
            )
            given[name] = calibrations[name].probabilities(scores)
        some = {name: one[known] for name, one in given.items()}
        joined = join(some, codes[known])
        fast = join({name: some[name] for name in FAST if name in some}, codes[known])
        everyone = np.ones(len(truth), dtype=bool)
        needed = joined.weights | fast.weights
        heads = {name: _head(name, xs, labelled, everyone, seed, names) for name in needed}
        for name, head in heads.items():
            head.calibration = calibrations[name]
        said = joined.probabilities(given)
        even = np.full(said.shape, 1 / len(classes))
        soon = fast.probabilities(given) if fast.weights else even
        return Fitted(cls(heads, joined, fast), said, soon, codes, held)

    def predict_proba(self, xs: Mapping[str, Features]) -> np.ndarray:
        """Probabilities (n_tickets, n_classes), in the order of `classes`."""
        return self._said(self.joined, xs)

    def predict_fast(self, xs: Mapping[str, Features]) -> np.ndarray:
        """The same, by the heads alone that need no encoder; where there are none, all even."""
        if not self.fast.weights:
            n_tickets = next(iter(xs.values())).shape[0]
            return np.full((n_tickets, len(self.classes)), 1 / len(self.classes))
        return self._said(self.fast, xs)

    def of_tier(self, tier: Tier) -> Joined:
        """What decides in that tier."""
        return self.fast if tier == "fast" else self.joined

    def _said(self, joined: Joined, xs: Mapping[str, Features]) -> np.ndarray:
        return joined.probabilities(
            {name: self.heads[name].predict_proba(xs[HEADS[name][0]]) for name in joined.weights}
        )

    def save(self, folder: Path, *, alone: bool) -> None:
        """Write the one head there is; unless `alone`, blend.json and a folder a head."""
        if alone:
            self.heads["words"].save(folder)
            return
        kept = {"joined": _plain(self.joined), "fast": _plain(self.fast)}
        write_json(folder / "blend.json", kept)
        for name, head in self.heads.items():
            (folder / name).mkdir()
            head.save(folder / name)

    @classmethod
    def load(cls, folder: Path, n_features: Mapping[str, int]) -> Self:
        """What `save` wrote, alone where `n_features` is that of words alone.

        ValueError names the file that is not what it should be.
        """
        if len(n_features) == 1:
            words = Joined({"words": 1.0})
            return cls({"words": Head.load(folder, n_features["words"])}, words, words)
        path = folder / "blend.json"
        kept = read_json(path, {"joined": dict, "fast": dict})
        known = [name for name, (view, _) in HEADS.items() if view in n_features]
        joined = _joined(path, kept["joined"], known)
        fast = _joined(path, kept["fast"], [name for name in known if name in FAST], least=0)
        heads = {
            name: learner.load(folder / name, n_features[view])
            for name, (view, learner) in HEADS.items()
            if name in joined.weights | fast.weights
        }
        if len({tuple(head.classes) for head in heads.values()}) > 1:
            raise ValueError(f"{path}: the heads {list(heads)} know different classes")
        return cls(heads, joined, fast)


def _plain(joined: Joined) -> dict[str, Any]:
    return {"weights": joined.weights, **joined.calibration._asdict()}


def _joined(path: Path, given: dict[str, Any], known: Collection[str], least: int = 1) -> Joined:
    of_type(path, given, {"weights": dict, "temperature": float, "offset": float})
    weights = _weights(path, given["weights"], known, least)
    return Joined(weights, Calibration.read(path, given))


def _weights(
    path: Path, given: Mapping[str, Any], known: Collection[str], least: int
) -> dict[str, float]:
    if len(given) < least or not given.keys() <= set(known):
        raise ValueError(f"{path}: weights of {list(given)}, wanted some of {list(known)}")
    weights = {name: given[name] for name in known if name in given}
    if not all(isinstance(one, float) and 0 < one < np.inf for one in weights.values()):
        raise ValueError(f"{path}: every weight must be a number above 0, got {given}")
    return weights


def _folds(truth: np.ndarray, ordered: bool, seed: int) -> np.ndarray:
    """The fold that each ticket is held out with, -1 where it is always learnt from."""
    folds = latest(len(truth)) - 1 if ordered else spread(truth, seed)
    if len(truth) > ENOUGH:
        folds[folds > 0] = -1
    return folds


def _sparable(truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """The folds, none of which leaves fewer than two classes to learn from."""
    if any(len(set(truth[folds != fold])) < 2 for fold in _numbers(folds)):
        return np.full(len(folds), -1)  # too few tickets: no promise, no calibration
    return folds


def _numbers(folds: np.ndarray) -> list[int]:
    return sorted(set(folds[folds >= 0].tolist()))


def _seen(truth: np.ndarray, folds: np.ndarray, n_classes: int) -> np.ndarray:
    """Which classes the head that judges a held-out ticket has learnt: (n_holdout, n_classes)."""
    own = folds[folds >= 0]
    seen = np.zeros((len(own), n_classes), dtype=bool)
    for fold in _numbers(folds):
        seen[own == fold] = np.isin(np.arange(n_classes), truth[folds != fold])
    return seen


def spread(truth: np.ndarray, seed: int) -> np.ndarray:
    """The fold of each ticket, every class spread evenly over all of them.

    >>> np.bincount(spread(np.array([0] * 10 + [1] * 5), seed=0)).tolist()
    [3, 3, 3, 3, 3]
    """
    rng = np.random.default_rng(seed)
    folds = np.empty(len(truth), dtype=int)
    for code in sorted(set(truth)):
        rows = rng.permutation(np.flatnonzero(truth == code))
        folds[rows] = (np.arange(len(rows)) + rng.integers(N_FOLDS)) % N_FOLDS
    return folds


def _scores(
    name: str,
    xs: Mapping[str, Features],
    labels: np.ndarray,
    folds: np.ndarray,
    seen: np.ndarray,
    seed: int,
    names: Names | None,
) -> np.ndarray:
    """Scores (n_holdout, n_classes) of held-out tickets, each by a head of the other folds.

    A class that such a head has not `seen` scores as low as the lowest that it has.
    """
    scores = np.zeros(seen.shape)
    for fold in _numbers(folds):
        part = _head(name, xs, labels, folds != fold, seed, names)
        rows = folds[folds >= 0] == fold
        own = part.scores(xs[HEADS[name][0]][folds == fold])
        scores[rows] = own.min(axis=1, keepdims=True)
        scores[np.ix_(rows, seen[rows][0])] = own
    return scores


def _head(
    name: str,
    xs: Mapping[str, Features],
    labels: np.ndarray,
    rows: np.ndarray,
    seed: int,
    names: Names | None,
) -> Head:
    view, learner = HEADS[name]
    x, known = xs[view][rows], labels[rows].tolist()
    if names is None:
        return learner(seed=seed).fit(x, known)
    # The words of a name are seldom those of its tickets: they stand in for these, no more.
    own, lost = names.xs[view], ~np.isin(names.classes, known) | (view != "words")
    known += np.array(names.classes, dtype=object)[lost].tolist()
    x = csr_array(vstack([x, own[lost]])) if issparse(x) else np.vstack([x, own[lost]])
    if name != BY_NAME:
        return learner(seed=seed).fit(x, known)
    loose = names.loose if rows.any() else None  # names alone would teach themselves
    return Logistic(seed=seed).fit(x, known, np.asarray(own), loose)
