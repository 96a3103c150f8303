"""Alerts in words and numbers, as the templates show them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from data.records import Alert, Isolated, Trace
from models.evidence import Again, Evidence
from models.severity import severity, times_threshold

UNITS = {"surge": "tickets in the hour before", "topic": "tickets of the topic so far"}
SPANS = {
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
KINDS = {"metric": "Metric", "surge": "Ticket surge", "silent": "No points", "topic": "New topic"}
STATUSES = {
    "open": "Open",
    "acknowledged": "Acknowledged",
    "resolved": "Resolved",
    "false_alarm": "False alarm",
}


@dataclass(frozen=True)
class Filters:
    """What the list is narrowed to; an empty string narrows nothing."""

    status: str = "open"
    kind: str = ""
    key: str = ""
    span: str = ""
    desk: str = ""

    @property
    def is_narrow(self) -> bool:
        return bool(self.kind or self.key or self.span or self.desk)

    def url(self, page: int = 1, **changed: str) -> str:
        """The list, narrowed like this but for what is `changed`.

        >>> Filters(kind="metric").url(status="resolved")
        '/ops/alerts?status=resolved&kind=metric'
        """
        told = {
            "status": self.status or "all",
            "kind": self.kind,
            "key": self.key,
            "span": self.span,
            "desk": self.desk,
        } | changed
        given = {name: text for name, text in told.items() if text}
        return "/ops/alerts?" + urlencode(given | ({"page": page} if page > 1 else {}))


def address(path: str, **query: str) -> str:
    """A page's address with what is asked of it.

    >>> address("/ops/replay", desk="it", budget="0.5")
    '/ops/replay?desk=it&budget=0.5'
    """
    return f"{path}?{urlencode(query)}"


def ago(at: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits.

    >>> noon = datetime(2026, 1, 5, 12)
    >>> ago(datetime(2026, 1, 5, 11, 48), noon), ago(datetime(2026, 1, 3, 12), noon)
    ('12 min ago', '2 days ago')
    >>> ago(noon, noon), ago(noon, noon + timedelta(hours=5.1)), ago(noon, datetime(2026, 1, 5, 11))
    ('just now', '5 h ago', 'in 1 h')
    """
    seconds = (now - at).total_seconds()
    if abs(seconds) < 60:
        return "just now"
    count, hours, _ = lasting(abs(seconds)).partition(" h")  # an hour and some is an hour
    told = count + hours
    return f"{told} ago" if seconds > 0 else f"in {told}"


def lasting(seconds: float) -> str:
    """A length of time in words.

    >>> lasting(300), lasting(5400), lasting(7200), lasting(3 * 86400)
    ('5 min', '1 h 30 min', '2 h', '3 days')
    """
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {rest} min" if rest and hours < 10 else f"{hours} h"
    days = round(minutes / 1440)
    return f"{days} day" if days == 1 else f"{days} days"


def number(value: float | None) -> str:
    """A figure with as many digits as a person reads.

    >>> number(1234.5), number(0.031234), number(12.0), number(None), number(float("nan"))
    ('1,234', '0.0312', '12', 'unknown', 'unknown')
    """
    if value is None or math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "no limit"
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def row(alert: Alert, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """What one line of the list shows."""
    grade, word = severity(alert)
    return {
        "id": alert.id,
        "desk": alert.desk,
        "key": alert.key,
        "why": alert.summary,
        "kind": KINDS[alert.kind],
        "severity": grade,
        "severity_word": word,
        "ratio": "" if alert.kind == "silent" else f"{times_threshold(alert):.1f}× threshold",
        "status": alert.status,
        "status_word": STATUSES[alert.status],
        "opened": moment(alert.opened_at, now, zone),
        "episode": episode(alert, now),
    }


def moment(at: datetime, now: datetime, zone: ZoneInfo) -> dict[str, str]:
    local = at.astimezone(zone)
    return {
        "iso": at.isoformat(),
        "full": f"{local:%a} {local.day} {local:%b %Y, %H:%M %Z}",
        "ago": ago(at, now),
    }


def episode(alert: Alert, now: datetime) -> str:
    if alert.closed_at is None:
        return f"ongoing for {lasting((now - alert.opened_at).total_seconds())}"
    return f"lasted {lasting((alert.closed_at - alert.opened_at).total_seconds())}"


def facts(alert: Alert, now: datetime, zone: ZoneInfo) -> list[tuple[str, str]]:
    """Name and value of everything an alert records."""
    told = [
        ("Observed when strangest", number(alert.observed)),
        ("Expected then", number(alert.expected)),
        ("Normal range", f"{number(alert.lower)} to {number(alert.upper)}"),
        ("Score", f"{number(alert.score)} (threshold {number(alert.threshold)})"),
        ("Opened", moment(alert.opened_at, now, zone)["full"]),
        ("Closed", closed(alert, now, zone)),
        ("Detector", alert.detector),
        ("Desk", alert.desk),
    ]
    if alert.isolated is not None:
        told.insert(0, ("Where", isolated(alert.isolated)))
    if alert.n_tickets is not None:
        told.insert(0, ("Tickets", str(alert.n_tickets)))
    if alert.kind == "topic":  # what is new has no range
        told = [one for one in told if one[0] != "Normal range"]
    return told[4:] if alert.kind == "silent" else told


def isolated(found: Isolated) -> str:
    """Where a surge comes from, in numbers.

    >>> isolated(Isolated({"site": "Leeds"}, 14, 17, 0.2, 1e-6))
    'site Leeds: 14 of 17 tickets, usually 20 %'
    """
    names = ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in found.attributes.items()
    )
    usual = f"{100 * found.usual:.0f} %" if found.usual >= 0.01 else "under 1 %"
    return f"{names}: {found.n:,} of {found.of:,} tickets, usually {usual}"


def explained(evidence: Evidence, done: Again) -> list[tuple[str, str]]:
    """The sum that opened an alert, as it was done again for this page."""
    told = [
        ("Judged at", f"{str(evidence.at.astype('M8[m]')).replace('T', ' ')} UTC"),
        ("Detector", ", ".join([evidence.detector, *settings_of(evidence)])),
        ("Observed", number(evidence.value)),
        ("Expected", number(done.judged.expected)),
        ("Normal range", f"{number(done.judged.lower)} to {number(done.judged.upper)}"),
        ("Score", f"{number(done.judged.score)} (threshold {number(evidence.threshold)})"),
        ("SHA-256 of the sum", done.sha256),
    ]
    return [(name, text) for name, text in told if "unknown" not in text]


def settings_of(evidence: Evidence) -> list[str]:
    return [f"{name.replace('_', ' ')} {value}" for name, value in evidence.made_with.items()]


def closed(alert: Alert, now: datetime, zone: ZoneInfo) -> str:
    if alert.closed_at is None:
        return "not yet"
    return f"{moment(alert.closed_at, now, zone)['full']} ({episode(alert, now)})"


def judged(alert: Alert, now: datetime, zone: ZoneInfo) -> str:
    """Who said what of it, and when; empty where nobody has."""
    if alert.status_at is None:
        return ""
    said = "Reopened" if alert.status == "open" else STATUSES[alert.status]
    at = moment(alert.status_at, now, zone)
    return f"{said} by {alert.status_by or 'unknown'}, {at['ago']} ({at['full']})"


def chart(alert: Alert, trace: Trace, zone: ZoneInfo) -> dict[str, Any]:
    """What chart.js draws. Times are wall clock in `zone`, since plotly knows no zones."""
    is_peak_first = alert.peak_at == alert.opened_at
    opened = "opened, strangest" if is_peak_first and alert.kind != "silent" else "opened"
    marks = [
        (opened, alert.opened_at),
        ("strangest", None if is_peak_first else alert.peak_at),
        ("closed", alert.closed_at),
    ]
    return {
        "times": [wall(at, zone) for at in trace.times],
        "observed": plain(trace.observed),
        "expected": plain(trace.expected),
        "lower": plain(trace.lower),
        "upper": plain(trace.upper),
        "marks": [{"name": name, "at": wall(at, zone)} for name, at in marks if at],
        "unit": UNITS.get(alert.kind, alert.key),
        "zone": f"{alert.opened_at.astimezone(zone):%Z}",
    }


def wall(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def plain(values: Sequence[float | None]) -> list[float | None]:
    return [None if v is None or not math.isfinite(v) else v for v in values]


def table(trace: Trace, zone: ZoneInfo) -> list[tuple[str, str, str, str]]:
    """The chart in rows, for those who cannot see it."""
    return [
        (wall(at, zone)[:16], number(seen), number(wanted), f"{number(low)} to {number(high)}")
        for at, seen, wanted, low, high in zip(
            trace.times, trace.observed, trace.expected, trace.lower, trace.upper, strict=True
        )
    ]
