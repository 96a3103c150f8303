"""A ticket as its help desk's own system sends it, and how its JSON is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

LONGEST_TEXT, LONGEST_LABEL, LONGEST_ID = 200_000, 500, 200
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
HIGH, MEDIUM, LOW = "1 - High", "2 - Medium", "3 - Low"

Scale = Mapping[str, str]
"""One field of one source: what it writes in small letters, to our P1..P4 or to `HIGH`..`LOW`."""


@dataclass(frozen=True, slots=True)
class DeskTicket:
    """What one message says of one ticket; what it leaves out is "" or None.

    `labels` holds the desk's own, and of `priority`, `impact` and `urgency` ours, with the desk's
    word beside it as `priority_raw` and so on; a word that is in no table has only that. `deleted`
    tickets are gone there. `updated_at` is when this was so: of two messages the later counts.
    """

    source: str
    external_id: str
    title: str = ""
    body: str = ""
    opened_at: datetime | None = None
    resolved_at: datetime | None = None
    channel: str | None = None
    requester: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    deleted: bool = False
    updated_at: datetime | None = None


def mapping(given: object, where: str) -> Mapping[str, Any]:
    """`given`, which is to be a JSON object."""
    if not isinstance(given, Mapping):
        raise ValueError(f"{where}: wanted an object, got {kind(given)}")
    return given


def kind(given: object) -> str:
    """What JSON calls it; never the value, which may be a ticket's text.

    >>> kind(None), kind([1]), kind(True)
    ('null', 'a list', 'a boolean')
    """
    if given is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(given), "an object")


def said(given: Mapping[str, Any], name: str, where: str = "") -> str:
    """A text or a whole number as text, "" where it is missing.

    >>> said({"id": 7, "priority": None}, "id"), said({"id": 7}, "priority")
    ('7', '')
    >>> said({"id": [7]}, "id", "ticket.")
    Traceback (most recent call last):
    ...
    ValueError: ticket.id: wanted text, got a list
    """
    value = given.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{where}{name}: wanted text, got {kind(value)}")
    return str(value).strip()[:LONGEST_TEXT]


def identity(given: Mapping[str, Any], name: str, where: str = "") -> str:
    """A ticket's id, which must be there."""
    text = said(given, name, where)
    if not text:
        raise ValueError(f"{where}{name}: wanted the ticket's id, got nothing")
    if len(text) > LONGEST_ID or not text.isprintable():
        raise ValueError(f"{where}{name}: wanted a printable id of at most {LONGEST_ID} letters")
    return text


def moment(given: Mapping[str, Any], name: str, where: str = "", *, utc: bool = False) -> Any:
    """A time in UTC, None where nothing is said. `utc` is of desks that write no zone.

    >>> moment({"created": "2020-02-17T02:20:08.623+0700"}, "created").isoformat()
    '2020-02-16T19:20:08.623000+00:00'
    >>> moment({"opened_at": "2026-03-04 09:30:00"}, "opened_at")
    Traceback (most recent call last):
    ...
    ValueError: opened_at: wanted a time with its zone such as 2026-03-04T09:30:00Z
    """
    text = said(given, name, where)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if utc and at.tzinfo is None else at
        if at.tzinfo is not None and FIRST <= (at := at.astimezone(UTC)) < LAST:
            return at
    except (ValueError, OverflowError):
        pass  # told below, without what stood there
    example = "2026-03-04 09:30:00" if utc else "with its zone such as 2026-03-04T09:30:00Z"
    raise ValueError(f"{where}{name}: wanted a time {example}")


def way(text: str) -> str | None:
    """The channel by which a ticket came, in small letters; None where it is no plain name.

    >>> way("Web"), way(""), way("a\\nb")
    ('web', None, None)
    """
    return text.lower() if 0 < len(text) <= LONGEST_ID and text.isprintable() else None


def labels_of(found: Mapping[str, str], scales: Mapping[str, Scale]) -> dict[str, str]:
    """The labels that are said, those that have a scale as ours and as the desk wrote them.

    >>> labels_of({"priority": "Urgent", "type": ""}, {"priority": {"urgent": "P1"}})
    {'priority_raw': 'Urgent', 'priority': 'P1'}
    """
    labels = {}
    for name, text in found.items():
        value = text[:LONGEST_LABEL]
        if not value or value == "-":  # how templates write that nothing was chosen
            continue
        if name not in scales:
            labels[name] = value
            continue
        labels[f"{name}_raw"] = value
        if ours := scales[name].get(value.lower()):
            labels[name] = ours
    return labels


def own(given: object, where: str = "", source: str = "api", id: str = "") -> DeskTicket:
    """A ticket in the form of POST /v1/tickets; `source` and `id` where it names none.

    >>> own({"external_id": "7", "title": "vpn"}).title
    'vpn'
    """
    ticket = mapping(given, where.rstrip(".") or "body")
    labels = mapping(ticket.get("labels") or {}, f"{where}labels")
    told = {"external_id": id} | {name: one for name, one in ticket.items() if one is not None}
    return DeskTicket(
        source=identity({"source": source} | told, "source", where),
        external_id=identity(told, "external_id", where),
        title=said(ticket, "title", where),
        body=said(ticket, "body", where),
        opened_at=moment(ticket, "opened_at", where),
        resolved_at=moment(ticket, "resolved_at", where),
        channel=way(said(ticket, "channel", where)),
        requester=said(ticket, "requester", where) or None,
        labels=labels_of({str(name): said(labels, name, f"{where}labels.") for name in labels}, {}),
        updated_at=moment(ticket, "updated_at", where),
    )
