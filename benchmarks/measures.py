"""The measures on a real desk's log: 141,712 events of a ServiceNow instance, 24,918 incidents.

`python -m benchmarks.measures EVENTS TICKETS` writes one row a ticket, which
`forewarn ingest tickets TICKETS` reads without a word more.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from benchmarks.page import table
from benchmarks.priority import EVENTS
from benchmarks.triage import existing
from data.settings import Settings
from data.sources.files import read_table
from models.measure_words import COLUMNS, WORDS, cells, estimate
from models.measures import Report
from pipelines.ingest import ingest_tickets
from pipelines.report import report
from pipelines.workspace import workspace

UNTOUCHED = ("New", "-100")  # states of a ticket that nobody has taken on; -100 is none
UNKNOWN = "?"  # as the log writes it
RESOLVED = ("Resolved", "Closed")
KEPT = (
    "number", "opened_at", "acknowledged_at", "resolved_at", "category", "subcategory", "cmdb_ci",
    "assignment_group", "impact", "urgency", "priority", "contact_type", "made_sla", "reopen_count",
    "reassignment_count",
)  # fmt: skip
FORMAT = "%d/%m/%Y %H:%M"
SHOWN = 5  # categories
THIN = datetime(2016, 6, 1, tzinfo=UTC)  # from here on the log has a ticket or two a day


def tickets_of(events: pd.DataFrame) -> pd.DataFrame:
    """One row a ticket of an audit log with one row an event, both with ServiceNow's names.

    A ticket is as its last event says. It was acknowledged at the first event that finds it in
    another state than New. The log lacks `resolved_at` of one ticket in sixteen, all of them
    closed: there it is the first event that finds it resolved or closed.
    """
    ordered = events.assign(n=events["sys_mod_count"].astype(int))
    ordered = ordered.sort_values(["number", "n"], kind="stable")
    taken = first_event(ordered[~ordered["incident_state"].isin(UNTOUCHED)])
    done = first_event(ordered[ordered["incident_state"].isin(RESOLVED)])
    last = ordered.groupby("number").tail(1).set_index("number")
    said = last["resolved_at"].where(last["resolved_at"] != UNKNOWN)
    times = {
        "opened_at": last["opened_at"],
        "acknowledged_at": taken,
        "resolved_at": said.fillna(done),
    }
    plain = {name: iso(column) for name, column in times.items()}
    return last.assign(**plain).reset_index()[list(KEPT)].replace(UNKNOWN, "")


def first_event(ordered: pd.DataFrame) -> pd.Series:
    """When each ticket's first of these events was, by number."""
    return ordered.groupby("number")["sys_updated_at"].first()


def iso(column: pd.Series) -> pd.Series:
    """Times as nobody can mistake them; empty where there is none."""
    return pd.to_datetime(column, format=FORMAT).dt.strftime("%Y-%m-%dT%H:%M:%SZ").fillna("")


def reduced(path: Path) -> pd.DataFrame:
    """The tickets of an event log's file."""
    return tickets_of(pd.concat(read_table(path), ignore_index=True))


def measured(folder: Path) -> dict[str, object]:
    """The figures by category, by the way that a user goes: a file, `ingest`, `report`."""
    events = pd.concat(read_table(existing(folder, EVENTS)), ignore_index=True)
    tickets, last = tickets_of(events), events.groupby("number").tail(1)
    with tempfile.TemporaryDirectory() as home:
        file = Path(home) / "tickets.csv"
        tickets.to_csv(file, index=False)
        with workspace(Settings(home=Path(home))) as place:
            ingest_tickets(place, file)
            now = datetime.now(UTC)
            found = report(place, "category", now)
            spring = report(place, "category", now, until=THIN)
    return {
        "tickets": len(tickets),
        "shown": SHOWN,
        "table": markdown(found),
        "services": int((tickets["cmdb_ci"] != "").sum()),
        "unresolved": int((last["resolved_at"] == UNKNOWN).sum()),
        "spring": estimate(spring.of("volume")[0].middle, "count"),
    }


def markdown(found: Report) -> str:
    """The whole of each measure, and its largest categories."""
    rows = []
    for name, word in WORDS.items():
        shown = [one for one in found.of(name) if one.n][: SHOWN + 1]
        rows += [[f"{word.title}, {row[0]}", *row[1:]] for row in map(cells, shown)]
    return table(("measure, category", *COLUMNS[1:]), rows)


def main(arguments: Sequence[str]) -> int:
    """Reduce a log to one row a ticket."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measures", description=__doc__)
    parser.add_argument("events", type=Path, help="uci_incident_event_log.csv, .gz too")
    parser.add_argument("tickets", type=Path, help="the CSV that is written")
    given = parser.parse_args(arguments)
    tickets = reduced(given.events)
    tickets.to_csv(given.tickets, index=False)
    sys.stderr.write(f"{len(tickets):,} tickets stand in {given.tickets}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
