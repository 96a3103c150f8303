"""Figures of measures: how many cases, a median or a share, and how sure that is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models import intervals
from models.handled import Answers, Lasting
from models.survival import Quantile, quantile

FEWEST = 6
"""Cases from which a figure is told: with fewer no interval of a median holds 95 %."""
FEWEST_P90 = 10
"""With fewer the ninth decile is the longest case and nothing else."""
NOTHING = Quantile(np.nan, np.nan, np.nan)

Rows = np.ndarray
Parts = Mapping[str, Rows]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of the whole (`part` is "") or of one part of it.

    `n` cases are known; of `n_open` more nothing is decided, or they are among the `n` and not
    over yet where a measure is of time; `n_never` of these never will be. `n_unknown` say nothing.
    `middle` is the median in seconds, the median a day, or the share of the `n_yes` among the `n`,
    and `p90` the ninth decile; each with its 95 % interval. NaN is too few to say; infinite what
    not so many have reached.
    """

    measure: str
    part: str
    n: int
    n_yes: int
    n_open: int
    n_never: int
    n_unknown: int
    middle: Quantile
    p90: Quantile = NOTHING

    @property
    def is_told(self) -> bool:
        """Whether there were cases enough for a figure."""
        return not np.isnan(self.middle.value)

    def plain(self) -> dict[str, Any]:
        """As JSON knows it: null for what is unknown or was not reached."""
        told = asdict(self)
        for name in ("middle", "p90"):
            values = getattr(self, name)._asdict().items()
            told[name] = {one: value if np.isfinite(value) else None for one, value in values}
        return told


def of_times(measure: str, cases: Lasting, part: str, rows: Rows) -> Figure:
    """Median and ninth decile of how long some `rows` of the cases took.

    >>> cases = Lasting(np.arange(1.0, 9.0), np.ones(8, bool), np.ones(8, bool))
    >>> of_times("resolve", cases, "", np.arange(8)).middle
    Quantile(value=4.5, low=1.0, high=8.0)
    >>> of_times("resolve", cases, "", np.arange(3)).is_told
    False
    """
    known = rows[cases.known[rows]]
    seconds, ended = cases.seconds[known], cases.ended[known]
    n = len(known)
    never = int(np.isinf(seconds).sum())
    return Figure(
        measure, part, n, int(ended.sum()), int((~ended).sum()) - never, never, len(rows) - n,
        quantile(seconds, ended, 0.5) if n >= FEWEST else NOTHING,
        quantile(seconds, ended, 0.9) if n >= FEWEST_P90 else NOTHING,
    )  # fmt: skip


def of_answers(measure: str, cases: Answers, part: str, rows: Rows) -> Figure:
    """The share of yes among some `rows` of the cases, with Wilson's interval.

    >>> yes, all = np.array([True] * 6 + [False] * 2), np.ones(8, bool)
    >>> of_answers("sla", Answers(yes, all, ~all), "", np.arange(8)).middle
    Quantile(value=0.75, low=0.409, high=0.929)
    """
    n, n_yes = int(cases.known[rows].sum()), int(cases.yes[rows].sum())
    pending = int(cases.pending[rows].sum())
    share = Quantile(n_yes / n, *intervals.share(n_yes, n)) if n >= FEWEST else NOTHING
    return Figure(measure, part, n, n_yes, pending, 0, len(rows) - n - pending, share)


def of_days(measure: str, day: np.ndarray, n_days: int, part: str, rows: Rows) -> Figure:
    """Median and ninth decile of how many of the `rows` came on each of `n_days` whole days.

    `day` (n_cases,) is the number of the day that a case came on, negative or `n_days` and more on
    one that is not whole. `n_yes` of the figure counts those that came on whole days.

    >>> day = np.repeat(np.arange(8), [3, 1, 4, 1, 5, 9, 2, 6])
    >>> of_days("volume", day, 8, "", np.arange(len(day))).middle
    Quantile(value=3.5, low=1.0, high=9.0)
    """
    whole = day[rows]
    whole = whole[(whole >= 0) & (whole < n_days)]
    counts, ended = np.bincount(whole, minlength=n_days).astype(float), np.ones(n_days, bool)
    return Figure(
        measure, part, len(rows), len(whole), 0, 0, 0,
        quantile(counts, ended, 0.5) if n_days >= FEWEST else NOTHING,
        quantile(counts, ended, 0.9) if n_days >= FEWEST_P90 else NOTHING,
    )  # fmt: skip
