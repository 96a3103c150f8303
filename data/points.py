"""Many metric points at once, as three columns."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Points:
    """`series[i]` was `values[i]` at `at[i]`.

    `series` holds str objects, `at` is datetime64[ms] in UTC, `values` is float64 and finite;
    all have shape (n,).

    >>> at = np.array(["2026-01-05T09:00"], "datetime64[ms]")
    >>> len(Points(np.array(["cpu"], object), at, np.array([0.5])))
    1
    """

    series: np.ndarray
    at: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.series) == len(self.at) == len(self.values):
            lengths = f"{len(self.series)}, {len(self.at)} and {len(self.values)}"
            raise ValueError(f"series, at and values must be equally long, got {lengths}")
        if self.at.dtype != np.dtype("datetime64[ms]"):
            raise ValueError(f"at must be datetime64[ms], got {self.at.dtype}")

    def __len__(self) -> int:
        return len(self.values)
