"""Many small random choices, fast: one generator's uniform numbers, drawn in blocks."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
BLOCK = 65_536


class Dice:
    """Choices for code that walks ticket by ticket.

    >>> dice = Dice(np.random.default_rng(0))
    >>> dice.pick("abc"), dice.weighted((0.1, 0.9)), dice.below(10)
    ('b', 1, 0)
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._block: list[float] = []

    def uniform(self) -> float:
        """A number in [0, 1)."""
        if not self._block:
            self._block = self.rng.random(BLOCK)[::-1].tolist()
        return self._block.pop()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform() < probability

    def below(self, n: int) -> int:
        """A whole number in [0, n)."""
        return int(self.uniform() * n)

    def pick(self, choices: Sequence[T]) -> T:
        """One of `choices`, each as likely."""
        return choices[self.below(len(choices))]

    def weighted(self, weights: Sequence[float]) -> int:
        """The place of one of `weights`, which sum to 1."""
        left = self.uniform()
        for i, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return i
        return len(weights) - 1
