"""The store's detected incidents: which alerts are of one, and what people said of it."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, delete, exists, func, select, update

from data import tables
from data.records import Alert, AlertStatus, DetectedIncident, IncidentState, Membership
from data.rows import LOOKUP_ROWS, Rows, chunks, insert, row_of, upsert, window
from data.store_outbox import note_changes

TOLD = (
    "title",
    "why",
    "priority",
    "priority_why",
    "n_tickets",
    "opened_at",
    "quiet_at",
    "suspects",
)
PEOPLES = (
    "state", "state_at", "state_by", "confirmed_at", "proposed_at", "merged_into", "cause", "fix",
)  # fmt: skip
_INCIDENT = tables.detected_incidents.columns
_MEMBER = tables.memberships.columns


class DetectedRows(Rows):
    """Detected incidents, and the alerts that belong to them."""

    def unjoined_alerts(self, desk: str, since: datetime) -> list[Alert]:
        """Alerts opened from `since` on that belong to no incident yet, in the order of time."""
        alert = tables.alerts.columns
        joined = exists().where(_MEMBER.alert_id == alert.id)
        query = select(tables.alerts).where(alert.desk == desk, alert.opened_at >= since, ~joined)
        return self.fetch(query.order_by(alert.opened_at, alert.id), Alert)

    def detected(
        self,
        desks: Collection[str] | None = None,
        *,
        states: Collection[IncidentState] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = 100,
        offset: int = 0,
    ) -> list[DetectedIncident]:
        """Incidents opened in [since, until), the newest first; `desks` None means all desks."""
        query = select(tables.detected_incidents).where(
            *([] if desks is None else [_INCIDENT.desk.in_(desks)]),
            *([] if states is None else [_INCIDENT.state.in_(states)]),
            *window(_INCIDENT.opened_at, since, until),
        )
        query = query.order_by(_INCIDENT.opened_at.desc(), _INCIDENT.id)
        return self.fetch(query.limit(limit).offset(offset), DetectedIncident)

    def count_detected(self, desks: Collection[str] | None = None) -> dict[IncidentState, int]:
        """How many incidents are in which state; `desks` None means all desks."""
        query = select(_INCIDENT.state, func.count()).group_by(_INCIDENT.state)
        query = query if desks is None else query.where(_INCIDENT.desk.in_(desks))
        with self.reading.connect() as connection:
            return {state: n for state, n in connection.execute(query)}

    def detected_incident(self, id: str) -> DetectedIncident | None:
        """The incident of this id, None where there is none."""
        query = select(tables.detected_incidents).where(_INCIDENT.id == id)
        return next(iter(self.fetch(query, DetectedIncident)), None)

    def incident_of(self, alert_id: str) -> Membership | None:
        """Which incident an alert belongs to; None where it is in none."""
        query = select(tables.memberships).where(_MEMBER.alert_id == alert_id)
        return next(iter(self.fetch(query, Membership)), None)

    def members(self, ids: Collection[str]) -> dict[str, list[tuple[Alert, Membership]]]:
        """The alerts of incidents, by the incidents' ids, each list in the order of time."""
        found: dict[str, list[tuple[Alert, Membership]]] = {id: [] for id in ids}
        alert = tables.alerts.columns
        for some in chunks(list(ids), LOOKUP_ROWS):
            inside = _MEMBER.incident_id.in_(some)
            query = select(tables.memberships).where(inside)
            joined = {one.alert_id: one for one in self.fetch(query, Membership)}
            query = select(tables.alerts).where(
                alert.id.in_(select(_MEMBER.alert_id).where(inside))
            )
            for one in self.fetch(query.order_by(alert.opened_at, alert.id), Alert):
                if one.id in joined:  # it may have been moved between both reads
                    found[joined[one.id].incident_id].append((one, joined[one.id]))
        return found

    def put_joined(
        self, incidents: Sequence[DetectedIncident], members: Sequence[Membership]
    ) -> None:
        """Save what was joined, in one transaction. An alert that is in an incident stays there.

        Of an incident that is there what it tells is renewed; its state is `move_incident`'s.
        """
        if not incidents and not members:
            return
        with self.engine.begin() as connection:
            if incidents:
                rows = [row_of(tables.detected_incidents, one) for one in incidents]
                connection.execute(upsert(connection, tables.detected_incidents, TOLD), rows)
            if members:
                rows = [row_of(tables.memberships, one) for one in members]
                kept = insert(connection, tables.memberships).on_conflict_do_nothing()
                connection.execute(kept, rows)

    def move_incident(
        self, was: IncidentState, now: DetectedIncident, status: AlertStatus | None = None
    ) -> bool:
        """Take an incident from one state to another; False where it is not in that any more.

        So what a person says meanwhile is never undone by a look that had not seen it. With
        `status` its alerts are said to be that, too, by whom and when the incident says.
        """
        change = update(tables.detected_incidents).where(
            _INCIDENT.id == now.id, _INCIDENT.state == was
        )
        with self.engine.begin() as connection:
            told = {name: getattr(now, name) for name in PEOPLES}
            found = connection.execute(change.values(told)).rowcount > 0
            if found and status is not None:
                _judge_members(connection, now, status)
        return found

    def move_members(
        self, moved: Sequence[Membership], incidents: Sequence[DetectedIncident]
    ) -> None:
        """Put alerts into other incidents, as a person wants it; the incidents as they then are.

        They are told anew by the next look.
        """
        rows = [row_of(tables.memberships, one) for one in moved]
        touched = [row_of(tables.detected_incidents, one) | {"quiet_at": None} for one in incidents]
        with self.engine.begin() as connection:
            connection.execute(upsert(connection, tables.detected_incidents), touched)
            connection.execute(upsert(connection, tables.memberships), rows)


def _judge_members(connection: Connection, one: DetectedIncident, status: AlertStatus) -> None:
    """Say of all alerts of an incident what was said of it: the later word counts."""
    alert = tables.alerts.columns
    inside = select(_MEMBER.alert_id).where(_MEMBER.incident_id == one.id)
    which = and_(alert.id.in_(inside), alert.status != status)
    if status != "open":
        first = update(tables.alerts).where(which, alert.acknowledged_at.is_(None))
        connection.execute(first.values(acknowledged_at=one.state_at))
    said = {"status": status, "status_by": one.state_by, "status_at": one.state_at}
    changed = update(tables.alerts).where(which).values(said).returning(alert.id)
    ids = list(connection.execute(changed).scalars())
    note_changes(connection, ids, one.state_at or one.opened_at)


def delete_detected(connection: Connection, desk: str, before: datetime) -> dict[str, int]:
    """Delete what tells of alerts that are gone, and incidents that have none left; rows gone."""
    alert = tables.alerts.columns
    lost = and_(_MEMBER.desk == desk, ~exists().where(alert.id == _MEMBER.alert_id))
    members = connection.execute(delete(tables.memberships).where(lost)).rowcount
    left = exists().where(_MEMBER.incident_id == _INCIDENT.id)
    old = and_(_INCIDENT.desk == desk, _INCIDENT.opened_at < before)
    incidents = connection.execute(delete(tables.detected_incidents).where(old, ~left)).rowcount
    return {"incident_alerts": members, "detected_incidents": incidents}
