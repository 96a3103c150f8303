"""How far each series is from what is expected, as a detector saw it last."""

from datetime import UTC, datetime
from typing import NamedTuple, Self

import numpy as np

from data.packing import pack, unpack


class Readings(NamedTuple):
    """What a detector saw in the last step that it looked at, which ended `at`.

    An episode opens where a score reaches `threshold`, NaN while there is none. The arrays are
    float32 of shape (n_series,), in the units of the series but for the scores; NaN is unknown.

    >>> one = Readings(datetime(2026, 3, 2, tzinfo=UTC), 3.0, ["cpu"], *np.ones((4, 1), "f4"))
    >>> Readings.read(one.written()).keys
    ['cpu']
    """

    at: datetime
    threshold: float
    keys: list[str]
    scores: np.ndarray
    expected: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def written(self) -> bytes:
        """For a column of the store."""
        arrays = self._asdict() | {
            "at": np.array(self.at.timestamp()),
            "threshold": np.array(self.threshold),
            "keys": np.array(self.keys, dtype=str),
        }
        return pack(arrays)

    @classmethod
    def read(cls, written: bytes) -> Self:
        """What `written` gave."""
        arrays = unpack(written)
        at = datetime.fromtimestamp(float(arrays.pop("at")), UTC)
        return cls(at, float(arrays.pop("threshold")), arrays.pop("keys").tolist(), **arrays)
