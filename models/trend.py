"""Trends that a few wild points cannot move, and the ways in which they may go on."""

from typing import Literal, NamedTuple

import numpy as np

BLOCKS = 24  # medians that a window is made of

Form = Literal["line", "bend", "growth"]
FORMS: tuple[Form, ...] = ("line", "bend", "growth")
LARGEST = 700.0  # whose exponential is a number


def sen(blocks: np.ndarray, apart: float) -> np.ndarray:
    """The median of the slopes between all pairs (Theil 1950; Sen 1968), a step.

    `blocks` (n_windows, n_blocks) stand `apart` steps from each other; the answer has shape
    (n_windows,). Up to 29 % of the blocks may be wild.

    >>> sen(np.array([[0.0, 2.0, 4.0, 99.0, 8.0]]), apart=1.0)
    array([2.])
    """
    first, second = np.triu_indices(blocks.shape[1], 1)
    slopes = (blocks[:, second] - blocks[:, first]) / (apart * (second - first))
    result: np.ndarray = np.median(slopes, axis=1)
    return result


class Trends(NamedTuple):
    """Level, slope a step and change of the slope a step at some origins, each (n_origins,)."""

    level: np.ndarray
    slope: np.ndarray
    bend: np.ndarray

    def at(self, ahead: np.ndarray, most: int) -> np.ndarray:
        """What they say for `ahead` (n_ahead,) steps later, shape (n_origins, n_ahead).

        A slope that gets steeper does so for `most` steps; one that gets flatter comes to rest.
        """
        rests = self.slope * self.bend < 0
        ends = np.full(len(self.bend), float(most))
        np.divide(-self.slope, self.bend, out=ends, where=rests)
        bent = np.minimum(ahead, ends[:, None])
        curve = self.bend[:, None] * bent * (ahead - bent / 2)
        told: np.ndarray = self.level[:, None] + np.outer(self.slope, ahead) + curve
        return told


def trends(values: np.ndarray, origins: np.ndarray, window: int, *, bends: bool) -> Trends:
    """Fit the `window` points up to and with each origin; all there are where they are fewer.

    `values` (n_points,) are evenly spaced and without NaN.

    >>> found = trends(2.0 * np.arange(40), np.array([39]), 32, bends=False)
    >>> float(found.level[0]), float(found.slope[0]), found.at(np.array([10.0]), 32).tolist()
    (78.0, 2.0, [[98.0]])
    """
    sizes = np.maximum(np.minimum(window, origins + 1) // BLOCKS, 1)
    fitted = np.empty((3, len(origins)))
    for size in np.unique(sizes):
        rows = sizes == size
        fitted[:, rows] = _fit(values, origins[rows], int(size), bends)
    return Trends(*fitted)


def _fit(values: np.ndarray, origins: np.ndarray, size: int, bends: bool) -> np.ndarray:
    n_blocks = min(BLOCKS, int(origins.min()) + 1)
    back = np.arange(1 - size * n_blocks, 1)
    seen = values[origins[:, None] + back]
    blocks = np.median(seen.reshape(len(origins), n_blocks, size), axis=2)
    slope, bend = sen(blocks, size), np.zeros(len(origins))
    if bends:
        half, apart = n_blocks // 2, size * (n_blocks - n_blocks // 2)
        late = sen(blocks[:, -half:], size)
        bend = (late - sen(blocks[:, :half], size)) / apart
        slope = late + bend * size * half / 2
    near = max(3, size)
    recent = back[-near:]
    flat = seen[:, -near:] - np.outer(slope, recent) - np.outer(bend, recent**2 / 2)
    return np.stack([np.median(flat, axis=1), slope, bend])


def may_grow(values: np.ndarray) -> bool:
    """Whether growth in proportion to what is there is worth a try."""
    return bool(values.min() > 0 and values.max() > 1.3 * values.min())


def said(
    values: np.ndarray, origins: np.ndarray, window: int, form: Form, ahead: np.ndarray
) -> np.ndarray:
    """What a trend of that form said at each origin, shape (n_origins, n_ahead).

    "growth" is a line through the logarithms: so much percent a step.

    >>> said(2.0 ** np.arange(40), np.array([39]), 32, "growth", np.array([1, 2])) / 2.0**39
    array([[2., 4.]])
    """
    if form == "growth":
        grown = trends(np.log(values), origins, window, bends=False).at(ahead, window)
        result: np.ndarray = np.exp(np.minimum(grown, LARGEST))
        return result
    return trends(values, origins, window, bends=form == "bend").at(ahead, window)
