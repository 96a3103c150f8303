"""Counters, which only ever count up, as what they count in a second."""

import numpy as np


def per_second(
    series: np.ndarray, at: np.ndarray, values: np.ndarray, max_gap_seconds: float
) -> np.ndarray:
    """The increase per second since the point before, shape (n,); NaN where it is unknown.

    `series` (n,) are numbers, `at` (n,) datetime64 and `values` (n,) readings, all sorted by series
    and time, no moment twice. A value below the one before is a restart from zero, so that it is
    the increase itself: Prometheus' rule. Of the first point of a series, and of one that comes
    more than `max_gap_seconds` after the one before, nobody knows how fast it was reached.

    >>> at = np.array(["2026-01-05T09:00", "2026-01-05T09:01", "2026-01-05T09:02"], "M8[ms]")
    >>> per_second(np.zeros(3, int), at, np.array([600.0, 720.0, 30.0]), max_gap_seconds=300)
    array([nan, 2. , 0.5])
    """
    rates = np.full(len(values), np.nan)
    moments = at.astype("datetime64[ms]").astype(np.int64)
    seconds = (moments[1:] - moments[:-1]) / 1000
    follows = (series[1:] == series[:-1]) & (seconds <= max_gap_seconds)
    increase = np.where(values[1:] < values[:-1], values[1:], np.diff(values))
    rates[1:][follows] = increase[follows] / seconds[follows]
    return rates
