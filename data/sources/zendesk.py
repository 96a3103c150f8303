"""Zendesk: what its webhooks send, for an event or as a trigger's author wrote it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from data.sources.desk_ticket import (
    DeskTicket,
    identity,
    labels_of,
    mapping,
    moment,
    own,
    said,
    way,
)

PRIORITY = {"urgent": "P1", "high": "P2", "normal": "P3", "low": "P4"}
SCALES = {"priority": PRIORITY}
TICKET = "zen:event-type:ticket."
GONE = ("soft_deleted", "permanently_deleted", "marked_as_spam")
WANTED = "a ticket event, {ticket: {id: ...}}, a ticket with its id, or one with external_id"


def read(given: object) -> tuple[DeskTicket, ...]:
    """The ticket of an event, a trigger's {"ticket": {}}, a bare ticket, or one in our own form.

    https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events/

    >>> (one,) = read({"ticket": {"id": 35436, "subject": "VPN", "priority": "High"}})
    >>> one.external_id, one.labels
    ('35436', {'priority_raw': 'high', 'priority': 'P2'})
    >>> read({"ticket": {}})
    Traceback (most recent call last):
    ...
    ValueError: ticket.id: wanted the ticket's id, got nothing
    """
    body = mapping(given, "body")
    if "detail" in body:
        return (_of_event(body),)
    if "ticket" in body:
        ticket = mapping(body["ticket"], "ticket")
        return (_of_ticket(ticket, "ticket.") if "id" in ticket or not ticket
                else own(ticket, "ticket.", "zendesk"),)  # fmt: skip
    if "id" in body:
        return (_of_ticket(body, ""),)
    if "external_id" in body:
        return (own(body, "", "zendesk"),)
    raise ValueError(f"body: wanted {WANTED}")


def _of_event(body: Mapping[str, Any]) -> DeskTicket:
    name = said(body, "type")
    if not name.startswith(TICKET):
        raise ValueError(f"type: wanted {TICKET}created and the like, subscribe to ticket events")
    event = name.removeprefix(TICKET)
    at = moment(body, "time")
    solved = at if event == "status_changed" and _now(body) == "solved" else None
    return _of_ticket(mapping(body["detail"], "detail"), "detail.", at, solved, event in GONE)


def _now(body: Mapping[str, Any]) -> str:
    change = body.get("event")
    return said(change, "current", "event.").lower() if isinstance(change, Mapping) else ""


def _of_ticket(
    ticket: Mapping[str, Any],
    where: str,
    at: datetime | None = None,
    solved: datetime | None = None,
    deleted: bool = False,
) -> DeskTicket:
    via = ticket.get("via")
    channel = said(via, "channel", f"{where}via.") if isinstance(via, Mapping) else ""
    found = {
        "priority": said(ticket, "priority", where).lower(),
        "type": said(ticket, "type", where).lower(),
        "group": said(ticket, "group_id", where),
    }
    return DeskTicket(
        source="zendesk",
        external_id=identity(ticket, "id", where),
        title=said(ticket, "subject", where),
        body=said(ticket, "description", where),
        opened_at=moment(ticket, "created_at", where),
        resolved_at=solved,
        channel=way(channel),
        requester=said(ticket, "requester_id", where) or None,
        labels=labels_of(found, SCALES),
        deleted=deleted,
        updated_at=at or moment(ticket, "updated_at", where),
    )
