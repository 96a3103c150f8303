"""What people do with detected incidents: confirm, dismiss, resolve, merge, split."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from data.records import Alert, AlertStatus, DetectedIncident, IncidentState, Membership
from models.incidents import OPEN, moved, reopened, title_of, why_of

Members = Sequence[tuple[Alert, Membership]]
LONGEST = 1000  # letters of a cause, of a fix
FROM: dict[str, tuple[IncidentState, ...]] = {
    "confirm": ("candidate", "proposed", "resolved", "watched"),
    "dismiss": (*OPEN, "closed"),
    "resolve": ("candidate", "proposed", "confirmed"),
    "reopen": ("dismissed", "resolved", "watched", "closed"),
    "note": (*OPEN, "closed", "dismissed"),
}
SAID: dict[str, AlertStatus] = {
    "confirm": "acknowledged",
    "dismiss": "false_alarm",
    "resolve": "resolved",
    "reopen": "open",
}
"""What each act says of the incident's alerts."""


class Act(NamedTuple):
    """What a person does: one of `FROM`, and the cause and fix that they found, if any."""

    action: str
    by: str
    at: datetime
    cause: str = ""
    fix: str = ""


def acted(one: DetectedIncident, act: Act) -> DetectedIncident:
    """The incident after what a person did; ValueError where its state does not allow that.

    >>> nine = datetime(2026, 3, 2, 9)
    >>> one = DetectedIncident("i1", "it", "proposed", nine, "VPN", "", "P2", "")
    >>> confirmed = acted(one, Act("confirm", "ops", nine))
    >>> confirmed.state, confirmed.state_by, acted(confirmed, Act("resolve", "ops", nine)).state
    ('confirmed', 'ops', 'resolved')
    >>> acted(confirmed, Act("reopen", "ops", nine))
    Traceback (most recent call last):
    ...
    ValueError: incident i1 is confirmed: reopen is for one that is dismissed, resolved, watched
     or closed
    """
    if act.action not in FROM:
        raise ValueError(f"wanted one of {', '.join(FROM)}, got {act.action!r}")
    allowed = FROM[act.action]
    if one.state not in allowed:
        wanted = ", ".join(allowed[:-1]) + f" or {allowed[-1]}"
        raise ValueError(
            f"incident {one.id} is {one.state}: {act.action} is for one that is {wanted}"
        )
    told = replace(one, cause=act.cause[:LONGEST] or one.cause, fix=act.fix[:LONGEST] or one.fix)
    if act.action == "note":
        return told
    if act.action == "reopen":
        return reopened(told, act.at, act.by)
    if act.action == "confirm":
        confirmed = moved(told, "confirmed", act.at, act.by)
        return replace(confirmed, confirmed_at=told.confirmed_at or act.at)
    state: IncidentState = "dismissed" if act.action == "dismiss" else "resolved"
    return moved(told, state, act.at, act.by)


class Regrouped(NamedTuple):
    """Incidents and memberships as they are once a person has merged or split."""

    incidents: tuple[DetectedIncident, ...]
    members: tuple[Membership, ...]


def merged(
    into: DetectedIncident, mine: Members, other: DetectedIncident, theirs: Members,
    by: str, at: datetime, zone: ZoneInfo,
) -> Regrouped:  # fmt: skip
    """All alerts of another incident put into this one; the other is over."""
    check_open(into, other)
    if into.id == other.id:
        raise ValueError(f"incident {into.id} cannot be merged with itself")
    if into.desk != other.desk:
        raise ValueError("incidents of two desks cannot be merged")
    alerts = sorted((alert for alert, _ in (*mine, *theirs)), key=lambda one: one.opened_at)
    over = replace(moved(other, "merged", at, by), merged_into=into.id)
    came = tuple(
        replace(one, incident_id=into.id, by=by, because=f"merged by {by}", split_from=None)
        for _, one in theirs
    )
    whole = replace(into, n_tickets=into.n_tickets + other.n_tickets)
    return Regrouped((renamed(whole, alerts, zone), over), came)


def split(
    one: DetectedIncident, members: Members, ids: Collection[str],
    by: str, at: datetime, zone: ZoneInfo,
) -> Regrouped:  # fmt: skip
    """Some alerts of an incident made one of their own, which comes last; some must stay."""
    check_open(one)
    leaving = [(alert, member) for alert, member in members if alert.id in ids]
    staying = [alert for alert, _ in members if alert.id not in ids]
    if unknown := set(ids) - {alert.id for alert, _ in members}:
        raise ValueError(f"alert {min(unknown)} is not in incident {one.id}")
    if not leaving or not staying:
        raise ValueError("wanted some of the incident's alerts, not none and not all of them")
    going = [alert for alert, _ in leaving]
    new = DetectedIncident(
        id=incident_id(one.desk, going[0].id, one.id),
        desk=one.desk,
        state="candidate",
        opened_at=going[0].opened_at,
        title="",
        why="",
        priority=one.priority,
        priority_why="not worked out yet: split off just now",
        n_tickets=max((alert.n_tickets or 0 for alert in going), default=0),
        state_at=at,
        state_by=by,
    )
    went = tuple(
        replace(member, incident_id=new.id, by=by, because=f"split off by {by}", split_from=one.id)
        for _, member in leaving
    )
    left = replace(one, n_tickets=max((alert.n_tickets or 0 for alert in staying), default=0))
    return Regrouped((renamed(left, staying, zone), renamed(new, going, zone)), went)


# -- done to the store that is handed in ----------------------------------------------------------


class Keeper(Protocol):
    """What keeps incidents and their alerts: the store."""

    def members(self, ids: Collection[str]) -> Mapping[str, Members]: ...
    def move_incident(
        self, was: IncidentState, now: DetectedIncident, status: AlertStatus | None = None
    ) -> bool: ...
    def move_members(
        self, moved: Sequence[Membership], incidents: Sequence[DetectedIncident]
    ) -> None: ...


def say(keeper: Keeper, one: DetectedIncident, act: Act) -> DetectedIncident:
    """Keep what a person says of an incident and so of its alerts; the incident as it then is.

    ValueError where its state does not allow that, or is another one by now.
    """
    now = acted(one, act)
    if not keeper.move_incident(one.state, now, SAID.get(act.action)):
        raise ValueError(f"incident {one.id} has changed meanwhile; look at it again")
    return now


def merge(
    keeper: Keeper, into: DetectedIncident, other: DetectedIncident,
    by: str, at: datetime, zone: ZoneInfo,
) -> DetectedIncident:  # fmt: skip
    """Put the alerts of another incident into one, which is returned."""
    found = keeper.members([into.id, other.id])
    new = merged(into, found[into.id], other, found[other.id], by, at, zone)
    keeper.move_members(new.members, new.incidents)
    return new.incidents[0]


def split_off(
    keeper: Keeper, one: DetectedIncident, ids: Collection[str],
    by: str, at: datetime, zone: ZoneInfo,
) -> DetectedIncident:  # fmt: skip
    """Make some alerts of an incident one of their own, which is returned."""
    new = split(one, keeper.members([one.id])[one.id], ids, by, at, zone)
    keeper.move_members(new.members, new.incidents)
    return new.incidents[-1]


def renamed(one: DetectedIncident, alerts: Sequence[Alert], zone: ZoneInfo) -> DetectedIncident:
    """The incident told by the alerts that it now has."""
    return replace(
        one,
        opened_at=min(alert.opened_at for alert in alerts),
        title=title_of(alerts),
        why=why_of(alerts, one.n_tickets, zone),
    )


def check_open(*incidents: DetectedIncident) -> None:
    """ValueError where one of them is over."""
    for one in incidents:
        if one.state not in OPEN:
            raise ValueError(f"incident {one.id} is {one.state}: only open ones are regrouped")


def incident_id(desk: str, alert_id: str, split_from: str = "") -> str:
    """The id that an incident gets when it opens with an alert, and keeps."""
    about = "\n".join(["incident", desk, alert_id, split_from])
    return hashlib.sha256(about.encode()).hexdigest()[:12]
