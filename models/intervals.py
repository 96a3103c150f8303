"""How sure a counted figure is: intervals that hold with 95 %, for few cases too."""

from collections.abc import Sequence

import numpy as np

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
Interval = tuple[float, float]


def share(k: int, n: int) -> Interval:
    """Wilson's interval of a share of which `k` of `n` were seen; NaN where `n` is 0.

    >>> share(5, 9), share(0, 4), share(0, 0)
    ((0.267, 0.811), (0.0, 0.490), (nan, nan))

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    from scipy.stats import binomtest  # here: the endpoint needs none of these, and stays small

    if n == 0:
        return float("nan"), float("nan")
    found = binomtest(k, n).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def rate(k: int, n_weeks: float) -> Interval:
    """The exact interval of a weekly rate of which `k` were seen in `n_weeks`; NaN for no time.

    >>> rate(0, 4), rate(8, 4), rate(0, 0)
    ((0.0, 0.922), (0.863, 3.940), (nan, nan))

    References
    ----------
    Garwood (1936), Fiducial limits for the Poisson distribution.
    """
    from scipy.stats import chi2

    if not n_weeks > 0:
        return float("nan"), float("nan")
    low = chi2.ppf(TAIL, 2 * k) / 2 if k else 0.0
    return float(low / n_weeks), float(chi2.ppf(1 - TAIL, 2 * k + 2) / 2 / n_weeks)


def quantile(values: Sequence[float], q: float) -> Interval:
    """The interval of a quantile between two of the values seen, whatever they are spread like.

    An end that so few values cannot give is NaN: a median needs six of them, and the upper end
    of a ninth decile thirty-six.

    >>> quantile([9, 3, 5, 40, 7, 12, 20, 15], 0.5), quantile([3, 5, 7], 0.5)
    ((3.0, 40.0), (nan, nan))

    References
    ----------
    David, Nagaraja (2003), Order Statistics, section 7.1.
    """
    from scipy.stats import binom

    ordered, n = np.sort(np.asarray(values, float)), len(values)
    ranks = np.arange(1, n + 1)  # the value of rank r lies above the quantile if < r lie below
    below = ranks[binom.cdf(ranks - 1, n, q) <= TAIL]
    above = ranks[binom.sf(ranks - 1, n, q) <= TAIL]
    low = ordered[below[-1] - 1] if len(below) else np.nan
    high = ordered[above[0] - 1] if len(above) else np.nan
    return float(low), float(high)
