"""Location and spread that a few wild points cannot move."""

import numpy as np

MAD_TO_SIGMA = 1.4826  # of a normal distribution
MEAN_ABS_TO_SIGMA = 1.2533  # sqrt(pi / 2), of a normal distribution


def mad(values: np.ndarray) -> np.ndarray:
    """Median absolute deviation of each column, in units of a standard deviation.

    `values` has shape (n_steps, n_series); missing values are NaN and are left out. A column
    without any value gives NaN.

    >>> mad(np.array([[1.0], [2.0], [3.0], [4.0], [100.0]]))
    array([1.4826])
    """
    deviations = np.abs(values - median(values))
    return MAD_TO_SIGMA * median(deviations)


def median(values: np.ndarray) -> np.ndarray:
    """Median of each column, NaN left out; NaN where a column has no value.

    >>> median(np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]]))
    array([ 2., nan])
    """
    some = ~np.isnan(values).all(axis=0)
    result = np.full(values.shape[1], np.nan)
    result[some] = np.nanmedian(values[:, some], axis=0)
    return result


def clipped(values: np.ndarray, centre: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """`values` pulled in to at most `reach` from `centre` (Huber's pseudo-values).

    NaN stays NaN; a reach of infinity leaves a value alone.

    >>> clipped(np.array([9.0, 500.0]), np.array([10.0, 10.0]), np.array([3.0, 3.0]))
    array([ 9., 13.])
    """
    within: np.ndarray = np.minimum(np.maximum(values, centre - reach), centre + reach)
    return within
