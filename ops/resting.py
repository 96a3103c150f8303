"""What rests for a while, in words: maintenance that goes on or is to come."""

from collections.abc import Collection
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from data.maintenance import now_or_next
from data.records import Alert, Maintenance
from features.windows import globs_of, matching
from ops import views
from ops.office import Office

MORNING = time(8)
LASTS = {"1h": "1 h", "4h": "4 h", "tomorrow": f"Until tomorrow {MORNING:%H:%M}"}


def planned(office: Office, desks: Collection[str]) -> list[dict[str, Any]]:
    """What goes on or is to come on these desks."""
    now = office.now()
    found = office.store().maintenances(desks, since=now)
    return [line(one, now, office.zone) for one in found]


def line(one: Maintenance, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """What the table says of one."""
    begin, end = now_or_next(one, now, zone) or (one.starts_at, one.ends_at)
    return {
        "id": one.id,
        "desk": one.desk,
        "what": ", ".join((*one.series, *(f"tickets on {x}" for x in one.categories))) or "all",
        "begin": views.moment(begin, now, zone),
        "end": views.moment(end, now, zone),
        "is_on": begin <= now,
        "weekly": one.weekly,
        "by": one.created_by,
        "note": one.note,
    }


def resting(office: Office, alert: Alert) -> dict[str, Any] | None:
    """The window that an alert's series rests in now; None where it is heard."""
    now = office.now()
    for one in office.store().maintenances([alert.desk], since=now):
        span = now_or_next(one, now, office.zone)
        if span and span[0] <= now and is_meant(one, alert):
            return line(one, now, office.zone)
    return None


def is_meant(one: Maintenance, alert: Alert) -> bool:
    """Whether a window is for what an alert is about."""
    globs = globs_of(one.series, one.categories, tickets=alert.kind == "surge")
    return bool(matching(globs, [alert.key])[0])
