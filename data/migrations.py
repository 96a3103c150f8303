"""What was done to the tables, in order. A migration that has shipped is never edited."""

from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

Migration = Callable[[Connection], None]

# Names sort by their bytes in both engines, whatever the language of the PostgreSQL server.
NAME = Text().with_variant(Text(collation="C"), "postgresql")


def create_store_tables(connection: Connection) -> None:
    """Tickets and what was said of them, detections and their alerts, API keys, leases."""
    meta = MetaData()
    _ticket_tables(meta)
    _detection_tables(meta)
    _operation_tables(meta)
    meta.create_all(connection, checkfirst=False)


def _name(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, NAME, primary_key=key, nullable=False)


def _time(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _ticket_key() -> list[Column[str]]:
    return [_name(name, key=True) for name in ("desk", "source", "external_id")]


def _ticket_tables(meta: MetaData) -> None:
    tickets = Table(
        "tickets",
        meta,
        *_ticket_key(),
        _time("opened_at"),
        Column("title", Text, nullable=False),
        Column("body", Text, nullable=False),
        _time("resolved_at", nullable=True),
        Column("labels", Text, nullable=False),
        Column("channel", Text),
        Column("requester", NAME),
    )
    columns = tickets.columns
    Index("tickets_by_time", columns.desk, columns.opened_at, columns.source, columns.external_id)
    Index("tickets_by_requester", columns.desk, columns.requester)
    Table(
        "predictions",
        meta,
        *_ticket_key(),
        *(_name(name, key=True) for name in ("target", "model", "version")),
        Column("label", Text),
        Column("probability", Double, nullable=False),
        *(_name(name) for name in ("decision", "run_id")),
        _time("scored_at"),
    )
    Table(
        "feedback",
        meta,
        *_ticket_key(),
        *(_name(name, key=True) for name in ("target", "given_by")),
        Column("label", Text, nullable=False),
        _time("given_at"),
    )


def _detection_tables(meta: MetaData) -> None:
    Table(
        "incidents",
        meta,
        *(_name(name, key=True) for name in ("desk", "id")),
        Column("title", Text, nullable=False),
        _time("onset_at"),
        _time("ended_at", nullable=True),
        Column("categories", Text, nullable=False),
        Column("series", Text, nullable=False),
        _name("origin"),
    )
    Table(
        "detections",
        meta,
        *(_name(name, key=True) for name in ("desk", "detector")),
        _time("watermark"),
        Column("state", LargeBinary, nullable=False),
    )
    alerts = Table(
        "alerts",
        meta,
        _name("id", key=True),
        *(_name(name) for name in ("desk", "kind", "key")),
        _time("opened_at"),
        # SQLite keeps NaN as NULL, hence no NOT NULL here.
        *(Column(name, Double) for name in ("score", "threshold", "observed")),
        *(Column(name, Double) for name in ("expected", "lower", "upper")),
        Column("why", Text, nullable=False),
        _name("detector"),
        _time("peak_at", nullable=True),
        _time("closed_at", nullable=True),
        Column("n_tickets", Integer),
        _name("status"),
        Column("status_by", Text),
        _time("status_at", nullable=True),
    )
    Index("alerts_by_time", alerts.columns.opened_at)
    Index("alerts_by_desk", alerts.columns.desk, alerts.columns.opened_at)
    Table(
        "traces",
        meta,
        _name("alert_id", key=True),
        _name("desk"),
        Column("lines", Text, nullable=False),
    )


def _operation_tables(meta: MetaData) -> None:
    Table("leases", meta, _name("name", key=True), _name("holder"), _time("expires_at"))
    Table(
        "keys",
        meta,
        _name("id", key=True),
        _name("secret_sha256"),
        Column("scopes", Text, nullable=False),
        Column("desks", Text, nullable=False),
        _time("created_at"),
        _time("revoked_at", nullable=True),
        Column("note", Text, nullable=False),
    )


def create_history_tables(connection: Connection) -> None:
    """Metric points: the series, the hot points, and the day files that count."""
    meta = MetaData()
    Table(
        "history_series",
        meta,
        Column("id", Integer, primary_key=True),
        _name("desk"),
        _name("series"),
        UniqueConstraint("desk", "series"),
    )
    Table(
        "history_points",
        meta,
        Column("series_id", Integer, primary_key=True, autoincrement=False),
        Column("at", BigInteger, primary_key=True, autoincrement=False),
        Column("value", Double, nullable=False),
        Column("late", Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    Table(
        "history_days",
        meta,
        _name("desk", key=True),
        Column("day", BigInteger, primary_key=True, autoincrement=False),
        _name("file"),
        Column("n", Integer, nullable=False),
        _time("first_at"),
        _time("last_at"),
    )
    meta.create_all(connection, checkfirst=False)


def number_changes(connection: Connection) -> None:
    """What was done about a ticket; and tickets in the order of their last change."""
    connection.execute(text("ALTER TABLE tickets ADD COLUMN resolution TEXT NOT NULL DEFAULT ''"))
    meta = MetaData()
    meta.reflect(connection, only=["tickets"])
    names = [column.name for column in _ticket_key()]
    ticket = [f"tickets.{name}" for name in names]
    changes = Table(
        "ticket_changes",
        meta,
        *_ticket_key(),
        Column("number", BigInteger, nullable=False),
        ForeignKeyConstraint(names, ticket, ondelete="CASCADE"),
    )
    Index("ticket_changes_by_number", changes.columns.desk, changes.columns.number, unique=True)
    # Kept apart: after the last ticket is erased, the next one must not get its number.
    last = Column("number", BigInteger, nullable=False)
    Table("last_changes", meta, _name("desk", key=True), last)
    meta.create_all(connection)
    for fill in (NUMBER_TICKETS, KEEP_LAST):
        connection.execute(text(fill))


NUMBER_TICKETS = """
INSERT INTO ticket_changes (desk, source, external_id, number)
SELECT desk, source, external_id,
    row_number() OVER (PARTITION BY desk ORDER BY opened_at, source, external_id)
FROM tickets"""
KEEP_LAST = (
    "INSERT INTO last_changes (desk, number) SELECT desk, count(*) FROM tickets GROUP BY desk"
)


def keep_evidence(connection: Connection) -> None:
    """What an alert's numbers follow from, the series in it, and how every series stands."""
    for column in ("group_key TEXT NOT NULL DEFAULT ''", "members TEXT NOT NULL DEFAULT '[]'"):
        connection.execute(text(f"ALTER TABLE alerts ADD COLUMN {column}"))
    meta = MetaData()
    kept = Column("evidence", LargeBinary, nullable=False)
    Table("alert_evidence", meta, _name("alert_id", key=True), _name("desk"), kept)
    Table(
        "series_states",
        meta,
        *(_name(name, key=True) for name in ("desk", "key")),
        _name("state"),
        Column("silence", NAME),  # apart: another detector says whether points come at all
        *(_time(name, nullable=True) for name in ("since", "until", "silence_since")),
    )
    meta.create_all(connection, checkfirst=False)


def create_replays_table(connection: Connection) -> None:
    """What the newest replay of each desk and kind told."""
    meta = MetaData()
    Table(
        "replays",
        meta,
        *(_name(name, key=True) for name in ("desk", "kind")),
        _time("made_at"),
        *(Column(name, Text, nullable=False) for name in ("command", "told")),
    )
    meta.create_all(connection, checkfirst=False)


def create_forecasts(connection: Connection) -> None:
    """When series cross their limits, as last forecast."""
    meta = MetaData()
    Table(
        "forecasts",
        meta,
        *(_name(name, key=True) for name in ("desk", "series", "direction")),
        Column("limit_value", Double, primary_key=True, nullable=False),
        Column("told", Text, nullable=False),
    )
    meta.create_all(connection, checkfirst=False)


def tell_counters(connection: Connection) -> None:
    """Which series only ever count up."""
    added = "ALTER TABLE history_series ADD COLUMN counter BOOLEAN NOT NULL DEFAULT FALSE"
    connection.execute(text(added))


def create_outbox_tables(connection: Connection) -> None:
    """What is to be told of alerts, and to whom; what fires now is to be told."""
    meta = MetaData()
    outbox = Table(
        "outbox",
        meta,
        _name("alert_id", key=True),
        _name("desk"),
        Column("number", Integer, nullable=False),
        Column("firing", Boolean, nullable=False),
        _time("changed_at"),
    )
    Index("outbox_by_desk", outbox.columns.desk)
    Table(
        "receivers",
        meta,
        *(_name(name, key=True) for name in ("desk", "receiver")),
        _time("since"),
        Column("attempts", Integer, nullable=False),
        _time("retry_at", nullable=True),
        Column("error", Text, nullable=False),
    )
    deliveries = Table(
        "deliveries",
        meta,
        *(_name(name, key=True) for name in ("receiver", "alert_id")),
        _name("desk"),
        Column("number", Integer, nullable=False),
        Column("firing", Boolean, nullable=False),
        Column("labels", Text, nullable=False),
        _time("told_at", nullable=True),
        *(Column(name, Text, nullable=False) for name in ("key", "body", "error")),
        Column("attempts", Integer, nullable=False),
        _time("retry_at", nullable=True),
        Column("refused", Boolean, nullable=False),
    )
    Index("deliveries_by_alert", deliveries.columns.alert_id)
    meta.create_all(connection, checkfirst=False)
    connection.execute(text(TELL_ALERTS))


TELL_ALERTS = """
INSERT INTO outbox (alert_id, desk, number, firing, changed_at)
SELECT id, desk, 1, closed_at IS NULL AND status NOT IN ('resolved', 'false_alarm'),
    COALESCE(closed_at, opened_at)
FROM alerts"""


def plan_maintenance(connection: Connection) -> None:
    """Maintenance windows."""
    meta = MetaData()
    planned = Table(
        "maintenance",
        meta,
        _name("id", key=True),
        _name("desk"),
        *(_time(name) for name in ("starts_at", "ends_at", "created_at")),
        _time("removed_at", nullable=True),
        *(Column(name, Text, nullable=False) for name in ("series", "categories")),
        Column("weekly", Boolean, nullable=False),
        *(Column(name, Text, nullable=False) for name in ("note", "created_by")),
    )
    Index("maintenance_by_desk", planned.columns.desk, planned.columns.starts_at)
    meta.create_all(connection, checkfirst=False)


def keep_readings(connection: Connection) -> None:
    """What each detector saw last."""
    kind = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
    connection.execute(text(f"ALTER TABLE detections ADD COLUMN readings {kind}"))


def keep_changes(connection: Connection) -> None:
    """What was done to services."""
    meta = MetaData()
    told = Table(
        "service_changes",
        meta,
        _name("id", key=True),
        _name("desk"),
        *(Column(name, Text, nullable=False) for name in ("title", "service", "url", "told_by")),
        _time("at"),
    )
    Index("service_changes_by_desk", told.columns.desk, told.columns.at)
    meta.create_all(connection, checkfirst=False)


def keep_handling(connection: Connection) -> None:
    """How tickets were handled, and when a person first said anything of an alert."""
    times = ("acknowledged_at", "first_response_at", "sla_due_at")
    columns = [
        *(f"{name} BIGINT" for name in times),
        *(f"{name} BOOLEAN" for name in ("sla_met", "first_contact")),
        *(f"{name} INTEGER" for name in ("n_reopened", "n_reassigned")),
        "csat TEXT",
    ]
    for column in columns:
        connection.execute(text(f"ALTER TABLE tickets ADD COLUMN {column}"))
    connection.execute(text("ALTER TABLE alerts ADD COLUMN acknowledged_at BIGINT"))
    # Of earlier ones only the last word is known, which an alert that was reopened has none of.
    known = "UPDATE alerts SET acknowledged_at = status_at WHERE status <> 'open'"
    connection.execute(text(known))


def join_alerts(connection: Connection) -> None:
    """What alerts come to together. Those of long ago are not joined: nobody waits for them."""
    meta = MetaData()
    detected = Table(
        "detected_incidents",
        meta,
        _name("id", key=True),
        *(_name(name) for name in ("desk", "state", "priority")),
        *(Column(name, Text, nullable=False) for name in ("title", "why", "priority_why")),
        Column("state_by", Text),
        _time("opened_at"),
        *(_time(f"{name}_at", nullable=True) for name in ("state", "confirmed", "proposed")),
        _time("quiet_at", nullable=True),
        Column("n_tickets", Integer, nullable=False),
        Column("merged_into", NAME),
        *(Column(name, Text, nullable=False) for name in ("cause", "fix", "suspects")),
    )
    Index("detected_by_desk", detected.columns.desk, detected.columns.opened_at)
    joined = Table(
        "incident_alerts",
        meta,
        _name("alert_id", key=True),
        *(_name(name) for name in ("desk", "incident_id")),
        Column("because", Text, nullable=False),
        Column("by", Text),
        Column("split_from", NAME),
        Column("probability", Double, nullable=False),
    )
    Index("incident_alerts_by_incident", joined.columns.incident_id)
    meta.create_all(connection, checkfirst=False)


def keep_attributes(connection: Connection) -> None:
    """Where tickets come from, and where surges do. Of earlier ones nothing is known."""
    told = "ALTER TABLE tickets ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}'"
    connection.execute(text(told))
    connection.execute(text("ALTER TABLE alerts ADD COLUMN isolated TEXT"))


def keep_topics(connection: Connection) -> None:
    """The tickets of alerts that are about some tickets, not about a kind of them."""
    meta = MetaData()
    told = Table("alert_tickets", meta, _name("alert_id", key=True), *_ticket_key())
    columns = told.columns
    Index("alert_tickets_by_ticket", columns.desk, columns.source, columns.external_id)
    meta.create_all(connection, checkfirst=False)


def limit_keys(connection: Connection) -> None:
    """Keys end, and may have a rate of their own. Those of before go on as they were."""
    for column in ("expires_at BIGINT", "rate DOUBLE PRECISION"):
        connection.execute(text(f"ALTER TABLE keys ADD COLUMN {column}"))


def keep_audit_log(connection: Connection) -> None:
    """Who did what. The database itself refuses to change or delete a row."""
    meta = MetaData()
    number = BigInteger().with_variant(Integer, "sqlite")
    logged = Table(
        "audit_log",
        meta,
        Column("number", number, primary_key=True),
        _time("at"),
        *(_name(name) for name in ("who", "what", "desk", "subject")),
    )
    Index("audit_log_by_time", logged.columns.at)
    meta.create_all(connection, checkfirst=False)
    for statement in APPEND_ONLY[connection.dialect.name]:
        connection.execute(text(statement))


APPEND_ONLY = {
    "sqlite": [
        f"CREATE TRIGGER audit_log_no_{verb} BEFORE {verb} ON audit_log "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END"
        for verb in ("update", "delete")
    ],
    "postgresql": [
        "CREATE FUNCTION audit_log_refuses() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is only added to'; END $$",
        "CREATE TRIGGER audit_log_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuses()",
    ],
}


def order_updates(connection: Connection) -> None:
    """How new what is known of a ticket is, where its own system says so."""
    meta = MetaData()
    Table("ticket_updates", meta, *_ticket_key(), _time("at"))
    meta.create_all(connection, checkfirst=False)


def keep_serving(connection: Connection) -> None:
    """What each process of the endpoint did in each minute, and what each version said first."""
    meta = MetaData()
    told = Table(
        "serving_stats",
        meta,
        _name("process", key=True),
        Column("at", BigInteger, primary_key=True, nullable=False, autoincrement=False),
        *(Column(name, Text, nullable=False) for name in ("host", "forewarn", "figures")),
        *(Column(name, Integer, nullable=False) for name in ("pid", "n_tickets")),
        _time("started_at"),
        *(Column(name, Boolean, nullable=False) for name in ("is_last", "sent", "ended")),
    )
    Index("serving_by_time", told.columns.at)
    Table(
        "serving_firsts",
        meta,
        *(_name(name, key=True) for name in ("desk", "version")),
        _time("until"),
        Column("figures", Text, nullable=False),
    )
    meta.create_all(connection, checkfirst=False)


def keep_answers(connection: Connection) -> None:
    """What was answered to requests that may be sent again, for a day."""
    meta = MetaData()
    kept = Table(
        "kept_answers",
        meta,
        _name("id", key=True),
        *(_name(name) for name in ("desk", "body_sha256", "holder")),
        _time("begun_at"),
        _time("claimed_at"),
        Column("answer", LargeBinary),
    )
    Index("kept_answers_by_time", kept.columns.begun_at)
    meta.create_all(connection, checkfirst=False)


def write_desks_back(connection: Connection) -> None:
    """What is to be written into desks' own tickets, and what was."""
    meta = MetaData()
    told = Table(
        "write_backs",
        meta,
        *_ticket_key(),
        *(Column(name, Integer, nullable=False) for name in ("number", "told", "attempts")),
        _time("changed_at"),
        _time("retry_at", nullable=True),
        *(Column(name, Text, nullable=False) for name in ("wanted", "written", "sending", "error")),
        Column("refused", Boolean, nullable=False),
    )
    columns = told.columns
    Index("write_backs_by_time", columns.desk, columns.source, columns.changed_at)
    meta.create_all(connection, checkfirst=False)


def keep_shadows(connection: Connection) -> None:
    """What a challenger said of a ticket, beside what the champion had answered."""
    meta = MetaData()
    Table(
        "shadows",
        meta,
        *_ticket_key(),
        *(_name(name, key=True) for name in ("target", "champion", "challenger")),
        *(Column(name, Text) for name in ("label", "their_label")),
        *(Column(name, Text, nullable=False) for name in ("decision", "their_decision")),
        *(Column(name, Double, nullable=False) for name in ("probability", "their_probability")),
        _time("scored_at"),
    )
    meta.create_all(connection, checkfirst=False)


MIGRATIONS: list[Migration] = [
    create_store_tables,
    create_history_tables,
    number_changes,
    keep_evidence,
    create_replays_table,
    tell_counters,
    create_forecasts,
    create_outbox_tables,
    plan_maintenance,
    keep_readings,
    keep_changes,
    keep_handling,
    join_alerts,
    keep_attributes,
    keep_topics,
    limit_keys,
    keep_audit_log,
    order_updates,
    keep_serving,
    keep_answers,
    write_desks_back,
    keep_shadows,
]
