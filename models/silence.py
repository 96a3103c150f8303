"""Series that stop: no point comes where points used to come."""

from typing import Self

import numpy as np

from models.columns import Columns

LEAST_SECONDS = 900.0  # a gap as short as this, or as three steps, is a hiccup
LEAST_STEPS = 3.0
TIMES_USUAL = 2.0  # the longest usual gap, that a gap must exceed
HALF_LIFE = 30 * 86_400.0  # in which the longest gap fades
GROWS = 4.0  # times the longest gap that one gap may teach
ENDED_SECONDS = 86_400.0  # after which a series has ended, and is missed no more


class Silence(Columns):
    """How long no point has come, against what is usual for the series.

    The score is 1 where a series is silent: for more than three steps, 15 minutes, and twice the
    longest gap of late. It is 0 where it is not, and again once it has been silent for a day
    (or for twice the usual limit): then it has ended. NaN: too few points came to know its rhythm.

    Parameters
    ----------
    n_series
        How many series are watched side by side.
    step_seconds
        The time from one step to the next.
    warmup
        Points a series must have shown before it can be missed.

    Examples
    --------
    >>> at = np.datetime64("2026-01-05T09:00") + np.arange(40) * np.timedelta64(300, "s")
    >>> silence = Silence(1)
    >>> for moment in at[:30]:
    ...     silence = silence.learn(moment, np.ones(1))
    >>> [float(silence.score(moment, np.array([np.nan]))[0]) for moment in at[30:36]]
    [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, n_series: int, step_seconds: int = 300, warmup: int = 12) -> None:
        if step_seconds < 1:
            raise ValueError(f"step_seconds must be at least 1, got {step_seconds}")
        self.step_seconds = step_seconds
        self.warmup = warmup
        self._set(self._blank(n_series))

    def _blank(self, n: int) -> dict[str, np.ndarray]:
        return {
            "seen": np.zeros(n),
            "last_at": np.full(n, np.nan),  # unix seconds
            "longest": np.full(n, float(self.step_seconds)),  # usual gap, seconds
        }

    def score(self, at: np.datetime64, values: np.ndarray) -> np.ndarray:
        missed = (self._gap(at) > self._limit()) & ~self.ended(at)
        silent = ~np.isfinite(values) & missed
        return np.where(self._state["seen"] >= self.warmup, silent.astype(float), np.nan)

    def ended(self, at: np.datetime64) -> np.ndarray:
        """Which series have been silent for so long that nobody waits for them, (n_series,)."""
        ended: np.ndarray = self._gap(at) > np.maximum(ENDED_SECONDS, 2 * self._limit())
        return ended & (self._state["seen"] >= self.warmup)

    def expect(self, at: np.datetime64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """NaN: it knows when a point is due, not what it should be."""
        unknown = np.full(self._state["seen"].shape, np.nan)
        return unknown, unknown, unknown

    def learn(self, at: np.datetime64, values: np.ndarray) -> Self:
        came, state = np.isfinite(values), self._state
        gap = np.nan_to_num(self._gap(at), nan=float(self.step_seconds))
        young = state["seen"] < self.warmup
        taught = np.where(young, gap, np.minimum(gap, GROWS * state["longest"]))
        longest = np.maximum(taught, 0.5 ** (gap / HALF_LIFE) * state["longest"])
        state["longest"] = np.where(came, longest, state["longest"])
        state["last_at"] = np.where(came, _seconds(at), state["last_at"])
        state["seen"] = state["seen"] + came
        return self

    def skip(self, at: np.datetime64, which: np.ndarray) -> Self:
        """A gap in which nobody looked is none: what is missed is counted from its end."""
        known = which & np.isfinite(self._state["last_at"])
        self._state["last_at"] = np.where(known, _seconds(at), self._state["last_at"])
        return self

    def _limit(self) -> np.ndarray:
        least = max(LEAST_STEPS * self.step_seconds, LEAST_SECONDS)
        limit: np.ndarray = np.maximum(least, TIMES_USUAL * self._state["longest"])
        return limit

    def _gap(self, at: np.datetime64) -> np.ndarray:
        gap: np.ndarray = _seconds(at) - self._state["last_at"]
        return gap


def _seconds(at: np.datetime64) -> float:
    return float(at.astype("datetime64[s]").astype(np.int64))
