"""What each of several budgets would have raised, from scores that were made once."""

from typing import Self

import numpy as np

from models.floors import Floors
from models.replay import Replayed, replay
from models.watch import Watch


def rung(
    seen: Replayed,
    times: np.ndarray,
    values: np.ndarray,
    step_seconds: int,
    budget: float,
    detector: str = "Retold",
    left_out: np.ndarray | None = None,
    floors: Floors | None = None,
    strict: bool = False,
) -> Replayed:
    """A replay under `budget` false alerts a week that scores nothing anew.

    `seen` is any replay of `values` (n_steps, n_series) at `times` (n_steps,) by a detector of
    the class `detector`. It does not know the threshold, so its scores are those of every budget.
    What is `left_out` (n_steps, n_series) counts towards no threshold, and what `floors` hold back
    opens nothing. `strict`: see models/budget.py.

    >>> from models.rare import Rare
    >>> times = np.datetime64("2026-01-05") + np.arange(7 * 288) * np.timedelta64(300, "s")
    >>> values = np.random.default_rng(0).normal(50, 1, (len(times), 1))
    >>> values[-200:-180] += 30
    >>> seen = replay(Watch(Rare(1), np.nan, 1, 300), times, values)
    >>> few, many = (rung(seen, times, values, 300, budget) for budget in (0.5, 8))
    >>> bool(few.thresholds[-1] > many.thresholds[-1])
    True
    """
    # Under the name of the detector: what goes by that name holds for its scores, too.
    retold = type(detector, (Retold,), {})(seen, times)
    watch = Watch(retold, np.nan, seen.scores.shape[1], step_seconds, recent_seconds=step_seconds)
    watch.floors = floors
    return replay(watch, times, values, budget_per_week=budget, strict=strict, left_out=left_out)


class Retold:
    """A detector that says again, at each time, what another one said; it learns nothing."""

    def __init__(self, seen: Replayed, times: np.ndarray) -> None:
        self.seen = seen
        self.times = times

    @property
    def missing(self) -> np.ndarray:
        return np.zeros(self.seen.scores.shape[1], int)

    def _row(self, at: np.datetime64) -> int:
        return int(np.searchsorted(self.times, at))

    def score(self, at: np.datetime64, values: np.ndarray) -> np.ndarray:
        said: np.ndarray = self.seen.scores[self._row(at)]
        return said

    def expect(self, at: np.datetime64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row = self._row(at)
        return self.seen.expected[row], self.seen.lower[row], self.seen.upper[row]

    def learn(self, at: np.datetime64, values: np.ndarray) -> Self:
        return self

    def state(self) -> dict[str, np.ndarray]:
        return {}

    def column(self, series: int) -> dict[str, np.ndarray]:
        return {}

    def restore(self, state: dict[str, np.ndarray]) -> Self:
        return self

    def resize(self, n_series: int) -> Self:
        raise ValueError(f"what was said of {self.seen.scores.shape[1]} series cannot be resized")
