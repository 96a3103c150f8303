"""The tickets that alerts are about, as the pages list them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from data.records import Alert, Ticket
from features.windows import TARGET
from models.incidents import Spans
from ops.office import Office

SHOWN = 50


def tickets_of(
    office: Office, alerts: Sequence[Alert], now: datetime
) -> tuple[list[dict[str, Any]], int]:
    """The tickets of surges and topics, the earliest first, and how many more there are."""
    found = {**of_surges(office, alerts, now), **of_topics(office, alerts)}
    rows = sorted(found.values(), key=lambda pair: pair[0].opened_at)
    shown = [
        {
            "id": one.external_id,
            "at": f"{one.opened_at.astimezone(office.zone):%a %H:%M}",
            "kind": kind,
            "title": one.title,
        }
        for one, kind in rows[:SHOWN]
    ]
    return shown, max(len(rows) - SHOWN, 0)


Found = dict[tuple[str, str], tuple[Ticket, str]]


def of_surges(office: Office, alerts: Sequence[Alert], now: datetime) -> Found:
    """Those of a kind that surged, from an hour before its alert to the alert's end."""
    surged = Spans.of(alerts, now)
    if not surged.spans:
        return {}
    store, desk = office.store(), alerts[0].desk
    labels = {
        (one.source, one.external_id): one.label
        for one in store.opened(desk, TARGET, *surged.whole)
        if surged.hold(one.label, one.opened_at)
    }
    there = store.tickets_of(desk, list(labels))
    return {key: (one, labels[key]) for key, one in there.items()}


def of_topics(office: Office, alerts: Sequence[Alert]) -> Found:
    """Those that were judged to say the same."""
    topics = [one for one in alerts if one.kind == "topic"]
    if not topics:
        return {}
    store = office.store()
    there = store.tickets_of(topics[0].desk, store.alert_tickets([one.id for one in topics]))
    return {key: (one, one.labels.get(TARGET, "")) for key, one in there.items()}
