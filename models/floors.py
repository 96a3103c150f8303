"""What a series must do at least before it may alert: in which direction, and by how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple, get_args

import numpy as np

Direction = Literal["above", "below", "both"]


@dataclass(frozen=True)
class Floor:
    """For series like `pattern` (`*` and `?` as in file names): which way, and how far at least.

    `at_least` is the distance from what was expected, in the series' own units.
    """

    pattern: str
    direction: Direction = "both"
    at_least: float = 0.0

    def __post_init__(self) -> None:
        if self.direction not in get_args(Direction):
            wanted = ", ".join(get_args(Direction))
            raise ValueError(f"direction must be one of {wanted}, got {self.direction!r}")
        if not self.at_least >= 0:
            raise ValueError(f"at_least must be 0 or more, got {self.at_least}")


class Floors(NamedTuple):
    """The floors of many series, each of shape (n_series,)."""

    above: np.ndarray  # how far above is far enough; infinite where no way up may alert
    below: np.ndarray

    def passed(self, values: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Which series lie far enough off, shape (n_series,); NaN in either: it does.

        >>> floors = floors_of([Floor("disk*", "above", 5.0)], ["disk/a", "disk/b", "cpu"])
        >>> floors.passed(np.array([14.0, 2.0, 2.0]), np.array([10.0, 10.0, 10.0]))
        array([False, False,  True])
        """
        off = values - expected
        passed: np.ndarray = (off >= self.above) | (-off >= self.below) | np.isnan(off)
        return passed


def floors_of(floors: Sequence[Floor], keys: Sequence[str]) -> Floors | None:
    """Each series' floor, the first whose pattern fits; None where there are no floors.

    >>> floors_of([Floor("cpu*", "above"), Floor("*", at_least=2)], ["cpu 1", "disk"])
    Floors(above=array([0., 2.]), below=array([inf,  2.]))
    """
    if not floors:
        return None
    fits = (next((f for f in floors if fnmatchcase(key, f.pattern)), Floor(key)) for key in keys)
    ways = [
        (
            np.inf if one.direction == "below" else one.at_least,
            np.inf if one.direction == "above" else one.at_least,
        )
        for one in fits
    ]
    return Floors(*np.array(ways, float).reshape(-1, 2).T)
