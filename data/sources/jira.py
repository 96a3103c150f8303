"""Jira and Jira Service Management: what webhooks and automation rules send of an issue."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from data.sources.desk_ticket import (
    FIRST,
    LAST,
    LONGEST_TEXT,
    DeskTicket,
    identity,
    labels_of,
    mapping,
    moment,
    said,
)

# The names of today and those of old installations; numbers are ids there, which say nothing.
PRIORITY = {
    "highest": "P1", "high": "P2", "medium": "P3", "low": "P4", "lowest": "P4",
    "blocker": "P1", "critical": "P2", "major": "P3", "minor": "P4", "trivial": "P4",
}  # fmt: skip
SCALES = {"priority": PRIORITY}
# Of the Atlassian Document Format: what ends a line, and what else holds text.
BLOCKS = {
    "paragraph", "heading", "listItem", "codeBlock", "blockquote", "panel", "rule", "tableRow",
    "taskItem", "decisionItem", "mediaGroup", "expand",
}  # fmt: skip
SHOWN = {"mention": "text", "emoji": "text", "inlineCard": "url", "blockCard": "url",
         "date": "timestamp", "status": "text"}  # fmt: skip


def read(given: object) -> tuple[DeskTicket, ...]:
    """The issue of a webhook, of {"issue": {...}}, or a bare issue.

    https://developer.atlassian.com/server/jira/platform/webhooks/

    >>> fields = {"summary": "VPN", "priority": {"name": "Highest", "id": "1"}}
    >>> (one,) = read({"issue": {"key": "IT-7", "fields": fields}})
    >>> one.external_id, one.labels
    ('IT-7', {'priority_raw': 'Highest', 'priority': 'P1'})
    """
    body = mapping(given, "body")
    if "issue" not in body and "key" not in body:
        raise ValueError("issue: wanted an issue with key and fields, send issue events")
    issue, where = (body["issue"], "issue.") if "issue" in body else (body, "")
    issue = mapping(issue, "issue")
    fields = mapping(issue.get("fields") or {}, f"{where}fields")
    inner = f"{where}fields."
    found = {
        "priority": _name(fields, "priority", inner),
        "type": _name(fields, "issuetype", inner),
        "project": _name(fields, "project", inner, "key"),
        "component": _first(fields.get("components"), f"{inner}components"),
    }
    return (
        DeskTicket(
            source="jira",
            external_id=identity(issue, "key", where),
            title=said(fields, "summary", inner),
            body=text_of(fields.get("description"), f"{inner}description"),
            opened_at=moment(fields, "created", inner),
            resolved_at=moment(fields, "resolutiondate", inner),
            requester=_person(fields.get("reporter"), f"{inner}reporter"),
            labels=labels_of(found, SCALES),
            deleted=said(body, "webhookEvent") == "jira:issue_deleted",
            updated_at=_sent_at(body) or moment(fields, "updated", inner),
        ),
    )


def text_of(description: object, where: str = "description") -> str:
    """Text as it is, or a document flattened, one line a block.

    >>> words = {"type": "paragraph", "content": [{"type": "text", "text": "VPN is down"}]}
    >>> text_of({"type": "doc", "version": 1, "content": [words, words]})
    'VPN is down\\nVPN is down'
    """
    if description is None or isinstance(description, str):
        return (description or "").strip()[:LONGEST_TEXT]
    pieces: list[str] = []
    left: list[object] = [mapping(description, where)]
    while left:  # not by recursion: a sender decides how deep this goes
        node = left.pop()
        if isinstance(node, str):
            pieces.append(node)
        elif isinstance(node, Mapping):
            left += reversed(_parts(node))
    lines = "".join(pieces).split("\n")
    return "\n".join(line.strip() for line in lines if line.strip())[:LONGEST_TEXT]


def _parts(node: Mapping[str, Any]) -> list[object]:
    """What a node of a document consists of, in order."""
    kind, content, attributes = node.get("type"), node.get("content"), node.get("attrs")
    if kind == "text":
        return [node.get("text")]
    if kind == "hardBreak":
        return ["\n"]
    name = SHOWN.get(kind) if isinstance(kind, str) else None
    if name and isinstance(attributes, Mapping):
        shown = attributes.get(name)
        return [shown if isinstance(shown, str) else None]
    parts = content if isinstance(content, list) else []
    return [*parts, "\n"] if kind in ("tableCell", *BLOCKS) else list(parts)


def _name(fields: Mapping[str, Any], name: str, where: str, part: str = "name") -> str:
    value = fields.get(name)
    return "" if value is None else said(mapping(value, where + name), part, f"{where}{name}.")


def _first(components: object, where: str) -> str:
    if not components or not isinstance(components, list):
        return ""
    return said(mapping(components[0], f"{where}.0"), "name", f"{where}.0.")


def _person(given: object, where: str) -> str | None:
    """Cloud has accountId, an installation of one's own has key or name."""
    if given is None:
        return None
    person = mapping(given, where)
    found = (said(person, name, f"{where}.") for name in ("accountId", "key", "name"))
    return next((text for text in found if text), None)


def _sent_at(body: Mapping[str, Any]) -> datetime | None:
    """When the event was, from milliseconds since 1970."""
    given = body.get("timestamp")
    if given is None:
        return None
    whole = isinstance(given, int) and not isinstance(given, bool)
    if not whole or not 0 <= given < (LAST - FIRST).total_seconds() * 1000:
        raise ValueError("timestamp: wanted milliseconds since 1970")
    return datetime.fromtimestamp(given / 1000, UTC)
