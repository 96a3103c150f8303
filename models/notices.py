"""Alerts as other systems read them: in Alertmanager's words, and as its webhook sends them."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from data.records import Alert
from features.labels import parsed
from models.severity import severity, times_threshold

ALERTNAMES = {
    "metric": "ForewarnMetricAnomaly",
    "surge": "ForewarnTicketSurge",
    "silent": "ForewarnSilence",
    "topic": "ForewarnNewTopic",
}
NEVER = "0001-01-01T00:00:00Z"  # Alertmanager's webhook gives it as the end of what still fires
OURS = ("alertname", "desk", "kind", "series", "severity")


def label_name(name: str) -> str:
    """A name as Alertmanager takes it. As in a scrape, one of ours is moved out of the way.

    >>> label_name("service.name"), label_name("7th"), label_name("severity")
    ('service_name', '_7th', 'exported_severity')
    """
    safe = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    safe = f"_{safe}" if safe[0].isdigit() else safe
    return f"exported_{safe}" if safe in OURS else safe


def labels_of(alert: Alert) -> dict[str, str]:
    """What routes and silences match on. Alike for two episodes of one series, but for severity."""
    told = {label_name(name): text for name, text in parsed(alert.key).labels.items() if text}
    return told | {
        "alertname": ALERTNAMES[alert.kind],
        "desk": alert.desk,
        "kind": alert.kind,
        "series": alert.key,
        "severity": severity(alert)[0],
    }


def annotations_of(alert: Alert, page: str = "") -> dict[str, str]:
    """What a person reads. `page` is the address of the ops page, empty where there is none."""
    peak = alert.peak_at or alert.opened_at
    about = (
        f"Strangest at {peak.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {number(alert.observed)}, "
        f"expected {number(alert.expected)}, normal {number(alert.lower)} to "
        f"{number(alert.upper)}. {number(times_threshold(alert))} times its threshold."
    )
    if alert.kind == "silent":
        about = (
            f"No points since shortly before {alert.opened_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
        )
    tickets = "" if alert.n_tickets is None else f" {alert.n_tickets} tickets so far."
    link = {"dashboard": link_to(alert, page)} if page else {}
    return {"summary": alert.summary, "description": about + tickets} | link


def number(value: float) -> str:
    """A number with three digits that count.

    >>> number(1234.5), number(0.01234), number(float("nan"))
    ('1230', '0.0123', 'unknown')
    """
    if not math.isfinite(value):
        return "unknown"
    rounded = float(f"{value:.3g}")
    return f"{rounded:.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


def link_to(alert: Alert, page: str) -> str:
    """Where the alert stands on the ops page."""
    return f"{page.rstrip('/')}/ops/alerts/{alert.id}"


def ended_at(alert: Alert) -> datetime | None:
    """When it was over, be it that a person said so; never before it began."""
    over = alert.status_at if alert.status in ("resolved", "false_alarm") else None
    ends = [at for at in (alert.closed_at, over) if at is not None]
    return max(min(ends), alert.opened_at) if ends else None


def posted(
    alert: Alert, labels: Mapping[str, str], ends_at: datetime, page: str = ""
) -> dict[str, Any]:
    """One entry of what is posted to Alertmanager: it fires until `ends_at`.

    >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    >>> told = dict(kind="metric", why="cpu is 9", detector="rare", score=9.0, threshold=4.0)
    >>> told |= dict(observed=9.0, expected=1.0, lower=0.0, upper=2.0)
    >>> alert = Alert("a1", "it", key="cpu", opened_at=noon, **told)
    >>> entry = posted(alert, labels_of(alert), noon)
    >>> entry["labels"]["severity"], entry["startsAt"], entry["annotations"]["summary"]
    ('major', '2026-03-02T12:00:00+00:00', 'cpu is 9')
    """
    return {
        "labels": dict(labels),
        "annotations": annotations_of(alert, page),
        "startsAt": alert.opened_at.isoformat(),
        "endsAt": ends_at.isoformat(),
        **({"generatorURL": link_to(alert, page)} if page else {}),
    }


def message(alert: Alert, id: str, page: str = "") -> dict[str, Any]:
    """The body of a webhook: Alertmanager's version 4 with one alert, and the message's `id`.

    `fingerprint` and `groupKey` stay the same for as long as the alert lasts.

    >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    >>> told = dict(kind="metric", why="cpu is 9", detector="rare", score=9.0, threshold=4.0)
    >>> told |= dict(observed=9.0, expected=1.0, lower=0.0, upper=2.0)
    >>> body = message(Alert("a1", "it", key="cpu", opened_at=noon, **told), "m1")
    >>> body["status"], body["groupKey"], body["alerts"][0]["endsAt"]
    ('firing', 'ForewarnMetricAnomaly/it/cpu', '0001-01-01T00:00:00Z')
    """
    labels, annotations, ended = labels_of(alert), annotations_of(alert, page), ended_at(alert)
    group = {name: labels[name] for name in ("alertname", "desk", "series")}
    status = "resolved" if ended else "firing"
    one = {
        "status": status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": alert.opened_at.isoformat(),
        "endsAt": ended.isoformat() if ended else NEVER,
        "generatorURL": link_to(alert, page) if page else "",
        "fingerprint": alert.id,
    }
    return {
        "id": id,
        "version": "4",
        "groupKey": f"{group['alertname']}/{group['desk']}/{group['series']}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "forewarn",
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": page,
        "alerts": [one],
    }
