"""What a detector is, and how history is run through one."""

from typing import Protocol, Self, runtime_checkable

import numpy as np


@runtime_checkable
class Detector(Protocol):
    """Scores many series at once, one step of time at a time.

    `values` holds one number a series, shape (n_series,); NaN means "no point came". `at` is
    the step's UTC time, a `numpy.datetime64`. A score is at least 0, higher is stranger, and
    NaN means "cannot say yet".
    """

    @property
    def common(self) -> bool:
        """Whether series are held against what all of them have in common."""

    @property
    def missing(self) -> np.ndarray:
        """How many points each series must still show before it gets a score, (n_series,)."""

    def score(self, at: np.datetime64, values: np.ndarray) -> np.ndarray:
        """Scores of `values`, shape (n_series,). Changes nothing."""

    def expect(self, at: np.datetime64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(expected, lower, upper), each of shape (n_series,): what would be normal at `at`."""

    def learn(self, at: np.datetime64, values: np.ndarray) -> Self:
        """Take `values` into the state. A series whose value is NaN stays as it was."""

    def skip(self, at: np.datetime64, which: np.ndarray) -> Self:
        """The series `which` (n_series,) were not looked at in this step; nothing is learnt."""

    def state(self) -> dict[str, np.ndarray]:
        """Everything learnt, as plain arrays that `numpy.savez` can keep."""

    def column(self, series: int) -> dict[str, np.ndarray]:
        """What is known of one series: the state of a detector of it alone."""

    def restore(self, state: dict[str, np.ndarray]) -> Self:
        """Take over what `state()` gave, in this or another process."""

    def resize(self, n_series: int) -> Self:
        """Make room for series that are new; those known keep their place and their state."""
