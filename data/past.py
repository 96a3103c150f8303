"""All that the measures are of, as the store holds it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from data.records import Alert, Incident, Ticket
from data.store import Store
from data.store_handling import Told

MOST_ALERTS = 1_000_000


class PastRead(NamedTuple):
    """Tickets without texts, how far each source and detection have come, incidents, alerts."""

    tickets: list[Ticket]
    told: Mapping[str, Told]
    incidents: list[Incident]
    alerts: list[Alert]
    watched_until: datetime | None


def read_past(
    store: Store, desk: str, since: datetime, until: datetime, before: timedelta
) -> PastRead:
    """What a desk's measures of [since, until) need: its tickets from `before` that on."""
    watermarks = [at for _, at in store.detections(desk)]
    return PastRead(
        store.handled(desk, since=since - before, until=until),
        store.told(desk),
        store.incidents(desk, until=until),
        store.alerts(desks=[desk], since=since - timedelta(days=1), limit=MOST_ALERTS),
        max(watermarks, default=None),
    )


def known_span(store: Store, desk: str) -> tuple[datetime, datetime] | None:
    """From the first ticket or incident of a desk to the end of what is known of it.

    That is the last that its sources told, and how far detection has come; None where there is
    neither a ticket nor an incident.
    """
    told, incidents = store.told(desk).values(), store.incidents(desk)
    times = [at for one in told for at in one] + [one.onset_at for one in incidents]
    watched = [at for _, at in store.detections(desk)]
    return (min(times), max(*times, *watched)) if times else None
