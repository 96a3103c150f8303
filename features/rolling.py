"""Sums over the last steps."""

from typing import NamedTuple

import numpy as np


def rolled(values: np.ndarray, n: int) -> np.ndarray:
    """Sum of each value and the n - 1 before it, along the first axis; NaN where there are fewer.

    >>> rolled(np.array([1.0, 2.0, 3.0, 4.0]), 3)
    array([nan, nan, 6., 9.])
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    sums = np.full(values.shape, np.nan)
    if len(values) >= n:
        windows = np.lib.stride_tricks.sliding_window_view(values, n, axis=0)
        sums[n - 1 :] = windows.sum(axis=-1)
    return sums


class Counted(NamedTuple):
    """Counts of the last `n` steps and what was expected of them, each as long as the input."""

    observed: np.ndarray
    expected: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def rolled_counts(observed: np.ndarray, expected: np.ndarray, upper: np.ndarray, n: int) -> Counted:
    """Counts a step, and their band, taken together over the last `n` steps.

    The steps' deviations are taken as independent, so the band of the sum grows by their root
    sum of squares; `lower` is never below 0.

    >>> steps = np.ones(4)
    >>> rolled_counts(steps * 2, steps, steps * 3, n=4).upper
    array([nan, nan, nan, 8.])
    """
    centre = rolled(expected, n)
    reach = np.sqrt(rolled((upper - expected) ** 2, n))
    return Counted(rolled(observed, n), centre, np.maximum(centre - reach, 0.0), centre + reach)
