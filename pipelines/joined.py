"""Detected incidents beside the faults that are known: is each fault one incident, and of what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from data.records import Alert, DetectedIncident
from models.incidents import OF_TICKETS
from pipelines.found import Found
from pipelines.workspace import Workspace

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Joined:
    """A fault, and the detected incidents that its alerts are in: one, if all went well."""

    found: Found
    incidents: tuple[DetectedIncident, ...]

    @property
    def is_one(self) -> bool:
        return len(self.incidents) == 1

    @property
    def has_both(self) -> bool:
        """Whether tickets and metrics both tell of it."""
        return self.first(tickets=True) is not None and self.first(tickets=False) is not None

    def first(self, *, tickets: bool) -> datetime | None:
        """When the first ticket alert, or metric alert, about it opened."""
        times = [one.opened_at for one in self.found.alerts if (one.kind in OF_TICKETS) == tickets]
        return min(times, default=None)

    @property
    def lead(self) -> str:
        """Which evidence came first, and how much earlier."""
        tickets, metrics = self.first(tickets=True), self.first(tickets=False)
        if tickets is None or metrics is None:
            return "metrics alone" if metrics else "tickets alone" if tickets else ""
        minutes = (tickets - metrics) / MINUTE
        if minutes == 0:
            return "both at once"
        first, then = ("metrics", "tickets") if minutes > 0 else ("tickets", "metrics")
        return f"{first} {abs(minutes):.0f} min before {then}"


def joined(place: Workspace, found: Sequence[Found]) -> list[Joined]:
    """For each fault that was found, the incidents that its alerts were put into."""
    desk = place.settings.desk
    detected = {one.id: one for one in place.store.detected([desk], limit=None)}
    members = place.store.members(list(detected))
    of = {alert.id: id for id, inside in members.items() for alert, _ in inside}
    return [Joined(one, tuple(detected[id] for id in ids_of(one.alerts, of))) for one in found]


def ids_of(alerts: Sequence[Alert], of: dict[str, str]) -> list[str]:
    """The incidents that alerts are in, in the order of the alerts."""
    return list(dict.fromkeys(of[alert.id] for alert in alerts if alert.id in of))
