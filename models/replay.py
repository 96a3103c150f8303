"""History run through a watch, exactly as the clock would have done it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from models.budget import YOUNG_SECONDS, Budget
from models.tail import PRIORS
from models.watch import Change, Watch

Progress = Callable[[int, int], None]
"""Called with the steps done and the steps in all."""

Judge = Callable[[Change], bool]
"""Whether an alert that closed was true: what a person would have said of it."""


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
    strict: bool = False,
    muted: np.ndarray | None = None,
    left_out: np.ndarray | None = None,
    judge: Judge | None = None,
    progress: Progress | None = None,
) -> Replayed:
    """Feed each row of `values` (n_steps, n_series) to `watch`, at `times` (n_steps,), UTC.

    With `budget_per_week` the watch's threshold is set anew once a day from the scores until
    then, as a desk without history would do it; in a series' first two days it does not alert.
    A `strict` budget is that of ticket counts (models/budget.py), whose series are never young.
    What `judge` says of an alert that closes is told to the budget, which forgives true ones.
    What is `muted` (n_steps, n_series) is neither scored nor learnt: maintenance. What is
    `left_out` (the same shape) may alert, and the budget hears nothing of it: known incidents.

    >>> from models.rare import Rare
    >>> watch = Watch(Rare(1), threshold=3.0, n_series=1, step_seconds=300)
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
    alerting, thresholds = np.zeros((n_steps, n_series), bool), np.full(n_steps, np.nan)
    changes: list[Change] = []
    budget = None if budget_per_week is None else budget_of(watch, budget_per_week, strict)
    for step in range(n_steps):
        off, unheard = (None if mask is None else mask[step] for mask in (muted, left_out))
        told = stepped(watch, budget, times[step], values[step], off, unheard)
        if judge is not None and budget is not None:
            tell(budget, told, judge)
        changes += told
        seen[:, step] = watch.seen
        alerting[step], thresholds[step] = watch.alerting, watch.threshold
        if progress is not None:
            progress(step + 1, n_steps)
    return Replayed(scores, expected, lower, upper, alerting, thresholds, changes)


def budget_of(watch: Watch, per_week: float, strict: bool = False) -> Budget:
    """A budget for a watch that has seen nothing, with the prior of its detector."""
    prior = PRIORS.get(type(watch.detector).__name__.lower())
    young_seconds = 0 if strict else YOUNG_SECONDS
    return Budget(
        per_week,
        watch.n_series,
        watch.step_seconds,
        prior=prior,
        young_seconds=young_seconds,
        strict=strict,
    )


def stepped(
    watch: Watch,
    budget: Budget | None,
    at: np.datetime64,
    values: np.ndarray,
    muted: np.ndarray | None = None,
    left_out: np.ndarray | None = None,
) -> list[Change]:
    """One step of a watch that is kept to a budget, or to its own threshold without one.

    Of series that are `left_out` (n_series,) the budget hears nothing.
    """
    if budget is None:
        return watch.step(at, values, muted)
    if budget.is_due(at):
        watch.threshold = budget.settle(at).value
    changes = watch.step(at, values, muted, young=budget.young)
    if left_out is None:
        budget.take(at, watch.counted, changes)
    else:
        heard = [change for change in changes if not left_out[change.series]]
        budget.take(at, np.where(left_out, np.nan, watch.counted), heard)
    return changes


def tell(budget: Budget, changes: Iterable[Change], judge: Judge) -> None:
    """Tell the budget what a person says of the alerts that closed."""
    for change in changes:
        if change.closed_at is not None and judge(change):
            budget.forgive(change.series, change.opened_at, change.closed_at)
        elif change.closed_at is not None:
            budget.blame(change.series, change.opened_at)
