"""Alerts into incidents, after each look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from data.dependency_file import read_dependencies
from data.records import Alert, DetectedIncident, Membership, Trace
from models.incident_acts import incident_id
from models.incidents import OPEN, Spans, gone_on, grave, lag_told, title_of, why_of
from models.joining import Joined, Learnt, Past, Thing, join, learn, thing_of
from models.matrix import ITIL, Matrix
from models.suspects import Before, Known, service_of, suspects
from pipelines.episodes import HOUR
from pipelines.feeds import TARGET
from pipelines.workspace import Workspace

UNJOINED = timedelta(days=30)  # older alerts are left alone: nobody waits for them
LEARNT_FROM = timedelta(days=180)
CHANGES_OF = timedelta(weeks=4)  # that say how often a service is changed
MOST_CHANGES, MOST_SERIES = 2000, 2000
ALIKE, MOST_BEFORE = 0.3, 3
IMPACT = "impact"


@dataclass(frozen=True)
class Around:
    """What one look needs to know beside the alerts, each read once, when it is first asked for."""

    place: Workspace
    at: datetime

    @cached_property
    def needs(self) -> dict[str, frozenset[str]]:
        """What each service needs, by the file that the settings name."""
        file = self.place.settings.dependencies
        return read_dependencies(Path(file)) if file else {}

    @cached_property
    def matrix(self) -> Matrix:
        """The desk's matrix of impact and urgency."""
        return matrix_of(self.place)

    @cached_property
    def services(self) -> list[str]:
        """The services that the desk's series are of."""
        states = self.place.store.series_states(self.place.settings.desk, limit=MOST_SERIES)
        return [*dict.fromkeys(service_of(one.key) for one in states)]

    @cached_property
    def before(self) -> list[DetectedIncident]:
        """The incidents of the last half year, the newest first."""
        desk = self.place.settings.desk
        return self.place.store.detected([desk], since=self.at - LEARNT_FROM, limit=None)

    @cached_property
    def solved(self) -> list[tuple[DetectedIncident, set[Thing]]]:
        """Those of which somebody wrote down the cause, with what they were about."""
        told = [one for one in self.before if one.cause]
        members = self.place.store.members([one.id for one in told])
        return [(one, {thing_of(alert) for alert, _ in members[one.id]}) for one in told]


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
    desk, store, around = place.settings.desk, place.store, Around(place, at)
    needs = around.needs  # also without alerts: a file that is wrong is told at once
    fresh = store.unjoined_alerts(desk, at - UNJOINED)
    open_ = store.detected([desk], states=OPEN, limit=None)
    members = store.members([one.id for one in open_])
    cases = {
        one.id: Case(one, one, [alert for alert, _ in members[one.id]]) for one in reversed(open_)
    }
    if fresh:
        past = past_of(around)
        oldest = [one.opened_at for one in around.before[-1:]]
        since = min([fresh[0].opened_at, *oldest])
        n_things = max(sum(store.count_states(desk).values()), len({p.thing for p in past}), 1)
        for alert in fresh:
            n_weeks = max((alert.opened_at - since) / timedelta(weeks=1), 0.0)
            learnt = learn(past, n_weeks, n_things, needs)
            past.append(assigned(place, cases, alert, learnt))
    return saved(around, cases)


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


def past_of(around: Around) -> list[Past]:
    """What alerts of the last half year were joined to, less what people dismissed."""
    kept = [one.id for one in around.before if one.state != "dismissed"]
    found = around.place.store.members(kept)
    return [
        Past(thing_of(alert), id, one.probability, one.by is not None, one.split_from)
        for id in reversed(kept)
        for alert, one in found[id]
    ]


# -- how they stand ---------------------------------------------------------------------------


def saved(around: Around, cases: Mapping[str, Case]) -> list[DetectedIncident]:
    """Tell each incident anew, bring it to this look and save what changed, which is returned."""
    place, at = around.place, around.at
    for case in cases.values():
        is_over = case.saved is not None and not case.members and case.saved.quiet_at is not None
        told = case.incident if is_over else retold(around, case.incident, case.alerts)
        case.incident = gone_on(told, case.alerts, at, place.settings.incident_tickets)
    changed = [case for case in cases.values() if case.incident != case.saved]
    place.store.put_joined(
        [case.incident for case in changed], [one for case in changed for one in case.members]
    )
    for case in changed:
        if case.saved is not None and case.saved.state != case.incident.state:
            place.store.move_incident(case.saved.state, case.incident)
    return [case.incident for case in changed]


def retold(around: Around, incident: DetectedIncident, alerts: Sequence[Alert]) -> DetectedIncident:
    """The incident's title, size, reason, priority and suspects, as its alerts have them now."""
    if not alerts:
        return incident
    place, matrix, least = around.place, around.matrix, around.place.settings.incident_tickets
    labels = impacts_of(around, alerts)
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
            alerts, traces_of(place, alerts), known_of(around, incident, alerts), zone
        ),
    )


def traces_of(place: Workspace, alerts: Sequence[Alert]) -> dict[str, Trace]:
    """The charts of alerts, by their ids."""
    traces = {one.id: place.store.trace(one.id) for one in alerts}
    return {id: trace for id, trace in traces.items() if trace is not None}


def known_of(around: Around, incident: DetectedIncident, alerts: Sequence[Alert]) -> Known:
    """What else there is to know of where an incident began."""
    last = max(one.opened_at for one in alerts)
    desk, store = around.place.settings.desk, around.place.store
    changes = store.service_changes(desk, last - CHANGES_OF, last + HOUR, limit=MOST_CHANGES)
    weeks = CHANGES_OF / timedelta(weeks=1)
    before = alike(around, incident, alerts)
    return Known(around.needs, changes, weeks, before, around.services)


def alike(around: Around, incident: DetectedIncident, alerts: Sequence[Alert]) -> list[Before]:
    """Earlier incidents of which somebody wrote down the cause, the most alike first."""
    things, before = {thing_of(one) for one in alerts}, []
    for one, theirs in around.solved:
        like = len(things & theirs) / len(things | theirs)  # Jaccard's index
        if like >= ALIKE and one.opened_at < incident.opened_at:
            before.append(Before(one.title, one.opened_at, one.cause, one.fix, like))
    return sorted(before, key=lambda one: -one.like)[:MOST_BEFORE]


def impacts_of(around: Around, alerts: Sequence[Alert]) -> list[str]:
    """The impact of each ticket that an incident is about; "" where none is known."""
    surged = Spans.of(alerts, around.at)
    if not surged.spans:
        return []
    store, desk = around.place.store, around.place.settings.desk
    about = store.opened(desk, TARGET, *surged.whole)
    impact = {one[:2]: one.label for one in store.opened(desk, IMPACT, *surged.whole)}
    return [impact.get(one[:2], "") for one in about if surged.hold(one.label, one.opened_at)]


def matrix_of(place: Workspace) -> Matrix:
    """The desk's matrix of impact and urgency."""
    if not place.settings.priority_matrix:
        return ITIL
    from pipelines.priority import read_matrix  # with all that reads files of tickets

    return read_matrix(Path(place.settings.priority_matrix))
