"""How long things take, of which some are not over yet."""

from typing import NamedTuple

import numpy as np

from models import intervals

Z = 1.959963984540054  # of the normal distribution, for 95 %
CLOSE = 1e-9


class Quantile(NamedTuple):
    """A quantile and its 95 % interval.

    Infinite is what so many have not reached that nobody can say; NaN, of `low` and `high` alone,
    an end that so few cases cannot give.
    """

    value: float
    low: float
    high: float


def quantile(seconds: np.ndarray, ended: np.ndarray, q: float) -> Quantile:
    """The quantile `q` of times of which some went on when they were last seen.

    `seconds` (n_cases,) until the end, or until last seen where `ended` (n_cases,) is False; what
    never comes to its end has infinite seconds. Where all have ended it is the usual quantile,
    half-way between two values where both are as good, and the interval lies between two of
    the values seen (`intervals.quantile`). Where some have not it is that of the curve of Kaplan
    and Meier, with the interval of Brookmeyer and Crowley on the log-log scale: to leave those
    out, or to count them as ended, would make a desk quicker the more it leaves lying.

    >>> hours = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0, 9.0])
    >>> quantile(hours, np.ones(8, bool), 0.5)
    Quantile(value=4.5, low=1.0, high=9.0)
    >>> quantile(hours, hours < 9, 0.5)  # the same median, as the two longest were known to be long
    Quantile(value=4.5, low=1.0, high=inf)
    >>> quantile(hours, hours < 3, 0.5).value
    inf

    References
    ----------
    Kaplan, Meier (1958), Nonparametric estimation from incomplete observations.
    Brookmeyer, Crowley (1982), A confidence interval for the median survival time.
    """
    if ended.all():
        value = float(np.quantile(seconds, q, method="averaged_inverted_cdf"))
        return Quantile(value, *intervals.quantile(seconds.tolist(), q))
    at, going, error = curve(seconds, ended)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        spread = np.exp(Z * error / np.abs(np.log(going)))  # infinite where nobody goes on
        low, high = going**spread, going ** (1 / spread)
    # Where nobody goes on the scale says nothing of how few might have.
    low, high = np.where(going > 0, low, 0.0), np.where(going > 0, high, 1.0)
    return Quantile(_reached(at, going, 1 - q), _first(at, low, 1 - q), _first(at, high, 1 - q))


def curve(seconds: np.ndarray, ended: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(at, going, error): the times at which some end, the share that goes on beyond each.

    `error` is Greenwood's: the standard error of the logarithm of `going`.

    >>> curve(np.array([1.0, 2.0, 2.0, 5.0]), np.array([True, True, False, True]))[:2]
    (array([1., 2., 5.]), array([0.75, 0.5 , 0.  ]))
    """
    at, n_ending = np.unique(seconds[ended & np.isfinite(seconds)], return_counts=True)
    n_at_risk = len(seconds) - np.searchsorted(np.sort(seconds), at)
    going = np.cumprod(1 - n_ending / n_at_risk)
    with np.errstate(divide="ignore"):
        error = np.sqrt(np.cumsum(n_ending / (n_at_risk * (n_at_risk - n_ending))))
    return at, going, error


def _first(at: np.ndarray, going: np.ndarray, share: float) -> float:
    """The first time at which no more than `share` go on."""
    below = np.flatnonzero(going <= share + CLOSE)
    return float(at[below[0]]) if len(below) else np.inf


def _reached(at: np.ndarray, going: np.ndarray, share: float) -> float:
    """As `_first`, or half-way to the next end where just `share` go on in between."""
    first = _first(at, going, share)
    row = np.searchsorted(at, first)
    flat = row < len(at) - 1 and abs(going[row] - share) <= CLOSE
    return float((at[row] + at[row + 1]) / 2) if flat else first
