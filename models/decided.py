"""What is done with a ticket: file it alone, suggest a few labels, or leave it to a person."""

from typing import NamedTuple

import numpy as np

from models.promise import Promise

MOST = 5
"""Labels that a person looks through at a glance; of a longer list none is shown."""


class Decided(NamedTuple):
    """What is done with each ticket for one target, each of length n_tickets.

    `labels` is None where the model abstains; `probability` is then that of its best guess.
    `decision` is auto, suggest or abstain, and `threshold` the probability from which the best
    guess would have been auto, infinite where nothing can be promised of it. `prediction_sets`
    has the labels of which one is right, as often as the promise's `sets` say, the likeliest
    first: the label alone where it is auto, None where the model abstains. `unknown` tickets
    are like nothing that was learnt: the model abstains, however sure it may be.
    """

    labels: np.ndarray
    probability: np.ndarray
    decision: np.ndarray
    threshold: np.ndarray
    prediction_sets: list[tuple[str, ...] | None]
    unknown: np.ndarray


def decided(classes: np.ndarray, probabilities: np.ndarray, promise: Promise) -> Decided:
    """`auto` from its class's threshold on, `suggest` where a few labels are left, else nothing.

    Nothing is also what a set of all labels says, unless the best guess is likelier right than
    wrong.
    """
    best = probabilities.argmax(axis=1)
    top = probabilities.max(axis=1)
    threshold = np.array([promise.of(label).auto for label in classes[best]])
    members = promise.sets.members(probabilities)
    members[top >= threshold] = np.arange(len(classes)) == best[top >= threshold, None]
    n_members = members.sum(axis=1)
    helps = (n_members <= MOST) & ((n_members < len(classes)) | (top >= 0.5))
    decision = np.where(top >= threshold, "auto", np.where(helps, "suggest", "abstain"))
    labels = classes[best]
    labels[~helps] = None
    order = (-probabilities).argsort(axis=1, kind="stable")
    sets = [
        tuple(classes[row[inside[row]]].tolist()) if shown else None
        for row, inside, shown in zip(order, members, helps, strict=True)
    ]
    nothing = np.zeros(len(top), dtype=bool)
    return Decided(labels, top, decision.astype(object), threshold, sets, nothing)


def left_alone(said: Decided, unknown: np.ndarray) -> Decided:
    """What was decided, but nothing of the tickets that are `unknown` (n_tickets,).

    Auto keeps its promise by this: the tickets that it loses are those that it would seldomest
    be right about.
    """
    labels, decision = said.labels.copy(), said.decision.copy()
    labels[unknown], decision[unknown] = None, "abstain"
    pairs = zip(said.prediction_sets, unknown.tolist(), strict=True)
    sets = [None if away else members for members, away in pairs]
    return said._replace(
        labels=labels, decision=decision, prediction_sets=sets, unknown=unknown.copy()
    )
