"""Alerts beside the incidents that are known: which were found, how soon, and what was false."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from data.records import Alert, Incident
from models.about import GRACE as GRACE
from models.about import is_about as is_about

WEEK = timedelta(weeks=1)


@dataclass(frozen=True)
class Found:
    """One incident and the alerts that are about it, in the order they opened.

    An alert opens at the step whose values raised it, and is told when that `step` is over.
    """

    incident: Incident
    alerts: tuple[Alert, ...]
    step: timedelta = timedelta()

    @property
    def told_at(self) -> datetime | None:
        """When the first alert could be told; None where there was none."""
        return self.alerts[0].opened_at + self.step if self.alerts else None

    @property
    def minutes(self) -> float:
        """From the true onset until the first alert is told; NaN where it was missed."""
        if self.told_at is None:
            return float("nan")
        return (self.told_at - self.incident.onset_at) / timedelta(minutes=1)


@dataclass(frozen=True)
class Comparison:
    """Every incident of a time, and the alerts that were about none of them."""

    found: tuple[Found, ...]
    false: tuple[Alert, ...]
    n_weeks: float

    @property
    def share(self) -> float:
        """Share of the incidents that were found; NaN without incidents."""
        return float(np.mean([bool(one.alerts) for one in self.found])) if self.found else np.nan

    @property
    def median_minutes(self) -> float:
        """Median time to detect of those that were found; NaN where none was."""
        minutes = [one.minutes for one in self.found if one.alerts]
        return float(np.median(minutes)) if minutes else float("nan")

    @property
    def false_per_week(self) -> float:
        return len(self.false) / self.n_weeks


def compare(
    alerts: Sequence[Alert],
    incidents: Sequence[Incident],
    start: datetime,
    stop: datetime,
    step: timedelta = timedelta(),
) -> Comparison:
    """Hold the alerts that opened in [start, stop) against the incidents that began in it.

    An alert is about an incident when it is told after its onset, at the end of the `step` in
    which it opened, and opened no later than two hours after its end,
    on a series (or with a member) or a category that the incident touched, or on the total. Any
    other alert is false, one that opened in time but on something else included.
    """
    alerts = sorted(
        (alert for alert in alerts if start <= alert.opened_at < stop),
        key=lambda alert: alert.opened_at,
    )
    incidents = [one for one in incidents if start <= one.onset_at < stop]
    found = tuple(
        Found(one, tuple(alert for alert in alerts if is_about(alert, one, step)), step)
        for one in incidents
    )
    explained = {alert.id for one in found for alert in one.alerts}
    false = tuple(alert for alert in alerts if alert.id not in explained)
    return Comparison(found, false, (stop - start) / WEEK)
