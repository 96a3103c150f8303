"""Changes as senders write them: in our own form, in PagerDuty's, or by Alertmanager's webhook."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from data.masking import mask
from data.records import Change

LONGEST = 500  # letters of a title
AHEAD = timedelta(minutes=10)  # that a sender's clock may be before ours
SERVICE_LABELS = ("service", "app", "job", "component")
WANTED = (
    'wanted {"title": ..., "at": ..., "service": ...}, a PagerDuty change event '
    '({"payload": {"summary": ...}}) or an Alertmanager webhook ({"alerts": [...]})'
)


def read_changes(given: object, desk: str, now: datetime, by: str) -> list[Change]:
    """The changes that a body holds; ValueError says what is missing, and where.

    >>> now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    >>> read_changes({"title": "Deploy 4.2", "service": "shop"}, "it", now, "ci")[0].service
    'shop'
    >>> event = {"payload": {"summary": "Flag on", "source": "shop"}, "links": [{"href": "https://x"}]}
    >>> [(one.title, one.service, one.url) for one in read_changes(event, "it", now, "ci")]
    [('Flag on', 'shop', 'https://x')]
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{WANTED}; got {type(given).__name__}")
    if isinstance(given.get("alerts"), list):
        return list(_of_alertmanager(given["alerts"], desk, now, by))
    if isinstance(given.get("payload"), Mapping):
        return [_of_pagerduty(given, desk, now, by)]
    return [_change(given, desk, now, by, "")]


def _of_pagerduty(given: Mapping[str, Any], desk: str, now: datetime, by: str) -> Change:
    """https://developer.pagerduty.com/docs/send-change-event"""
    told, links = given["payload"], given.get("links")
    details = told.get("custom_details")
    service = details.get("service") if isinstance(details, Mapping) else None
    first = links[0] if isinstance(links, list) and links else {}
    return _change(
        {
            "title": told.get("summary"),
            "at": told.get("timestamp"),
            "service": service or told.get("source") or "",
            "url": first.get("href") or "" if isinstance(first, Mapping) else "",
        },
        desk, now, by, "payload.",
    )  # fmt: skip


def _of_alertmanager(alerts: list[Any], desk: str, now: datetime, by: str) -> Iterator[Change]:
    """Each alert of its webhook, once, when it began."""
    for number, one in enumerate(alerts):
        where = f"alerts[{number}]"
        labels = one.get("labels") if isinstance(one, Mapping) else None
        if not isinstance(labels, Mapping):
            raise ValueError(f"{where}: wanted an alert with labels")
        notes = one.get("annotations")
        summary = notes.get("summary") if isinstance(notes, Mapping) else None
        found = {
            "title": summary or labels.get("alertname"),
            "at": one.get("startsAt"),
            "service": next((labels[name] for name in SERVICE_LABELS if labels.get(name)), ""),
            "url": one.get("generatorURL") or "",
        }
        yield _change(found, desk, now, by, f"{where}.")


def _change(given: Mapping[str, Any], desk: str, now: datetime, by: str, where: str) -> Change:
    title = _text(given, "title", where).strip()
    if not title:
        raise ValueError(f"{where}title: wanted what was changed, got nothing; {WANTED}")
    at = _moment(given.get("at"), now, where)
    service, url = _text(given, "service", where), _text(given, "url", where)
    told = _text(given, "id", where) or f"{at.isoformat()} {service} {title}"
    id = hashlib.sha256(f"{desk} {told}".encode()).hexdigest()[:16]
    return Change(id, desk, at, mask(title)[:LONGEST], service[:LONGEST], url[:LONGEST], by)


def _text(given: Mapping[str, Any], name: str, where: str) -> str:
    text = given.get(name)
    if text is not None and not isinstance(text, str):
        raise ValueError(f"{where}{name}: wanted text, got {type(text).__name__}")
    return text or ""


def _moment(given: object, now: datetime, where: str) -> datetime:
    """When it was: RFC 3339, now where nothing is said."""
    if given is None or given == "":
        return now
    try:
        at = datetime.fromisoformat(str(given))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError(f"{where}at: wanted a time such as 2026-03-02T09:00:00Z, with its zone")
    if at > now + AHEAD:
        raise ValueError(f"{where}at: lies ahead of this machine's clock; tell changes once made")
    return at.astimezone(UTC)
