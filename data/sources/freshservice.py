"""Freshservice and Freshdesk: tickets as their API and their automations write them."""

from collections.abc import Mapping
from typing import Any

from data.sources.desk_ticket import (
    HIGH,
    LOW,
    MEDIUM,
    DeskTicket,
    identity,
    labels_of,
    mapping,
    moment,
    said,
    way,
)
from data.sources.html_text import text_of

# From the least to the most urgent, the other way round than ServiceNow; templates write names.
PRIORITY = {
    "1": "P4", "2": "P3", "3": "P2", "4": "P1",
    "low": "P4", "medium": "P3", "high": "P2", "urgent": "P1",
}  # fmt: skip
LEVEL = {
    "1": LOW, "2": MEDIUM, "3": HIGH, "low": LOW, "medium": MEDIUM, "high": HIGH,
}  # fmt: skip
SCALES = {"priority": PRIORITY, "impact": LEVEL, "urgency": LEVEL}
CHANNELS = {"1": "email", "2": "portal", "3": "phone"}  # those that both products number alike
LABELS = {
    "priority": "priority",
    "impact": "impact",
    "urgency": "urgency",
    "category": "category",
    "subcategory": "sub_category",
    "item": "item_category",
    "type": "type",
    "group": "group_id",
}
NAMES = ("ticket", "freshdesk_webhook")


def read(given: object) -> tuple[DeskTicket, ...]:
    """The ticket of {"ticket": {...}}, {"freshdesk_webhook": {...}}, or a bare one.

    https://api.freshservice.com/#ticket_attributes; automations prefix names with `ticket_`.

    >>> (one,) = read({"id": 7, "subject": "VPN", "description": "<p>down</p>", "priority": 4})
    >>> one.body, one.labels
    ('down', {'priority_raw': '4', 'priority': 'P1'})
    """
    body = mapping(given, "body")
    outer = next((name for name in NAMES if name in body), "")
    where = f"{outer}." if outer else ""
    told = mapping(body[outer], outer) if outer else body
    ticket = {name.removeprefix("ticket_"): one for name, one in told.items()}
    return (_of(ticket, where),)


def _of(ticket: Mapping[str, Any], where: str) -> DeskTicket:
    found = {ours: said(ticket, theirs, where) for ours, theirs in LABELS.items()}
    source = said(ticket, "source", where)
    times = ticket.get("stats")
    stats = times if isinstance(times, Mapping) else {}
    words = said(ticket, "description_text", where) or text_of(said(ticket, "description", where))
    return DeskTicket(
        source="freshservice",
        external_id=identity(ticket, "id", where),
        title=said(ticket, "subject", where),
        body=words,
        opened_at=moment(ticket, "created_at", where),
        resolved_at=moment(stats, "resolved_at", f"{where}stats."),
        channel=way(CHANNELS.get(source, source)),
        requester=said(ticket, "requester_id", where) or said(ticket, "email", where) or None,
        labels=labels_of(found, SCALES),
        deleted=ticket.get("deleted") is True,
        updated_at=moment(ticket, "updated_at", where),
    )
