"""The store's detections: what a detector has learnt, how far it came, what it raised."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, get_args

from sqlalchemy import ColumnElement, Connection, delete, select, update

from data import tables
from data.database import EPOCH
from data.records import Alert, AlertKind, AlertStatus, Trace
from data.rows import Rows, row_of, upsert, window
from data.store_outbox import delete_outbox, note_changes

LINES = ("observed", "expected", "lower", "upper")
DETECTORS_OWN = (
    "peak_at", "closed_at", "score", "observed", "expected", "lower", "upper", "why", "n_tickets",
)  # fmt: skip


class Detection(NamedTuple):
    """How far a detector has come, and what it has learnt."""

    watermark: datetime
    state: bytes


class AlertRows(Rows):
    """Detections, alerts and traces."""

    def save_detection(
        self,
        desk: str,
        detector: str,
        watermark: datetime,
        state: bytes,
        alerts: Sequence[Alert] = (),
        traces: Sequence[Trace] = (),
        *,
        saved_at: datetime | None = None,
    ) -> None:
        """Save all that one step of a detector brought, in one transaction: all of it or nothing.

        Of an alert that is there only what the detector owns is renewed. Its identity, opening and
        threshold stay as they were, and so does what a person said of it. What there is to tell of
        the alerts stands in the outbox from `saved_at` on, the watermark where that is not given.
        """
        _check_desk(desk, alerts)
        row = {"desk": desk, "detector": detector, "watermark": watermark, "state": state}
        with self.engine.begin() as connection:
            connection.execute(upsert(connection, tables.detections), row)
            _put_alerts(connection, alerts)
            note_changes(connection, [alert.id for alert in alerts], saved_at or watermark)
            _put_traces(connection, desk, traces)

    def detection(self, desk: str, detector: str) -> Detection | None:
        """Where `detector` stands on this desk; None where it has not begun."""
        columns = tables.detections.columns
        query = select(columns.watermark, columns.state)
        query = query.where(columns.desk == desk, columns.detector == detector)
        return next(iter(self.fetch(query, Detection)), None)

    def detections(self, desk: str) -> list[tuple[str, datetime]]:
        """The detectors that have begun on this desk, each with its watermark."""
        columns = tables.detections.columns
        query = select(columns.detector, columns.watermark).where(columns.desk == desk)
        with self.reading.connect() as connection:
            return [tuple(row) for row in connection.execute(query.order_by(columns.detector))]

    def alerts(
        self,
        *,
        desks: Collection[str] | None = None,
        status: AlertStatus | None = None,
        kind: AlertKind | None = None,
        key: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Alert]:
        """Alerts opened in [since, until), the newest first; `desks` None means all desks."""
        columns = tables.alerts.columns
        wanted = {"status": status, "kind": kind, "key": key}
        query = select(tables.alerts).where(
            *(columns[name] == value for name, value in wanted.items() if value is not None),
            *([] if desks is None else [columns.desk.in_(desks)]),
            *window(columns.opened_at, since, until),
        )
        query = query.order_by(columns.opened_at.desc(), columns.id)
        return self.fetch(query.limit(limit).offset(offset), Alert)

    def alert(self, id: str) -> Alert | None:
        """The alert of this id, None where there is none."""
        query = select(tables.alerts).where(tables.alerts.c.id == id)
        return next(iter(self.fetch(query, Alert)), None)

    def trace(self, id: str) -> Trace | None:
        """What the chart of this alert draws, None where nothing was kept."""
        query = select(tables.traces.c.lines).where(tables.traces.c.alert_id == id)
        with self.reading.connect() as connection:
            lines = connection.execute(query).scalar_one_or_none()
        return None if lines is None else _read_trace(id, lines)

    def judge_alert(self, id: str, status: AlertStatus, by: str, at: datetime) -> Alert:
        """Note what a person says of an alert; the alert as it then stands."""
        if status not in get_args(AlertStatus):
            wanted = ", ".join(get_args(AlertStatus))
            raise ValueError(f"status must be one of {wanted}, got {status!r}")
        verdict = update(tables.alerts).where(tables.alerts.c.id == id)
        verdict = verdict.values(status=status, status_by=by, status_at=at)
        with self.engine.begin() as connection:
            row = connection.execute(verdict.returning(tables.alerts)).mappings().one_or_none()
            note_changes(connection, [id], at)
        if row is None:
            raise LookupError(f"no alert {id!r}; it was never raised, or it has expired")
        return Alert(**row)


def delete_alerts(connection: Connection, which: ColumnElement[bool]) -> dict[str, int]:
    """Delete these alerts, their traces and what was to be told of them; rows gone by table."""
    ids = select(tables.alerts.c.id).where(which)
    delete_outbox(connection, ids)
    theirs = tables.traces.c.alert_id.in_(ids)
    gone = {"traces": connection.execute(delete(tables.traces).where(theirs)).rowcount}
    return gone | {"alerts": connection.execute(delete(tables.alerts).where(which)).rowcount}


def _check_desk(desk: str, alerts: Sequence[Alert]) -> None:
    others = sorted({alert.desk for alert in alerts} - {desk})
    if others:
        raise ValueError(f"wanted alerts of desk {desk!r}, got some of {', '.join(others)}")


def _put_alerts(connection: Connection, alerts: Sequence[Alert]) -> None:
    if alerts:
        statement = upsert(connection, tables.alerts, DETECTORS_OWN)
        connection.execute(statement, [row_of(tables.alerts, alert) for alert in alerts])


def _put_traces(connection: Connection, desk: str, traces: Sequence[Trace]) -> None:
    rows = [
        {"alert_id": trace.alert_id, "desk": desk, "lines": _write_trace(trace)} for trace in traces
    ]
    if rows:
        connection.execute(upsert(connection, tables.traces), rows)


def _write_trace(trace: Trace) -> str:
    lines = {name: [_known(value) for value in getattr(trace, name)] for name in LINES}
    times = [(time - EPOCH) // timedelta(microseconds=1) for time in trace.times]
    return json.dumps({"times": times, **lines})


def _read_trace(id: str, text: str) -> Trace:
    lines = json.loads(text)
    times = tuple(EPOCH + timedelta(microseconds=time) for time in lines.pop("times"))
    return Trace(id, times, **{name: tuple(values) for name, values in lines.items()})


def _known(value: float | None) -> float | None:
    return None if value is None or value != value else float(value)  # NaN is not JSON
