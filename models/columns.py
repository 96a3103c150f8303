"""What detectors have in common: a state of plain arrays, a column a series."""

from typing import Self

import numpy as np


class Columns:
    """Arrays by name whose last axis is the series: handed out, taken back, widened.

    A detector says in `_blank` what it knows of series that it has never seen; one of its arrays
    is called "seen".
    """

    warmup: float
    common: bool = False  # whether series are held against what all of them have in common
    _state: dict[str, np.ndarray]

    def _blank(self, n: int) -> dict[str, np.ndarray]:
        """The state of `n` series before their first point."""
        raise NotImplementedError

    def _set(self, state: dict[str, np.ndarray]) -> None:
        self._state = state

    @property
    def missing(self) -> np.ndarray:
        """How many points each series must still show before it gets a score, (n_series,)."""
        seen = np.atleast_2d(self._state["seen"])[0]
        missing: np.ndarray = np.maximum(self.warmup - seen, 0)
        return missing

    def state(self) -> dict[str, np.ndarray]:
        return {name: array.copy() for name, array in self._state.items()}

    def skip(self, at: np.datetime64, which: np.ndarray) -> Self:
        """Nobody looked at these series (n_series,) in the step at `at`: learn nothing of it."""
        return self

    def column(self, series: int) -> dict[str, np.ndarray]:
        """The state of one series, as that of a detector of it alone."""
        kept = slice(series, series + 1)
        return {name: array[..., kept].copy() for name, array in self._state.items()}

    def restore(self, state: dict[str, np.ndarray]) -> Self:
        n_series = state["seen"].shape[-1] if "seen" in state else 0
        wanted = self._blank(1)  # of one: of many it would be as large as the state
        for name, blank in wanted.items():
            shape = (*blank.shape[:-1], n_series)
            if name not in state or state[name].shape != shape:
                came = state[name].shape if name in state else "nothing"
                raise ValueError(f"state {name!r}: wanted shape {shape}, got {came}")
        self._set({name: np.array(state[name], blank.dtype) for name, blank in wanted.items()})
        return self

    def resize(self, n_series: int) -> Self:
        n_known = self._state["seen"].shape[-1]
        if n_series < n_known:
            raise ValueError(f"cannot shrink from {n_known} series to {n_series}")
        fresh = self._blank(n_series - n_known)
        self._set({k: np.concatenate([a, fresh[k]], axis=-1) for k, a in self._state.items()})
        return self
