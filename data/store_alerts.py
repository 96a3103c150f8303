"""The store's detections: what a detector has learnt, how far it came, what it raised."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, NamedTuple, get_args

from sqlalchemy import ColumnElement, Connection, case, delete, func, literal, null, select, update

from data import tables
from data.database import EPOCH
from data.readings import Readings
from data.records import Alert, AlertKind, AlertStatus, SeriesState, Trace
from data.rows import Rows, insert, row_of, upsert, window
from data.store_outbox import delete_outbox, note_changes
from data.ticket_texts import Key

LINES = ("observed", "expected", "lower", "upper")
DETECTORS_OWN = (
    "peak_at", "closed_at", "score", "observed", "expected", "lower", "upper", "why", "n_tickets",
    "members", "isolated",
)  # fmt: skip
SILENT, REPORTING = ("silent", "ended"), "reporting"
_COLUMNS = tables.series_states.columns
_SILENT = _COLUMNS.silence.is_not(None)
STATED = select(
    _COLUMNS.desk,
    _COLUMNS.key,
    case((_SILENT, _COLUMNS.silence), else_=_COLUMNS.state).label("state"),
    case((_SILENT, _COLUMNS.silence_since), else_=_COLUMNS.since).label("since"),
    case((_SILENT, null()), else_=_COLUMNS.until).label("until"),
)  # how a series stands: silence goes before what its values were like


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
        evidence: Mapping[str, bytes] | None = None,
        states: Sequence[SeriesState] = (),
        *,
        tickets: Mapping[str, Collection[Key]] | None = None,
        readings: Readings | None = None,
        saved_at: datetime | None = None,
    ) -> None:
        """Save all that one step of a detector brought, in one transaction: all of it or nothing.

        Of an alert that is there only what the detector owns is renewed. Its identity, opening and
        threshold stay as they were, and so do its evidence and what a person said of it.
        `evidence` is by alert id, and so are the `tickets` that one is about. What there is to tell
        of the alerts stands in the outbox from `saved_at` on, the watermark without that.
        """
        _check_desk(desk, [*alerts, *states])
        row = {"desk": desk, "detector": detector, "watermark": watermark, "state": state}
        row |= {"readings": None if readings is None else readings.written()}
        with self.engine.begin() as connection:
            connection.execute(upsert(connection, tables.detections), row)
            _put_alerts(connection, alerts)
            note_changes(connection, [alert.id for alert in alerts], saved_at or watermark)
            _put_traces(connection, desk, traces)
            _put_evidence(connection, desk, evidence or {})
            _put_states(connection, states)
            _put_tickets(connection, desk, tickets or {})

    def detection(self, desk: str, detector: str) -> Detection | None:
        """Where `detector` stands on this desk; None where it has not begun."""
        columns = tables.detections.columns
        query = select(columns.watermark, columns.state)
        query = query.where(columns.desk == desk, columns.detector == detector)
        return next(iter(self.fetch(query, Detection)), None)

    def readings(self, desk: str) -> dict[str, Readings]:
        """What each detector saw last; without those that have seen nothing."""
        columns = tables.detections.columns
        query = select(columns.detector, columns.readings).where(columns.desk == desk)
        query = query.where(columns.readings.is_not(None)).order_by(columns.detector)
        with self.reading.connect() as connection:
            return {name: Readings.read(row) for name, row in connection.execute(query)}

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

    def evidence(self, id: str) -> bytes | None:
        """What this alert's numbers follow from, as it was saved; None where nothing was kept."""
        query = select(tables.evidence.c.evidence).where(tables.evidence.c.alert_id == id)
        with self.reading.connect() as connection:
            found: bytes | None = connection.execute(query).scalar_one_or_none()
        return found

    def alert_tickets(self, ids: Collection[str]) -> list[Key]:
        """The tickets that these alerts are about, by (source, external_id), each once."""
        columns = tables.alert_tickets.columns
        query = select(columns.source, columns.external_id).distinct()
        query = query.where(columns.alert_id.in_(ids)).order_by(*query.selected_columns)
        with self.reading.connect() as connection:
            return [(source, id) for source, id in connection.execute(query)]

    def series_states(
        self,
        desk: str,
        *,
        state: str | None = None,
        contains: str = "",
        limit: int | None = None,
        offset: int = 0,
    ) -> list[SeriesState]:
        """How the series of a desk stand, by key: those that have `contains` in it, in any case."""
        told = STATED.subquery()
        query = select(told).where(
            told.c.desk == desk,
            *([] if state is None else [told.c.state == state]),
            *([told.c.key.icontains(contains, autoescape=True)] if contains else []),
        )
        return self.fetch(query.order_by(told.c.key).limit(limit).offset(offset), SeriesState)

    def count_states(self, desk: str) -> dict[str, int]:
        """How many series of a desk stand how."""
        told = STATED.subquery()
        query = select(told.c.state, func.count()).where(told.c.desk == desk)
        with self.reading.connect() as connection:
            return {state: n for state, n in connection.execute(query.group_by(told.c.state))}

    def judge_alert(self, id: str, status: AlertStatus, by: str, at: datetime) -> Alert:
        """Note what a person says of an alert; the alert as it then stands."""
        if status not in get_args(AlertStatus):
            wanted = ", ".join(get_args(AlertStatus))
            raise ValueError(f"status must be one of {wanted}, got {status!r}")
        verdict = update(tables.alerts).where(tables.alerts.c.id == id)
        first = tables.alerts.c.acknowledged_at
        acknowledged = first if status == "open" else func.coalesce(first, literal(at, first.type))
        verdict = verdict.values(
            status=status, status_by=by, status_at=at, acknowledged_at=acknowledged
        )
        with self.engine.begin() as connection:
            row = connection.execute(verdict.returning(tables.alerts)).mappings().one_or_none()
            note_changes(connection, [id], at)
        if row is None:
            raise LookupError(f"no alert {id!r}; it was never raised, or it has expired")
        return Alert(**row)


def delete_alerts(connection: Connection, which: ColumnElement[bool]) -> dict[str, int]:
    """Delete these alerts, all that was kept of them and what was to be told; rows by table."""
    ids, gone = select(tables.alerts.c.id).where(which), {}
    delete_outbox(connection, ids)
    for table in (tables.traces, tables.evidence, tables.alert_tickets):
        gone[table.name] = connection.execute(
            delete(table).where(table.c.alert_id.in_(ids))
        ).rowcount
    return gone | {"alerts": connection.execute(delete(tables.alerts).where(which)).rowcount}


def _check_desk(desk: str, found: Sequence[Alert | SeriesState]) -> None:
    others = sorted({one.desk for one in found} - {desk})
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


def _put_evidence(connection: Connection, desk: str, evidence: Mapping[str, bytes]) -> None:
    """What an alert began with stays: a second write of the same alert changes nothing."""
    rows = [{"alert_id": id, "desk": desk, "evidence": kept} for id, kept in evidence.items()]
    if rows:
        connection.execute(insert(connection, tables.evidence).on_conflict_do_nothing(), rows)


def _put_tickets(connection: Connection, desk: str, tickets: Mapping[str, Collection[Key]]) -> None:
    rows = [
        {"alert_id": alert, "desk": desk, "source": source, "external_id": external_id}
        for alert, keys in tickets.items()
        for source, external_id in keys
    ]
    if rows:
        kept = insert(connection, tables.alert_tickets).on_conflict_do_nothing()
        connection.execute(kept, rows)


def _put_states(connection: Connection, states: Sequence[SeriesState]) -> None:
    """Whether points come stands in columns of its own, beside what the values are like."""
    of_values = [one for one in states if one.state not in (*SILENT, REPORTING)]
    rows: list[dict[str, Any]] = [asdict(one) for one in of_values]
    if rows:
        names = ("state", "since", "until")
        connection.execute(upsert(connection, tables.series_states, names), rows)
    rows = [
        {"desk": one.desk, "key": one.key, "state": "learning", "silence_since": one.since}
        | {"silence": None if one.state == REPORTING else one.state}
        for one in states
        if one.state in (*SILENT, REPORTING)
    ]
    if rows:
        names = ("silence", "silence_since")
        connection.execute(upsert(connection, tables.series_states, names), rows)


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
