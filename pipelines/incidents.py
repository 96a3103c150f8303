"""Alerts into incidents, after each look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from data.dependency_file import read_dependencies
from data.records import Alert, DetectedIncident, Membership, Trace
from models.incident_acts import incident_id
from models.incidents import OPEN, gone_on, grave, lag_told, ticket_span, title_of, why_of
from models.joining import Joined, Learnt, Past, join, learn, thing_of
from models.matrix import ITIL, Matrix
from models.suspects import Before, Known, service_of, suspects
from pipelines.episodes import HOUR
from pipelines.feeds import TARGET, TOTAL
from pipelines.workspace import Workspace

UNJOINED = timedelta(days=30)  # older alerts are left alone: nobody waits for them
LEARNT_FROM = timedelta(days=180)
CHANGES_OF = timedelta(weeks=4)  # that say how often a service is changed
MOST_CHANGES, MOST_SERIES = 2000, 2000
ALIKE, MOST_BEFORE = 0.3, 3
IMPACT = "impact"


@dataclass
class Case:
    """An incident at work: as it stands, as it was saved, its alerts and how they came to it."""

    incident: DetectedIncident
    saved: DetectedIncident | None
    alerts: list[Alert]
    members: list[Membership] = field(default_factory=list)  # that are not saved yet


def join_alerts(place: Workspace, at: datetime) -> list[DetectedIncident]:
    """Put every alert that is in no incident into one, and bring all to `at`; those that changed.

    An alert is assigned once, and the id of an incident comes from its first alert. What was saved
    is left as it is by another run on the same alerts.
    """
    desk, store, needs = place.settings.desk, place.store, needs_of(place)
    fresh = store.unjoined_alerts(desk, at - UNJOINED)
    open_ = store.detected([desk], states=OPEN, limit=None)
    members = store.members([one.id for one in open_])
    cases = {
        one.id: Case(one, one, [alert for alert, _ in members[one.id]]) for one in reversed(open_)
    }
    if fresh:
        past = past_of(place, at)
        since = min(first_alert(place, at), fresh[0].opened_at)
        n_things = max(sum(store.count_states(desk).values()), len({p.thing for p in past}), 1)
        for alert in fresh:
            n_weeks = max((alert.opened_at - since) / timedelta(weeks=1), 0.0)
            learnt = learn(past, n_weeks, n_things, needs)
            past.append(assigned(place, cases, alert, learnt))
    return saved(place, cases, at)


def assigned(place: Workspace, cases: dict[str, Case], alert: Alert, learnt: Learnt) -> Past:
    """Put an alert into the incident it belongs to, or open one with it."""
    for case in cases.values():
        case.incident = gone_on(
            case.incident, case.alerts, alert.opened_at, place.settings.incident_tickets
        )
    live = {id: case.alerts for id, case in cases.items() if case.incident.state in OPEN}
    found = join(alert, live, learnt)
    id = found.incident
    if id is None:
        case = opened(place, alert)
        id = case.incident.id
        cases.setdefault(id, case)
    case = cases[id]
    case.alerts.append(alert)
    case.members.append(membership(alert, id, found))
    return Past(thing_of(alert), id, found.probability if found.incident else 0.0)


def opened(place: Workspace, alert: Alert) -> Case:
    """A new incident, which this alert opens."""
    incident = DetectedIncident(
        id=incident_id(place.settings.desk, alert.id),
        desk=place.settings.desk,
        state="candidate",
        opened_at=alert.opened_at,
        title=thing_of(alert).name,
        why=alert.why,
        priority="",
        priority_why="",
        state_at=alert.opened_at,
    )
    return Case(incident, None, [])


def membership(alert: Alert, id: str, found: Joined) -> Membership:
    """That an alert is of an incident, and what spoke most for it."""
    joined = found.incident is not None
    because = ""
    if joined and found.by is not None:
        lag = lag_told(alert.opened_at, found.by.opened_at)
        lag = "at the same time as" if lag == "as" else lag
        because = f"{lag} {thing_of(found.by).told}"
    return Membership(alert.id, alert.desk, id, found.probability if joined else 0.0, because)


# -- what is known ----------------------------------------------------------------------------


def past_of(place: Workspace, at: datetime) -> list[Past]:
    """What alerts of the last half year were joined to, less what people dismissed."""
    desk, since = place.settings.desk, at - LEARNT_FROM
    kept = [
        one.id
        for one in place.store.detected([desk], since=since, limit=None)
        if one.state != "dismissed"
    ]
    found = place.store.members(kept)
    return [
        Past(thing_of(alert), id, one.probability, one.by is not None, one.split_from)
        for id in reversed(kept)
        for alert, one in found[id]
    ]


def first_alert(place: Workspace, at: datetime) -> datetime:
    """Since when alerts are counted: rates are per week of it."""
    desk, since = place.settings.desk, at - LEARNT_FROM
    known = place.store.detected([desk], since=since, limit=None)
    return known[-1].opened_at if known else at


# -- how they stand ---------------------------------------------------------------------------


def saved(place: Workspace, cases: Mapping[str, Case], at: datetime) -> list[DetectedIncident]:
    """Tell each incident anew, bring it to `at` and save what changed, which is returned."""
    for case in cases.values():
        is_over = case.saved is not None and not case.members and case.saved.quiet_at is not None
        told = case.incident if is_over else retold(place, case.incident, case.alerts, at)
        case.incident = gone_on(told, case.alerts, at, place.settings.incident_tickets)
    changed = [case for case in cases.values() if case.incident != case.saved]
    place.store.put_joined(
        [case.incident for case in changed], [one for case in changed for one in case.members]
    )
    for case in changed:
        if case.saved is not None and case.saved.state != case.incident.state:
            place.store.move_incident(case.saved.state, case.incident)
    return [case.incident for case in changed]


def retold(
    place: Workspace, incident: DetectedIncident, alerts: Sequence[Alert], at: datetime
) -> DetectedIncident:
    """The incident's title, size, reason, priority and suspects, as its alerts have them now."""
    if not alerts:
        return incident
    matrix, least = matrix_of(place), place.settings.incident_tickets
    labels = impacts_of(place, alerts, at)
    n_tickets = max([len(labels), *(one.n_tickets or 0 for one in alerts)])
    known = [label for label in labels if label]
    highest = sum(label == matrix.impact[0] for label in known)
    graded = grave(alerts, n_tickets, highest / len(known) if known else 0.0, matrix, least)
    zone = ZoneInfo(place.settings.timezone)
    return replace(
        incident,
        opened_at=min(one.opened_at for one in alerts),
        title=title_of(alerts),
        why=why_of(alerts, n_tickets, zone),
        n_tickets=n_tickets,
        priority=graded.priority,
        priority_why=graded.why,
        suspects=suspects(
            alerts, traces_of(place, alerts), known_of(place, incident, alerts), zone
        ),
    )


def traces_of(place: Workspace, alerts: Sequence[Alert]) -> dict[str, Trace]:
    """The charts of alerts, by their ids."""
    traces = {one.id: place.store.trace(one.id) for one in alerts}
    return {id: trace for id, trace in traces.items() if trace is not None}


def known_of(place: Workspace, incident: DetectedIncident, alerts: Sequence[Alert]) -> Known:
    """What else there is to know of where an incident began."""
    last = max(one.opened_at for one in alerts)
    since = last - CHANGES_OF
    desk = place.settings.desk
    changes = place.store.service_changes(desk, since, last + HOUR, limit=MOST_CHANGES)
    weeks = CHANGES_OF / timedelta(weeks=1)
    states = place.store.series_states(desk, limit=MOST_SERIES)
    services = dict.fromkeys(service_of(one.key) for one in states)
    return Known(needs_of(place), changes, weeks, alike(place, incident, alerts), [*services])


def alike(place: Workspace, incident: DetectedIncident, alerts: Sequence[Alert]) -> list[Before]:
    """Earlier incidents of which somebody wrote down the cause, the most alike first."""
    desk, now = place.settings.desk, incident.opened_at
    found = place.store.detected([desk], since=now - LEARNT_FROM, until=now, limit=None)
    told = [one for one in found if one.cause and one.id != incident.id]
    members = place.store.members([one.id for one in told])
    things = {thing_of(one) for one in alerts}
    before = []
    for one in told:
        theirs = {thing_of(alert) for alert, _ in members[one.id]}
        like = len(things & theirs) / len(things | theirs)  # Jaccard's index
        if like >= ALIKE:
            before.append(Before(one.title, one.opened_at, one.cause, one.fix, like))
    return sorted(before, key=lambda one: -one.like)[:MOST_BEFORE]


def needs_of(place: Workspace) -> dict[str, frozenset[str]]:
    """What each service needs, by the file that the settings name."""
    file = place.settings.dependencies
    return read_dependencies(Path(file)) if file else {}


def impacts_of(place: Workspace, alerts: Sequence[Alert], at: datetime) -> list[str]:
    """The impact of each ticket that an incident is about; "" where none is known.

    That is a ticket of a kind that surged, from an hour before its alert to the alert's end.
    """
    spans = [(one.key, *ticket_span(one, at)) for one in alerts if one.kind == "surge"]
    spans = [span for span in spans if span[0] != TOTAL]
    if not spans:
        return []
    start, stop = min(span[1] for span in spans), max(span[2] for span in spans)
    desk = place.settings.desk
    about = place.store.opened(desk, TARGET, start, stop)
    impact = {one[:2]: one.label for one in place.store.opened(desk, IMPACT, start, stop)}
    return [
        impact.get(one[:2], "")
        for one in about
        if any(kind == one.label and a <= one.opened_at < b for kind, a, b in spans)
    ]


def matrix_of(place: Workspace) -> Matrix:
    """The desk's matrix of impact and urgency."""
    if not place.settings.priority_matrix:
        return ITIL
    from pipelines.priority import read_matrix  # with all that reads files of tickets

    return read_matrix(Path(place.settings.priority_matrix))
