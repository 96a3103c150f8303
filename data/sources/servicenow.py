"""ServiceNow: records of its Table API, in which every value is text."""

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

# As numbers and as the base system displays them. 5 is Planning: there is nothing below our P4.
PRIORITY = {
    "1": "P1", "2": "P2", "3": "P3", "4": "P4", "5": "P4",
    "1 - critical": "P1", "2 - high": "P2", "3 - moderate": "P3", "4 - low": "P4",
    "5 - planning": "P4",
}  # fmt: skip
LEVEL = {
    "1": HIGH, "2": MEDIUM, "3": LOW, "1 - high": HIGH, "2 - medium": MEDIUM, "3 - low": LOW,
}  # fmt: skip
SCALES = {"priority": PRIORITY, "impact": LEVEL, "urgency": LEVEL}
LABELS = {
    "priority": "priority",
    "impact": "impact",
    "urgency": "urgency",
    "category": "category",
    "subcategory": "subcategory",
    "group": "assignment_group",
    "service": "business_service",
}


def read(given: object) -> tuple[DeskTicket, ...]:
    """The incidents of {"result": {...}}, {"result": [...]}, a list, or one record.

    A reference may be text, {"link", "value"} or {"display_value", "value"}.

    >>> group = {"link": "https://x/sys_user_group/g", "value": "g"}
    >>> (one,) = read({"number": "INC7", "impact": "1", "assignment_group": group})
    >>> one.labels
    {'impact_raw': '1', 'impact': '1 - High', 'group': 'g'}
    """
    if isinstance(given, Mapping) and "result" in given:
        return _all(given["result"], "result")
    return _all(given, "body")


def _all(given: object, where: str) -> tuple[DeskTicket, ...]:
    if not isinstance(given, list):
        return (_of(mapping(given, where), "" if where == "body" else f"{where}."),)
    if not given:
        raise ValueError(f"{where}: wanted at least one record")
    return tuple(
        _of(mapping(one, f"{where}.{number}"), f"{where}.{number}.")
        for number, one in enumerate(given)
    )


def _of(record: Mapping[str, Any], where: str) -> DeskTicket:
    values = {name: _value(one, "value") for name, one in record.items()}
    shown = {name: _value(one, "display_value") for name, one in record.items()}
    found = {ours: said(shown, theirs, where) for ours, theirs in LABELS.items()}

    def at(*names: str) -> Any:
        times = (moment(values, name, where, utc=True) for name in names)
        return next((time for time in times if time), None)

    return DeskTicket(
        source="servicenow",
        external_id=identity(values, "number", where),
        title=said(values, "short_description", where),
        body=said(values, "description", where),
        opened_at=at("opened_at", "sys_created_on"),
        resolved_at=at("resolved_at", "closed_at"),
        channel=way(said(values, "contact_type", where)),
        requester=said(values, "caller_id", where) or None,
        labels=labels_of(found, SCALES),
        updated_at=at("sys_updated_on"),
    )


def _value(given: object, first: str) -> object:
    """What a reference names: its `first` part, or the other one.

    A display value is in the words and, of a time, in the zone of whoever asked.
    """
    if not isinstance(given, Mapping):
        return given
    return given.get(first) or given.get("value") or given.get("display_value")
