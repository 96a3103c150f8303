"""Nine tickets, six incidents and their alerts, few enough to count on one's fingers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.records import Alert, Incident, Ticket
from data.store import Store
from tests.desk import table
from tests.endpoint import NOW, an_alert

FEBRUARY = datetime(2026, 2, 5, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
STEP = 5 * MINUTE
COLUMNS = (
    "number", "opened_at", "acknowledged_at", "first_response_at", "resolved_at", "category",
    "cmdb_ci", "sla_due", "made_sla", "reopen_count", "reassignment_count", "satisfaction_score",
)  # fmt: skip
SERVICES = {"mail": "exchange", "vpn": "gateway", "print": ""}
# opened; minutes until acknowledged, answered; hours until resolved; category; sla_due; made_sla;
# reopened; reassigned; rating
TICKETS = [
    (-35 * DAY, 1, 1, 1, "mail", "", "true", 0, 0, ""),
    (-16 * DAY, 1, 1, 1, "mail", "", "true", 0, 0, ""),
    (9 * HOUR, 1, 10, 1, "mail", "", "true", 0, 0, "Good"),
    (10 * HOUR, 2, 20, 2, "mail", "", "true", 0, 0, "5"),
    (DAY + 9 * HOUR, 3, 30, 3, "vpn", "", "true", 0, 1, "bad"),
    (2 * DAY + 9 * HOUR, 4, 40, 4, "mail", "", "false", 1, 0, "offered"),
    (2 * DAY + 10 * HOUR, 5, 50, None, "vpn", "", "true", 0, 0, ""),  # open, not late yet
    (3 * DAY + 9 * HOUR, 6, None, 6, "mail", "", "true", 0, 0, "4.0"),  # resolved, never answered
    (4 * DAY + 9 * HOUR, 7, 70, 7, "mail", "", "false", 0, 2, "2"),
    (5 * DAY + 9 * HOUR, None, None, None, "print", "2026-02-10 12:00", "", "", "", ""),  # and late
    (6 * DAY + 9 * HOUR, 8, 80, 8, "vpn", "", "true", 0, 0, "good"),
]
# onset; category; minutes from the onset until told, None for missed
INCIDENTS = [
    (-34 * DAY, "mail", None),
    (7 * HOUR, "mail", 10),
    (DAY, "vpn", 15),
    (2 * DAY, "mail", 20),
    (3 * DAY, "vpn", 25),
    (4 * DAY, "mail", 30),
    (5 * DAY, "mail", None),
]


def tickets_file(folder: Path) -> Path:
    """The tickets as a ServiceNow export might have them."""
    rows = []
    for number, (after, *took, category, due, met, reopened, reassigned, rated) in enumerate(
        TICKETS
    ):
        opened = FEBRUARY + after
        times = [
            "" if n is None else (opened + n * unit).isoformat()
            for n, unit in zip(took, (MINUTE, MINUTE, HOUR), strict=True)
        ]
        handled = [due, met, reopened, reassigned, rated]
        about = [category, SERVICES[category]]
        rows.append([f"INC{number}", opened.isoformat(), *times, *about, *handled])
    return table(folder / "export.csv", COLUMNS, rows)


def put_incidents(store: Store, desk: str) -> None:
    """The incidents, the alerts that found them, one false alarm, and what a person said."""
    incidents, alerts = [], []
    for number, (after, category, minutes) in enumerate(INCIDENTS):
        onset = FEBRUARY + after
        title = f"{category} down"
        incidents.append(
            Incident(f"I{number}", desk, title, onset, onset + HOUR, categories=(category,))
        )
        if minutes is not None:
            alerts.append(alert(number, desk, category, onset + minutes * MINUTE - STEP))
    false = alert(9, desk, "mail", incidents[-1].onset_at)  # else it would be found
    store.put_incidents(incidents)
    store.save_detection(desk, "surge", FEBRUARY + 7 * DAY, b"", [*alerts, false])
    for minutes, one in enumerate(alerts, start=1):
        store.judge_alert(one.id, "acknowledged", "ada", one.opened_at + STEP + minutes * MINUTE)
    store.judge_alert(false.id, "false_alarm", "ada", false.opened_at + STEP + 6 * MINUTE)


def alert(number: int, desk: str, category: str, opened_at: datetime) -> Alert:
    """A surge of a category."""
    told = an_alert(number, desk=desk, kind="surge", key=category, members=(category,))
    times = {"opened_at": opened_at, "peak_at": opened_at, "closed_at": opened_at + HOUR}
    return replace(told, group_key=category, **times)


def put_resolved(store: Store, desk: str, n: int, category: str = "mail") -> None:
    """Tickets of the last ten days, each resolved after one to six hours, but the last."""
    opened = [NOW - 10 * DAY + 6 * number * HOUR for number in range(n)]
    ended = [at + (1 + number % 6) * HOUR for number, at in enumerate(opened)]
    labels = {"category": category}
    store.put_tickets(
        [
            Ticket(
                desk, "export", f"{category}{at}", at, resolved_at=end if at < opened[-1] else None,
                labels=labels,
            )
            for at, end in zip(opened, ended, strict=True)
        ]
    )  # fmt: skip
