"""Which alerts are about which incidents, and when the first of them could be told."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from data.records import Alert, Incident
from features.windows import TOTAL

GRACE = timedelta(hours=2)
"""How long after an incident's end an alert may still be about it."""


def is_about(alert: Alert, incident: Incident, step: timedelta) -> bool:
    """Whether an alert opened in the time and on a thing that an incident touched."""
    end = over_at(incident)
    things = incident.series if alert.kind == "metric" else (*incident.categories, TOTAL)
    touched = not {alert.key, *alert.members}.isdisjoint(things)
    return touched and incident.onset_at <= alert.opened_at + step and alert.opened_at <= end


def over_at(incident: Incident) -> datetime:
    """Until when an alert may be about an incident; one without an end is taken as its onset."""
    return (incident.ended_at or incident.onset_at) + GRACE


def first_told(
    incidents: Sequence[Incident], alerts: Sequence[Alert], step: timedelta
) -> list[datetime | None]:
    """For each incident when the first alert about it could be told; None where none was.

    An alert opens at the step whose values raised it, and is told when that `step` is over. One
    that a person called a false alarm is about nothing.

    >>> from datetime import UTC
    >>> nine, hour = datetime(2026, 3, 2, 9, tzinfo=UTC), timedelta(hours=1)
    >>> fault = Incident("I1", "it", "VPN down", nine, nine + hour, categories=("vpn",))
    >>> numbers = {"score": 9, "threshold": 4, "observed": 9, "expected": 1, "lower": 0, "upper": 3}
    >>> said = {"kind": "surge", "key": "vpn", "why": "", "detector": "surge"} | numbers
    >>> alert = Alert(id="a", desk="it", opened_at=nine + hour / 4, **said)
    >>> first_told([fault], [alert], timedelta(minutes=5))
    [datetime.datetime(2026, 3, 2, 9, 20, tzinfo=datetime.timezone.utc)]
    """
    real = sorted(
        (alert for alert in alerts if alert.status != "false_alarm"),
        key=lambda alert: alert.opened_at,
    )
    opened = [alert.opened_at for alert in real]
    found: list[datetime | None] = []
    for incident in incidents:
        start = bisect_left(opened, incident.onset_at - step)
        stop = bisect_right(opened, over_at(incident))
        near = (alert for alert in real[start:stop] if is_about(alert, incident, step))
        first = next(near, None)
        found.append(first.opened_at + step if first else None)
    return found
