"""What alerting came to on one desk, and on several together."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pipelines.found import Comparison


class Result(NamedTuple):
    """What one way of alerting came to on one desk. `minutes` is NaN where nothing was found."""

    share: float
    minutes: float
    false_per_week: float


def result(found: Comparison) -> Result:
    return Result(found.share, found.median_minutes, found.false_per_week)


def mean(results: Iterable[Result]) -> Result:
    """The mean of each figure, of those that are known."""
    return Result(*(over_known(column, np.mean) for column in columns(results)))


def standard_error(results: Iterable[Result]) -> Result:
    return Result(*(over_known(column, standard_error_of) for column in columns(results)))


def worst(results: Sequence[Result]) -> Result:
    """The lowest share, the longest time and the most false alerts of any desk."""
    shares, minutes, false = columns(results)
    return Result(min(shares), over_known(minutes, np.max), max(false))


def columns(results: Iterable[Result]) -> Iterator[np.ndarray]:
    return iter(np.array([*results], float).reshape(-1, len(Result._fields)).T)


def over_known(values: np.ndarray, how: Callable[[np.ndarray], float]) -> float:
    """A figure of the values that are known; NaN where none is."""
    known = values[~np.isnan(values)]
    return float(how(known)) if len(known) else float("nan")


def standard_error_of(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan


def cells(result: Result) -> list[str]:
    """Share, minutes and false alerts a week, a dash for what is unknown.

    >>> cells(Result(0.5, float("nan"), 1.25))
    ['0.50', '–', '1.2']
    """
    forms = ("{:.2f}", "{:.0f}", "{:.1f}")
    return ["–" if np.isnan(x) else form.format(x) for form, x in zip(forms, result, strict=True)]
