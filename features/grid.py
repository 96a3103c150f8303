"""Points and events put on a regular grid of UTC times."""

from collections.abc import Sequence
from typing import Literal

import numpy as np


def grid(start: np.datetime64, stop: np.datetime64, step_seconds: int) -> np.ndarray:
    """The steps of [start, stop) that begin at whole multiples of `step_seconds` since 1970.

    >>> grid(np.datetime64("2026-01-05T09:02"), np.datetime64("2026-01-05T09:15"), 300)
    array(['2026-01-05T09:05:00', '2026-01-05T09:10:00'], dtype='datetime64[s]')
    """
    if step_seconds < 1:
        raise ValueError(f"step_seconds must be at least 1, got {step_seconds}")
    first = -int(-_seconds(start) // step_seconds)
    last = -int(-_seconds(stop) // step_seconds)
    return (np.arange(first, last) * step_seconds).astype("datetime64[s]")


def _seconds(at: np.ndarray | np.datetime64) -> np.ndarray:
    return np.asarray(at).astype("datetime64[ms]").astype(np.int64) // 1000


def regular(
    times: np.ndarray,
    matrix: np.ndarray,
    step_seconds: int,
    start: np.datetime64,
    stop: np.datetime64,
    how: Literal["mean", "last"] = "mean",
) -> tuple[np.ndarray, np.ndarray]:
    """Steps of [start, stop) and, for each, the mean (or last) of the points that fell within.

    `times` (n_times,) may be in any order, `matrix` is (n_times, n_series); the answer is
    (n_steps,), (n_steps, n_series), NaN where no point fell. Infinite values count as missing.

    >>> at = np.array(["2026-01-05T09:00", "2026-01-05T09:04"], dtype="datetime64[s]")
    >>> steps, values = regular(at, np.array([[1.0], [3.0]]), 300, at[0], at[0] + 600)
    >>> values.ravel()
    array([ 2., nan])
    """
    steps = grid(start, stop, step_seconds)
    order = np.argsort(times, kind="stable")
    rows, inside = _rows(times[order], steps, step_seconds)
    values = np.where(np.isfinite(matrix), matrix, np.nan)[order][inside]
    gather = _means if how == "mean" else _lasts
    return steps, gather(rows[inside], values, len(steps))


def binned(
    series: np.ndarray,
    at: np.ndarray,
    values: np.ndarray,
    n_series: int,
    step_seconds: int,
    start: np.datetime64,
    stop: np.datetime64,
) -> tuple[np.ndarray, np.ndarray]:
    """`regular` for points that stand in columns: (n_steps,) and means of (n_steps, n_series).

    `series`, `at` and `values` have shape (n,). Values that are not finite count as missing.

    >>> at = np.array(["2026-01-05T09:00", "2026-01-05T09:04"], dtype="datetime64[s]")
    >>> own, values = np.array([1, 1]), np.array([1.0, 3.0])
    >>> binned(own, at, values, 2, 300, at[0], at[0] + 300)[1]
    array([[nan,  2.]])
    """
    steps = grid(start, stop, step_seconds)
    rows, inside = _rows(at, steps, step_seconds)
    chosen = inside & np.isfinite(values)
    cells, size = rows[chosen] * n_series + series[chosen], len(steps) * n_series
    n = np.bincount(cells, minlength=size)
    sums = np.bincount(cells, values[chosen], minlength=size)
    means = np.divide(sums, n, out=np.full(size, np.nan), where=n > 0)
    return steps, means.reshape(len(steps), n_series)


def _rows(times: np.ndarray, steps: np.ndarray, step_seconds: int) -> tuple[np.ndarray, np.ndarray]:
    """The step each time falls in, and whether it falls in any."""
    first = _seconds(steps[0]) // step_seconds if len(steps) else 0
    rows = _seconds(times) // step_seconds - first
    return rows, (rows >= 0) & (rows < len(steps))


def _means(rows: np.ndarray, values: np.ndarray, n_steps: int) -> np.ndarray:
    sums, n = np.zeros((2, n_steps, values.shape[1]))
    known = ~np.isnan(values)
    np.add.at(sums, rows, np.where(known, values, 0.0))
    np.add.at(n, rows, known)
    return np.divide(sums, n, out=np.full_like(sums, np.nan), where=n > 0)


def _lasts(rows: np.ndarray, values: np.ndarray, n_steps: int) -> np.ndarray:
    result = np.full((n_steps, values.shape[1]), np.nan)
    for row, value in zip(rows, values, strict=True):
        result[row] = np.where(np.isnan(value), result[row], value)
    return result


def counts(
    opened_at: np.ndarray,
    labels: Sequence[str],
    keys: Sequence[str],
    start: np.datetime64,
    stop: np.datetime64,
    step_seconds: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Events a step: (n_steps,), (n_steps, n_keys); the key `total` counts every event.

    Events whose label is no key count in `total` alone. Steps without events are 0, not NaN.

    >>> at = np.array(["2026-01-05T09:01", "2026-01-05T09:06"], dtype="datetime64[s]")
    >>> start, stop = np.datetime64("2026-01-05T09:00"), np.datetime64("2026-01-05T09:10")
    >>> counts(at, ["vpn", "other"], ["vpn", "total"], start, stop, 300)[1]
    array([[1., 1.], [0., 1.]])
    """
    steps = grid(start, stop, step_seconds)
    rows, inside = _rows(opened_at, steps, step_seconds)
    columns = {key: column for column, key in enumerate(keys)}
    matrix = np.zeros((len(steps), len(keys)))
    own = np.array([columns.get(label, -1) for label in labels], dtype=int)
    chosen = inside & (own >= 0) & (own != columns.get("total", -1))
    np.add.at(matrix, (rows[chosen], own[chosen]), 1)
    if "total" in columns:
        np.add.at(matrix[:, columns["total"]], rows[inside], 1)
    return steps, matrix
