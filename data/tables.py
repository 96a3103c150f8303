"""The store's tables as the code of today reads and writes them; `data.migrations` made them."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

from data.database import UtcTime, Words
from data.records import Isolated, Suspect


class Labels(TypeDecorator[Mapping[str, str]]):
    """A mapping of names to texts, kept as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, str] | None, dialect: object) -> str | None:
        return None if value is None else json.dumps(dict(value), sort_keys=True)

    def process_result_value(self, value: str | None, dialect: object) -> dict[str, str] | None:
        return None if value is None else json.loads(value)


class Names(TypeDecorator[Sequence[str]]):
    """A tuple of names, kept as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str] | None, dialect: object) -> str | None:
        return None if value is None else json.dumps(list(value))

    def process_result_value(self, value: str | None, dialect: object) -> tuple[str, ...] | None:
        return None if value is None else tuple(json.loads(value))


class Suspects(TypeDecorator[Sequence[Suspect]]):
    """Suspects, kept as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[Suspect] | None, dialect: object) -> str | None:
        return None if value is None else json.dumps([asdict(one) for one in value])

    def process_result_value(self, value: str | None, dialect: object) -> tuple[Suspect, ...]:
        told = json.loads(value or "[]")
        return tuple(Suspect(**one | {"evidence": tuple(one["evidence"])}) for one in told)


class Isolation(TypeDecorator[Isolated]):
    """Where a surge comes from, kept as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Isolated | None, dialect: object) -> str | None:
        return None if value is None else json.dumps(asdict(value))

    def process_result_value(self, value: str | None, dialect: object) -> Isolated | None:
        return None if value is None else Isolated(**json.loads(value))


class Real(TypeDecorator[float]):
    """A number that may be NaN, kept as NULL: SQLite has no NaN."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: object) -> float | None:
        return None if value is None or math.isnan(value) else float(value)

    def process_result_value(self, value: float | None, dialect: object) -> float:
        return math.nan if value is None else value


class Figures(TypeDecorator[Mapping[tuple[str, ...], float]]):
    """Counts by keys of several names, kept as JSON: a list of [*key, count]."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self, value: Mapping[tuple[str, ...], float] | None, dialect: object
    ) -> str | None:
        return None if value is None else json.dumps([[*key, n] for key, n in value.items()])

    def process_result_value(
        self, value: str | None, dialect: object
    ) -> dict[tuple[str, ...], float]:
        return {tuple(key): n for *key, n in json.loads(value or "[]")}


meta = MetaData()


def _key(*names: str) -> list[Column[str]]:
    return [Column(name, Words, primary_key=True) for name in names]


def _columns(kind: object, *names: str) -> list[Column]:  # type: ignore[type-arg]
    return [Column(name, kind) for name in names]  # type: ignore[call-overload]


tickets = Table(
    "tickets",
    meta,
    *_key("desk", "source", "external_id"),
    *_columns(UtcTime, "opened_at", "resolved_at"),
    *_columns(Words, "title", "body", "channel", "requester"),
    Column("labels", Labels),
    *_columns(Words, "resolution", "csat"),
    *_columns(UtcTime, "acknowledged_at", "first_response_at", "sla_due_at"),
    *_columns(Boolean, "sla_met", "first_contact"),
    *_columns(Integer, "n_reopened", "n_reassigned"),
    Column("attributes", Labels),
)
changes = Table(
    "ticket_changes", meta, *_key("desk", "source", "external_id"), Column("number", BigInteger)
)
updates = Table(
    "ticket_updates", meta, *_key("desk", "source", "external_id"), Column("at", UtcTime)
)
last_changes = Table("last_changes", meta, *_key("desk"), Column("number", BigInteger))
predictions = Table(
    "predictions",
    meta,
    *_key("desk", "source", "external_id", "target", "model", "version"),
    *_columns(Words, "label", "decision", "run_id"),
    Column("probability", Double),
    Column("scored_at", UtcTime),
)
shadows = Table(
    "shadows",
    meta,
    *_key("desk", "source", "external_id", "target", "champion", "challenger"),
    *_columns(Words, "label", "decision", "their_label", "their_decision"),
    *_columns(Double, "probability", "their_probability"),
    Column("scored_at", UtcTime),
)
feedback = Table(
    "feedback",
    meta,
    *_key("desk", "source", "external_id", "target", "given_by"),
    Column("label", Words),
    Column("given_at", UtcTime),
)
incidents = Table(
    "incidents",
    meta,
    *_key("desk", "id"),
    *_columns(Words, "title", "origin"),
    *_columns(UtcTime, "onset_at", "ended_at"),
    *_columns(Names, "categories", "series"),
)
detected_incidents = Table(
    "detected_incidents",
    meta,
    *_key("id"),
    *_columns(Words, "desk", "state", "title", "why", "priority", "priority_why", "state_by"),
    *_columns(UtcTime, "opened_at", "state_at", "confirmed_at", "proposed_at", "quiet_at"),
    Column("n_tickets", Integer),
    *_columns(Words, "merged_into", "cause", "fix"),
    Column("suspects", Suspects),
)
memberships = Table(
    "incident_alerts",
    meta,
    *_key("alert_id"),
    *_columns(Words, "desk", "incident_id", "because", "by", "split_from"),
    Column("probability", Double),
)
maintenance = Table(
    "maintenance",
    meta,
    *_key("id"),
    *_columns(Words, "desk", "note", "created_by"),
    *_columns(UtcTime, "starts_at", "ends_at", "created_at", "removed_at"),
    *_columns(Names, "series", "categories"),
    Column("weekly", Boolean),
)
service_changes = Table(
    "service_changes",
    meta,
    *_key("id"),
    *_columns(Words, "desk", "title", "service", "url", "told_by"),
    Column("at", UtcTime),
)
detections = Table(
    "detections",
    meta,
    *_key("desk", "detector"),
    Column("watermark", UtcTime),
    Column("state", LargeBinary),
    Column("readings", LargeBinary),
)
alerts = Table(
    "alerts",
    meta,
    *_key("id"),
    *_columns(Words, "desk", "kind", "key", "why", "detector", "status", "status_by"),
    *_columns(UtcTime, "opened_at", "peak_at", "closed_at", "status_at", "acknowledged_at"),
    *_columns(Real, "score", "threshold", "observed", "expected", "lower", "upper"),
    Column("n_tickets", Integer),
    Column("group_key", Words),
    Column("members", Names),
    Column("isolated", Isolation),
)
alert_tickets = Table("alert_tickets", meta, *_key("alert_id", "desk", "source", "external_id"))
evidence = Table(
    "alert_evidence",
    meta,
    *_key("alert_id"),
    Column("desk", Words),
    Column("evidence", LargeBinary),
)
series_states = Table(
    "series_states",
    meta,
    *_key("desk", "key"),
    *_columns(Words, "state", "silence"),
    *_columns(UtcTime, "since", "until", "silence_since"),
)
traces = Table("traces", meta, *_key("alert_id"), *_columns(Words, "desk", "lines"))
replays = Table(
    "replays",
    meta,
    *_key("desk", "kind"),
    Column("made_at", UtcTime),
    *_columns(Words, "command", "told"),
)
forecasts = Table(
    "forecasts",
    meta,
    *_key("desk", "series", "direction"),
    Column("limit_value", Double, primary_key=True),
    Column("told", Words),
)
outbox = Table(
    "outbox",
    meta,
    *_key("alert_id"),
    Column("desk", Words),
    Column("number", Integer),
    Column("firing", Boolean),
    Column("changed_at", UtcTime),
)
receivers = Table(
    "receivers",
    meta,
    *_key("desk", "receiver"),
    *_columns(UtcTime, "since", "retry_at"),
    Column("attempts", Integer),
    Column("error", Words),
)
deliveries = Table(
    "deliveries",
    meta,
    *_key("receiver", "alert_id"),
    *_columns(Words, "desk", "key", "body", "error"),
    *_columns(Integer, "number", "attempts"),
    *_columns(Boolean, "firing", "refused"),
    *_columns(UtcTime, "told_at", "retry_at"),
    Column("labels", Labels),
)
write_backs = Table(
    "write_backs",
    meta,
    *_key("desk", "source", "external_id"),
    *_columns(Integer, "number", "told", "attempts"),
    *_columns(UtcTime, "changed_at", "retry_at"),
    *_columns(Labels, "wanted", "written", "sending"),
    Column("error", Words),
    Column("refused", Boolean),
)
leases = Table(
    "leases", meta, *_key("name"), Column("holder", Words), Column("expires_at", UtcTime)
)
keys = Table(
    "keys",
    meta,
    *_key("id"),
    *_columns(Words, "secret_sha256", "note"),
    *_columns(Names, "scopes", "desks"),
    *_columns(UtcTime, "created_at", "revoked_at", "expires_at"),
    Column("rate", Double),
)
audit_log = Table(
    "audit_log",
    meta,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", UtcTime),
    *_columns(Words, "who", "what", "desk", "subject"),
)
serving_stats = Table(
    "serving_stats",
    meta,
    *_key("process"),
    Column("at", UtcTime, primary_key=True),
    *_columns(Words, "host", "forewarn"),
    Column("pid", Integer),
    Column("started_at", UtcTime),
    Column("figures", Figures),
    Column("n_tickets", Integer),
    *_columns(Boolean, "is_last", "sent", "ended"),
)
serving_firsts = Table(
    "serving_firsts",
    meta,
    *_key("desk", "version"),
    Column("until", UtcTime),
    Column("figures", Figures),
)
kept_answers = Table(
    "kept_answers",
    meta,
    *_key("id"),
    *_columns(Words, "desk", "body_sha256", "holder"),
    *_columns(UtcTime, "begun_at", "claimed_at"),
    Column("answer", LargeBinary),
)
