"""Alerts held against the incidents they should have told of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

GRACE_SECONDS = 7_200  # after an incident's end, in which an alert still is about it
WEEK = np.timedelta64(7, "D")


@dataclass(frozen=True)
class Matched:
    """How well alerts told of incidents.

    `minutes` has one entry an incident: from its onset to the first alert, NaN where it was
    missed. `is_false` has one entry an alert.
    """

    minutes: np.ndarray
    is_false: np.ndarray
    n_weeks: float

    @property
    def share_found(self) -> float:
        """The part of the incidents that had an alert; NaN without incidents."""
        if not len(self.minutes):
            return float("nan")
        return float(np.mean(~np.isnan(self.minutes)))

    @property
    def median_minutes(self) -> float:
        """Of the incidents that were found; NaN where none was."""
        found = self.minutes[~np.isnan(self.minutes)]
        return float(np.median(found)) if len(found) else float("nan")

    @property
    def n_false(self) -> int:
        return int(self.is_false.sum())

    @property
    def false_per_week(self) -> float:
        return self.n_false / self.n_weeks


def match(
    opened_at: Sequence[np.datetime64] | np.ndarray,
    incidents: Sequence[tuple[np.datetime64, np.datetime64]],
    start: np.datetime64,
    stop: np.datetime64,
    *,
    grace_seconds: int = GRACE_SECONDS,
    merge_seconds: int = 0,
) -> Matched:
    """Which incidents (onset, end) were found by alerts opened at `opened_at`, and when.

    An alert is about an incident when it opens in [onset, end + grace]; one that opened before
    the onset is not, however long it lasted. Alerts outside every such span are false; with
    `merge_seconds` those that open within that time after the first of a row count as one
    with it. Only alerts and onsets in [start, stop) are counted.

    >>> day = np.datetime64("2026-01-05T00:00")
    >>> hour = np.timedelta64(1, "h")
    >>> found = match([day + 10 * hour, day + 20 * hour], [(day + 9 * hour, day + 11 * hour)],
    ...               day, day + 168 * hour)
    >>> found.share_found, found.median_minutes, found.n_false, found.false_per_week
    (1.0, 60.0, 1, 1.0)
    """
    if not start < stop:
        raise ValueError(f"start must lie before stop, got {start} and {stop}")
    alerts = np.sort(np.asarray(opened_at, "datetime64[s]"))
    alerts = alerts[(alerts >= start) & (alerts < stop)]
    grace = np.timedelta64(grace_seconds, "s")
    spans = [(onset, end + grace) for onset, end in incidents if start <= onset < stop]
    minutes = np.array([_minutes_to_first(alerts, *span) for span in spans], float)
    inside = np.zeros(len(alerts), bool)
    for onset, end in spans:
        inside |= (alerts >= onset) & (alerts <= end)
    repeated = _repeated(alerts, inside, np.timedelta64(merge_seconds, "s"))
    return Matched(minutes, ~inside & ~repeated, float((stop - start) / WEEK))


def _minutes_to_first(alerts: np.ndarray, onset: np.datetime64, end: np.datetime64) -> float:
    within = alerts[(alerts >= onset) & (alerts <= end)]
    return float((within[0] - onset) / np.timedelta64(60, "s")) if len(within) else float("nan")


def _repeated(alerts: np.ndarray, inside: np.ndarray, merge: np.timedelta64) -> np.ndarray:
    """Which false alerts belong to a false one that opened shortly before."""
    repeated, first = np.zeros(len(alerts), bool), None
    for i in np.flatnonzero(~inside):
        if first is not None and merge and alerts[i] - first <= merge:
            repeated[i] = True
        else:
            first = alerts[i]
    return repeated
