"""A handful of labels that holds the right one as often as it says."""

import math
from typing import NamedTuple

import numpy as np

LEVEL = 0.9
"""Share of the tickets whose set of labels must hold the right one."""


class Sets(NamedTuple):
    """Every label of probability `floor` or more belongs to a ticket's set, and its best guess.

    Found on `n` held-out tickets, so that the share `level` of new ones has the right label in
    its set. With a floor of 0 every label belongs to it.

    >>> Sets(level=0.9, floor=0.3, n=99).members(np.array([[0.6, 0.3, 0.1], [0.2, 0.25, 0.2]]))
    array([[ True,  True, False],
           [False,  True, False]])
    """

    level: float
    floor: float
    n: int

    def members(self, probabilities: np.ndarray) -> np.ndarray:
        """Which classes belong to each ticket's set: (n_tickets, n_classes), none without one."""
        inside: np.ndarray = probabilities >= self.floor
        inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
        return inside


UNTRIED = Sets(level=0.0, floor=0.2, n=0)
"""Where too few tickets were held out to promise anything: the labels likely enough to be worth a
look, at most five."""


def conformal(probability: np.ndarray, level: float = LEVEL) -> Sets:
    """The floor under which held-out tickets like the new ones kept their right label.

    `probability` (n_tickets,) is what each ticket's right label was given. Whatever the model,
    a new ticket's right label is as likely to stand in any place among theirs, so that a floor
    at the ceil((n + 1) level)-th from above keeps it with probability `level` or more. With
    fewer tickets than level / (1 - level) every label is kept. One floor for all classes gives
    the smallest sets on average (Sadinle, Lei and Wasserman 2019); a set that would be empty
    takes the best guess, which can only add to what is kept.

    >>> conformal(np.arange(1, 20) / 20)  # of 19, the 18th from above
    Sets(level=0.9, floor=0.1, n=19)
    >>> conformal(np.full(8, 0.99)).floor
    0.0
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    n = len(probability)
    place = math.ceil((n + 1) * level - 1e-9)  # 0.9 is a little more than nine tenths
    floor = float(np.sort(probability)[n - place]) if place <= n else 0.0
    return Sets(level, floor, n)
