"""How right a target is by how many tickets it was learnt from, and what more may bring."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.blend import HEADS
from models.head import Features, held_out

PARTS = (1 / 8, 1 / 4, 1 / 2, 1.0)
MOST = 20_000
"""Of more tickets a random part is looked at: the curve is to be cheap."""

LEAST = 80
"""Tickets below which four parts of them say nothing."""


class Point(NamedTuple):
    """Of tickets held out `accuracy` were right, learnt from `n` others; `se` is its error."""

    n: int
    accuracy: float
    se: float


def learning_curve(
    xs: Mapping[str, Features], labels: Sequence[str | None], *, ordered: bool, seed: int = 0
) -> tuple[Point, ...]:
    """A point for each of `PARTS` of the tickets, all judged on the same fifth held out.

    `xs` maps views to features (n_tickets, n_features). Nothing where labels are too few. The
    points have their tickets in common, so that a difference is surer than their errors say.

    >>> rng = np.random.default_rng(0)
    >>> codes = rng.integers(0, 2, 400)
    >>> x = (np.eye(2)[codes] + rng.normal(0, 0.4, (400, 2))).astype(np.float32)
    >>> found = learning_curve({"meaning": x}, np.array(["a", "b"])[codes].tolist(), ordered=False)
    >>> [point.n for point in found]
    [40, 80, 160, 320]
    """
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero([bool(label) for label in labels])
    rows = np.sort(rng.permutation(rows)[:MOST])
    truth = np.array(labels, dtype=object)[rows]
    if len(rows) < LEAST or len(set(truth)) < 2:
        return ()
    held = held_out(truth, ordered=ordered, seed=seed)
    order = rng.permutation(np.flatnonzero(~held))
    found = []
    for part in PARTS:
        some = np.sort(order[: max(2, round(len(order) * part))])
        if held.any() and len(set(truth[some])) > 1:
            right = _right(xs, truth, rows, some, held, seed)
            error = np.sqrt(max(right.mean() * (1 - right.mean()), 1e-9) / len(right))
            found.append(Point(len(some), float(right.mean()), float(error)))
    return tuple(found)


def _right(
    xs: Mapping[str, Features],
    truth: np.ndarray,
    rows: np.ndarray,
    some: np.ndarray,
    held: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Whether each held-out ticket's best guess is right, by the heads' probabilities together."""
    logs, classes = np.zeros(1), np.empty(0, dtype=object)
    for view in xs:
        learner = HEADS[view][1]  # the head that is called like its view is learnt soonest
        head = learner(seed=seed).fit(xs[view][rows[some]], truth[some].tolist())
        logs = logs + np.log(head.predict_proba(xs[view][rows[held]]) + 1e-9)
        classes = head.classes
    right: np.ndarray = classes[logs.argmax(axis=1)] == truth[held]
    return right


def twice(found: Sequence[Point]) -> float | None:
    """The accuracy that twice the tickets may bring; None where too few points tell a trend.

    The share that is wrong falls as a power of the number of tickets (Hestness et al. 2017): a
    straight line in logarithms, which bends upwards sooner or later, so that this is the most to
    hope for. What is right already is no less right with more.

    >>> round(twice([Point(100, 0.6, 0.01), Point(200, 0.8, 0.01), Point(400, 0.9, 0.01)]), 3)
    0.95
    """
    if len(found) < 3:
        return None
    n, wrong = (np.array(one) for one in zip(*((p.n, 1 - p.accuracy) for p in found), strict=True))
    slope, start = np.polyfit(np.log(n[-3:]), np.log(np.maximum(wrong[-3:], 1e-3)), 1)
    hoped = 1 - np.exp(start + slope * np.log(2 * n[-1]))
    return float(np.clip(max(hoped, found[-1].accuracy), 0, 1))
