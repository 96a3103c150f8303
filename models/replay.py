"""History run through a watch, exactly as the clock would have done it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.budget import threshold_for
from models.watch import Change, Watch

Progress = Callable[[int, int], None]
"""Called with the steps done and the steps in all."""

KNOWN_DAYS = 2.0  # of scores before a threshold may be taken from them


@dataclass(frozen=True)
class Replayed:
    """What a replay saw, all of shape (n_steps, n_series) but `thresholds` (n_steps,).

    `alerting` is True where an episode was open after the step.
    """

    scores: np.ndarray
    expected: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    alerting: np.ndarray
    thresholds: np.ndarray
    changes: list[Change]


def replay(
    watch: Watch,
    times: np.ndarray,
    values: np.ndarray,
    *,
    budget_per_week: float | None = None,
    muted: np.ndarray | None = None,
    left_out: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Replayed:
    """Feed each row of `values` (n_steps, n_series) to `watch`, at `times` (n_steps,), UTC.

    With `budget_per_week` the watch's threshold is set anew once a day from the scores until
    then, as a desk without history would do it; until two days are known nothing alerts. What is
    `muted` (n_steps, n_series) is neither scored nor learnt: maintenance. What is `left_out`
    (the same shape) may alert, and does not count towards the threshold: incidents that are known.

    >>> from models.seasonal import Seasonal
    >>> watch = Watch(Seasonal(1, patience=1), threshold=3.0, n_series=1, step_seconds=300)
    >>> times = np.datetime64("2026-01-05T09:00") + np.arange(60) * np.timedelta64(300, "s")
    >>> values = np.where(np.arange(60) == 50, 90.0, 10.0 + np.arange(60) % 2)
    >>> seen = replay(watch, times, values[:, None])
    >>> [change.what for change in seen.changes], int(np.nanargmax(seen.scores))
    (['opened'], 50)
    """
    n_steps, n_series = values.shape
    if len(times) != n_steps:
        raise ValueError(f"{len(times)} times do not fit {n_steps} rows of values")
    scores, expected, lower, upper = seen = np.full((4, n_steps, n_series), np.nan)
    counted = scores if left_out is None else np.full_like(scores, np.nan)
    alerting, thresholds = np.zeros((n_steps, n_series), bool), np.full(n_steps, np.nan)
    changes: list[Change] = []
    days = times.astype("datetime64[D]")
    for step in range(n_steps):
        if budget_per_week is not None and (step == 0 or days[step] != days[step - 1]):
            watch.threshold = _causal(counted[:step], watch.step_seconds, budget_per_week)
        changes += watch.step(times[step], values[step], None if muted is None else muted[step])
        seen[:, step] = watch.seen
        counted[step] = watch.seen.scores
        if left_out is not None:
            counted[step, left_out[step]] = np.nan
        alerting[step], thresholds[step] = watch.alerting, watch.threshold
        if progress is not None:
            progress(step + 1, n_steps)
    return Replayed(scores, expected, lower, upper, alerting, thresholds, changes)


def _causal(scores: np.ndarray, step_seconds: int, budget_per_week: float) -> float:
    found = threshold_for(scores, step_seconds, budget_per_week)
    return found.value if found.n_weeks * 7 >= KNOWN_DAYS else float("nan")
