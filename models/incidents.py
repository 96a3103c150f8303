"""What a detected incident is called, how grave it is, how it goes on: from its alerts alone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from data.records import Alert, DetectedIncident, IncidentState
from features.labels import sender_of
from features.names import shared_name
from features.windows import TOTAL
from models.joining import thing_of
from models.matrix import Matrix
from models.severity import times_threshold

SETTLES = timedelta(hours=1)  # of quiet, after which a resolved incident is only watched
QUIET = timedelta(hours=24)  # after which it is closed
STRONG = 1.5  # thresholds that one alert alone must come to, to be proposed
BATCH = 8  # kinds of tickets at once that no fault raises together
AT_ONCE = timedelta(minutes=15)
OF_TICKETS = ("surge", "topic")
HOUR = timedelta(hours=1)  # of tickets that a surge is told by
OPEN: tuple[IncidentState, ...] = ("candidate", "proposed", "confirmed", "resolved", "watched")
GOING_ON: tuple[IncidentState, ...] = ("candidate", "proposed", "confirmed")


# -- how it goes on ---------------------------------------------------------------------------


def quiet_since(alerts: Sequence[Alert], at: datetime) -> datetime | None:
    """Since when all alerts are closed, seen from `at`; None while one is open."""
    if any(one.closed_at is None or one.closed_at > at for one in alerts):
        return None
    return max((one.closed_at for one in alerts if one.closed_at), default=None)


def is_enough(alerts: Sequence[Alert], n_tickets: int, min_tickets: int) -> bool:
    """Whether alerts are worth a person's look.

    One thing alone, a little above its threshold, with few tickets, is a candidate and no more.
    """
    judged = [times_threshold(one) for one in alerts if one.kind != "silent"]
    return (
        len({thing_of(one) for one in alerts}) > 1
        or n_tickets >= min_tickets
        or max(judged, default=0.0) >= STRONG
    )


def gone_on(
    incident: DetectedIncident, alerts: Sequence[Alert], at: datetime, min_tickets: int
) -> DetectedIncident:
    """The incident as the signals leave it at a time; what a person decided stays.

    A candidate is proposed as soon as there is enough. All alerts closed make it resolved, an hour
    of quiet watched, a day of quiet closed. One that opens again meanwhile reopens it. Where a
    person called it resolved, only an alert that opened afterwards does.
    """
    now = stepped(incident, alerts, at, min_tickets)
    while now.state != incident.state:
        incident, now = now, stepped(now, alerts, at, min_tickets)
    return replace(now, quiet_at=quiet_since(alerts, at))


def stepped(
    one: DetectedIncident, alerts: Sequence[Alert], at: datetime, min_tickets: int
) -> DetectedIncident:
    """One change of state, or none."""
    quiet = quiet_since(alerts, at)
    if one.state not in OPEN:
        return one
    if alerts and all(alert.status == "false_alarm" for alert in alerts):
        by = max(alerts, key=lambda alert: alert.status_at or alert.opened_at)
        return moved(one, "dismissed", by.status_at or at, by.status_by)
    if one.state in GOING_ON:
        if one.state == "candidate" and is_enough(alerts, one.n_tickets, min_tickets):
            return replace(moved(one, "proposed", at), proposed_at=at)
        return moved(one, "resolved", quiet) if quiet else one
    return resting(one, alerts, at, quiet)


def resting(
    one: DetectedIncident, alerts: Sequence[Alert], at: datetime, quiet: datetime | None
) -> DetectedIncident:
    """What becomes of one that is resolved or watched."""
    since = one.state_at or one.opened_at
    if quiet is None:
        open_ = [alert for alert in alerts if alert.closed_at is None or alert.closed_at > at]
        again = one.state_by is None or any(alert.opened_at > since for alert in open_)
        return reopened(one, at) if again else one
    if one.state == "resolved" and at - max(quiet, since) >= SETTLES:
        return moved(one, "watched", max(quiet, since) + SETTLES)
    if one.state == "watched" and at - quiet >= QUIET:
        return moved(one, "closed", max(quiet + QUIET, since))
    return one


def reopened(one: DetectedIncident, at: datetime, by: str | None = None) -> DetectedIncident:
    """Going on once more, as what it was taken for."""
    state: IncidentState = (
        "confirmed" if one.confirmed_at else "proposed" if one.proposed_at else "candidate"
    )
    return moved(one, state, at, by)


def moved(
    one: DetectedIncident, state: IncidentState, at: datetime, by: str | None = None
) -> DetectedIncident:
    """The incident in another state."""
    return replace(one, state=state, state_at=at, state_by=by)


# -- what it is called ------------------------------------------------------------------------


def title_of(alerts: Sequence[Alert]) -> str:
    """What an incident is called: the tickets that most people wrote, and the strangest series."""
    surges, others = parted(alerts)
    if is_batch(alerts):
        return f"{len(surges)} kinds of tickets at once"
    heads = [*surges[:1], *others[:1]]
    title = ", ".join(f"{thing_of(one).name}" for one in heads)
    n = len({thing_of(one) for one in alerts}) - len(heads)
    return f"{title} and {n} more" if n > 0 else title


def parted(alerts: Sequence[Alert]) -> tuple[list[Alert], list[Alert]]:
    """The surges, those of most tickets first and the total last; and the rest by strength."""
    surges = [one for one in alerts if one.kind in OF_TICKETS]
    surges.sort(key=lambda one: (one.key == TOTAL, -(one.n_tickets or 0), one.opened_at))
    others = [one for one in alerts if one.kind not in OF_TICKETS]
    others.sort(key=lambda one: (one.kind == "silent", -times_threshold(one), one.opened_at))
    return surges, others


def is_batch(alerts: Sequence[Alert]) -> bool:
    """Whether so many kinds of tickets came at once, and nothing else, that a file was entered."""
    surges, others = parted(alerts)
    kinds = [one for one in surges if one.key != TOTAL]
    opened = sorted(one.opened_at for one in kinds)
    return len(kinds) >= BATCH and not others and opened[BATCH - 1] - opened[0] <= AT_ONCE


def why_of(alerts: Sequence[Alert], n_tickets: int, zone: ZoneInfo) -> str:
    """One sentence: what came first, what came with it and how much later."""
    surges, others = parted(alerts)
    if is_batch(alerts):
        return (
            f"{len(surges)} kinds of tickets at once, {n_tickets} tickets in all, and no metric: "
            "perhaps they were entered together"
        )
    if surges and others:
        main, first = surges[0], first_of(surges[0], others)
        tickets = tickets_told(surges, n_tickets, zone)
        told = f"{tickets}, {lag_told(main.opened_at, first.opened_at)} {moved_how(first)}"
        used = 1 + len(surges)
    elif surges:
        told, used = tickets_told(surges, n_tickets, zone), len(surges)
    else:
        first = min(others, key=lambda one: one.opened_at)
        told, used = f"{moved_how(first)} at {first.opened_at.astimezone(zone):%H:%M}", 1
    more = len(alerts) - used
    return told + (f"; {more} more alert{'s' if more > 1 else ''} with it" if more > 0 else "")


def ticket_span(alert: Alert, at: datetime) -> tuple[datetime, datetime]:
    """From when to when the tickets of an alert were opened, as far as is known at a time."""
    end = at if alert.closed_at is None else min(alert.closed_at, at)
    return alert.opened_at - HOUR, max(end, alert.opened_at)


class Spans(NamedTuple):
    """Of which kinds tickets surged, each from an hour before its alert to the alert's end."""

    spans: tuple[tuple[str, datetime, datetime], ...]

    @classmethod
    def of(cls, alerts: Sequence[Alert], at: datetime) -> "Spans":
        """Those of surges among the alerts, as far as is known at a time; the total is no kind."""
        surges = (one for one in alerts if one.kind == "surge" and one.key != TOTAL)
        return cls(tuple((one.key, *ticket_span(one, at)) for one in surges))

    @property
    def whole(self) -> tuple[datetime, datetime]:
        """From the first to the last moment of all."""
        return min(span[1] for span in self.spans), max(span[2] for span in self.spans)

    def hold(self, kind: str, opened_at: datetime) -> bool:
        """Whether a ticket is one of those that surged."""
        return any(kind == one and a <= opened_at < b for one, a, b in self.spans)


def tickets_told(surges: Sequence[Alert], n_tickets: int, zone: ZoneInfo) -> str:
    """How many tickets, on what, since when."""
    kinds = [*dict.fromkeys(one.key for one in surges if one.key != TOTAL)]
    about = f"on {' and '.join(kinds[:2])}" if kinds else "in all"
    if len(kinds) > 2:
        about = f"on {kinds[0]} and {len(kinds) - 1} more kinds"
    at = surges[0].opened_at
    return (
        f"{n_tickets} tickets {about} since {(at - HOUR).astimezone(zone):%H:%M}, "
        f"noticed at {at.astimezone(zone):%H:%M}"
    )


def first_of(surge: Alert, others: Sequence[Alert]) -> Alert:
    """The first series that moved, of those of the same name as the tickets where there are any."""
    named = [one for one in others if shared_name(surge.key, thing_of(one).name)]
    return min(named or others, key=lambda one: (one.kind == "silent", one.opened_at))


def moved_how(alert: Alert) -> str:
    """What a series did.

    >>> told = {"opened_at": datetime(2026, 3, 2), "score": 9, "threshold": 4, "why": ""}
    >>> told |= {"desk": "it", "detector": "", "lower": 0, "upper": 3, "kind": "metric"}
    >>> moved_how(Alert(id="a", key="vpn.errors", observed=9, expected=1, **told))
    'vpn.errors rose'
    """
    name = thing_of(alert).name
    if alert.kind == "silent":
        return f"{name} fell silent"
    return f"{name} {'fell' if alert.observed < alert.expected else 'rose'}"


def lag_told(at: datetime, other: datetime) -> str:
    """How one time lies to another, as words before what happened then.

    >>> nine = datetime(2026, 3, 2, 9)
    >>> lag_told(nine, nine - timedelta(minutes=11)), lag_told(nine, nine + timedelta(hours=2))
    ('11 min after', '2 h before')
    """
    minutes = round((at - other) / timedelta(minutes=1))
    if minutes == 0:
        return "as"
    far = abs(minutes)
    lasts = (
        f"{far} min" if far < 60 else f"{far // 60} h" + (f" {far % 60} min" if far % 60 else "")
    )
    return f"{lasts} {'after' if minutes > 0 else 'before'}"


# -- how grave it is --------------------------------------------------------------------------


class Grave(NamedTuple):
    """A proposed priority, and why."""

    priority: str
    why: str


def grave(
    alerts: Sequence[Alert], n_tickets: int, high_share: float, matrix: Matrix, min_tickets: int
) -> Grave:
    """The priority of an incident, by its size and how far it goes beyond what is usual.

    `high_share` of its tickets are of the highest impact by the desk's own word, NaN where nobody
    says. Many tickets, or several services, are impact; how many times its threshold the strangest
    alert came to is urgency; the desk's `matrix` makes a priority of both.
    """
    services = {sender_of(one.key, ()) for one in alerts if one.kind not in OF_TICKETS}
    kinds = {one.key for one in alerts if one.kind in OF_TICKETS} - {TOTAL}
    n = max(len(services), len(kinds))
    impact = (
        0
        if n_tickets >= 3 * min_tickets or n >= 4
        else 1
        if n_tickets >= min_tickets or n > 1
        else 2
    )
    impact = max(impact - (high_share >= 1 / 3), 0)
    ratios = [times_threshold(one) for one in alerts if one.kind != "silent"]
    worst = max(ratios, default=0.0)
    urgency = 0 if worst >= 3 else 1 if worst >= STRONG else 2
    label = matrix.priority[level(impact, matrix.impact)][level(urgency, matrix.urgency)]
    told = [f"{n_tickets} tickets"] if n_tickets else []
    told += [f"{len(services)} service{'s' if len(services) > 1 else ''}"] if services else []
    told += [f"{worst:.1f} times the threshold"] if ratios else []
    told += (
        [f"{high_share:.0%} of its tickets of the highest impact"] if high_share >= 1 / 3 else []
    )
    return Grave(label, ", ".join(told))


def level(number: int, levels: Sequence[str]) -> int:
    """One of three levels, from the highest on, among the desk's own.

    >>> level(1, ["1", "2", "3", "4", "5"]), level(2, ["High", "Low"])
    (2, 1)
    """
    return round(number * (len(levels) - 1) / 2)
