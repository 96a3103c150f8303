"""What each of several budgets would have raised, from scores that were made once."""

from typing import NamedTuple, Self

import numpy as np

from models.replay import Replayed, causal
from models.watch import CLOSES_BELOW, Change, Watch


class Rung(NamedTuple):
    """One budget: the threshold at each step, shape (n_steps,), and what it opened and closed.

    A threshold is NaN until two days of scores are known.
    """

    thresholds: np.ndarray
    changes: list[Change]


def rung(
    seen: Replayed, times: np.ndarray, values: np.ndarray, step_seconds: int, budget: float
) -> Rung:
    """The episodes under `budget` false alerts a week, as `replay` with it would have them.

    `seen` is any replay of `values` (n_steps, n_series) at `times` (n_steps,): a detector does
    not know the threshold, so its scores are those of every budget.

    >>> from models.replay import replay
    >>> from models.seasonal import Seasonal
    >>> times = np.datetime64("2026-01-05") + np.arange(7 * 288) * np.timedelta64(300, "s")
    >>> values = np.random.default_rng(0).normal(50, 1, (len(times), 1))
    >>> values[-200:-180] += 30
    >>> seen = replay(Watch(Seasonal(1), np.nan, 1, 300), times, values)
    >>> few, many = (rung(seen, times, values, 300, budget) for budget in (0.5, 8))
    >>> bool(few.thresholds[-1] > many.thresholds[-1]), [change.what for change in few.changes]
    (True, ['opened', 'updated', 'closed'])
    """
    thresholds = causal_thresholds(seen.scores, times, step_seconds, budget)
    retold = Retold(seen, times)
    watch = Watch(retold, np.nan, seen.scores.shape[1], step_seconds, recent_seconds=step_seconds)
    high: np.ndarray = np.any(seen.scores >= CLOSES_BELOW * thresholds[:, None], axis=1)
    changes: list[Change] = []
    open_now = False
    for step in range(len(times)):
        if high[step] or open_now:  # no other step can open, hold or close anything
            watch.threshold = float(thresholds[step])
            changes += watch.step(times[step], values[step])
            open_now = bool(watch.alerting.any())
    return Rung(thresholds, changes)


def causal_thresholds(
    scores: np.ndarray, times: np.ndarray, step_seconds: int, budget: float
) -> np.ndarray:
    """The threshold at each step, shape (n_steps,), set once a day from the scores before it."""
    days = times.astype("datetime64[D]")
    begins = np.flatnonzero(np.diff(days, prepend=days[:1] - 1).astype(np.int64))
    found = [causal(scores[:start], step_seconds, budget) for start in begins.tolist()]
    lasts = np.diff(begins, append=len(times))
    return np.repeat(np.array(found, float), lasts)


class Retold:
    """A detector that says again, at each time, what another one said; it learns nothing."""

    def __init__(self, seen: Replayed, times: np.ndarray) -> None:
        self.seen = seen
        self.times = times

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

    def restore(self, state: dict[str, np.ndarray]) -> Self:
        return self

    def resize(self, n_series: int) -> Self:
        raise ValueError(f"what was said of {self.seen.scores.shape[1]} series cannot be resized")
