"""What is done with a ticket: file it alone, suggest a few labels, or leave it to a person."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.promise import Promise

MOST = 5
"""Labels that a person looks through at a glance; of a longer list none is shown."""


class Verdict(NamedTuple):
    """What is done with one ticket for one target.

    `label` is None where the model abstains; `probability` is then that of its best guess.
    `decision` is auto, suggest or abstain, and `threshold` the probability from which the best
    guess would have been auto, infinite where nothing can be promised of it. `prediction_set`
    has the labels of which one is right, as often as the promise's `sets` say, the likeliest
    first: the label alone where it is auto, None where the model abstains. A ticket that is
    `unknown` is like nothing that was learnt: the model abstains, however sure it may be.
    """

    label: str | None
    probability: float
    decision: str
    threshold: float
    prediction_set: tuple[str, ...] | None
    unknown: bool = False


class Decided(NamedTuple):
    """The verdicts on tickets as columns, each of length n_tickets."""

    labels: np.ndarray
    probability: np.ndarray
    decision: np.ndarray
    threshold: np.ndarray
    prediction_sets: list[tuple[str, ...] | None]
    unknown: np.ndarray


def verdicts(
    classes: np.ndarray,
    probabilities: np.ndarray,
    promise: Promise,
    unknown: np.ndarray | None = None,
) -> list[Verdict]:
    """One a row of `probabilities` (n_tickets, n_classes).

    Nothing is said of the tickets that are `unknown` (n_tickets,). Auto keeps its promise by
    this: those that it loses are the ones that it would seldomest be right about.
    """
    known, rows = classes.tolist(), probabilities.tolist()
    given = [verdict(known, row, promise) for row in rows]
    if unknown is None:
        return given
    return [left_alone(one) if odd else one for one, odd in zip(given, unknown, strict=True)]


def verdict(classes: Sequence[str], row: Sequence[float], promise: Promise) -> Verdict:
    """`auto` from its class's threshold on, `suggest` where a few labels are left, else nothing.

    Nothing is also what a set of all labels says, unless the best guess is likelier right than
    wrong. Plain numbers: of one ticket they are looked through before an array is made.
    """
    top = max(row)
    best = row.index(top)
    label = classes[best]
    threshold = promise.of(label).auto
    if top >= threshold:
        return Verdict(label, top, "auto", threshold, (label,))
    floor = promise.sets.floor
    inside = [code for code, one in enumerate(row) if one >= floor or code == best]
    if len(inside) > MOST or (len(inside) == len(classes) and top < 0.5):
        return Verdict(None, top, "abstain", threshold, None)
    inside.sort(key=lambda code: -row[code])
    return Verdict(label, top, "suggest", threshold, tuple(classes[code] for code in inside))


def left_alone(one: Verdict) -> Verdict:
    """The same ticket, as one of an unknown kind."""
    return one._replace(label=None, decision="abstain", prediction_set=None, unknown=True)


def decided(
    classes: np.ndarray,
    probabilities: np.ndarray,
    promise: Promise,
    unknown: np.ndarray | None = None,
) -> Decided:
    """The `verdicts` as columns."""
    return columns_of(verdicts(classes, probabilities, promise, unknown))


def columns_of(given: Sequence[Verdict]) -> Decided:
    """Verdicts as columns."""
    return Decided(
        labels=np.array([one.label for one in given], dtype=object),
        probability=np.array([one.probability for one in given], dtype=float),
        decision=np.array([one.decision for one in given], dtype=object),
        threshold=np.array([one.threshold for one in given], dtype=float),
        prediction_sets=[one.prediction_set for one in given],
        unknown=np.array([one.unknown for one in given], dtype=bool),
    )
