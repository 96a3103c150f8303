"""The whole way once, on a simulated desk: from two files to a served model and raised alerts.

The model and the thresholds come from the weeks before the last two. The last two are then gone
through step by step as if they were happening, and what was raised is held against the incidents
that the simulator planted.
"""

import csv
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from data.points import Points
from data.settings import Settings
from data.simulate import Simulated, write
from data.simulate import simulate as make
from data.sources.changes import read_changes
from pipelines import console
from pipelines.console import Report, Step, shown
from pipelines.detect import advance, begin, resume, save
from pipelines.feeds import KINDS, Kind, instant
from pipelines.found import Comparison, Found, compare
from pipelines.incidents import join_alerts
from pipelines.ingest import ingest_incidents, ingest_points, ingest_tickets
from pipelines.joined import Joined, joined
from pipelines.train import COLUMNS, Recipe, TrainingReport
from pipelines.workspace import Workspace, workspace

END = datetime(2026, 3, 2, tzinfo=UTC)  # fixed, so that a seed always gives the same desk
LIVE = timedelta(weeks=2)
TARGETS = ("category", "impact", "urgency", "group")
PRECISION = 0.9  # some hundred held-out tickets a class are too few to show 95 %
DEPENDENCIES = "dependencies.csv"
MARK = "simulated-desk"  # the file that says that a folder is a demo's, and may be emptied


def run(settings: Settings, seed: int) -> None:
    """Do it all and print what was found."""
    empty(settings.home)
    console.out.print(
        f"[bold]A simulated help desk and its services' metrics[/], seed {seed}: eight weeks to "
        f"{END:%Y-%m-%d}, the last two with incidents whose onset is known"
    )
    past, live = settings.home / "files" / "past", settings.home / "files" / "live"
    settings = replace(settings, dependencies=str(live / DEPENDENCIES))
    shown("Simulate", lambda _: simulate(settings.desk, seed, past, live))
    with workspace(settings) as place:
        ingest(place, past, shown)
        learn(place, shown)
    report = train(past, live)
    with workspace(settings) as place:
        ingest(place, live, shown)
        compared = watch(place, live, shown)
        together = joined(place, compared.found)
    show_training(report)
    show_found(compared)
    show_joined(together)


def empty(home: Path) -> None:
    """Clear an earlier demo away; a folder that holds anything else is left alone."""
    if home.exists() and any(home.iterdir()):
        if not (home / MARK).exists():
            raise ValueError(
                f"wanted an empty folder for the demo, got {home}, which holds other things; "
                "`make demo` uses var/demo, or set FOREWARN_HOME to a new folder"
            )
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARK).write_text("What stands here is simulated. `forewarn demo` makes it anew.\n")


def simulate(
    desk: str,
    seed: int,
    past: Path,
    live: Path,
    incident_weeks: int = 2,
    *,
    echoes: bool = False,
) -> None:
    """Write the desk's files: those of the past, and those that come once all is frozen."""
    simulated = make(seed, end=END, desk=desk, incident_weeks=incident_weeks, echoes=echoes)
    start = END - LIVE
    before = simulated.points.at < instant(start)
    write(
        Simulated(
            [ticket for ticket in simulated.tickets if ticket.opened_at < start],
            chosen(simulated.points, before),
            [],
        ),
        past,
    )
    write(
        Simulated(
            [ticket for ticket in simulated.tickets if ticket.opened_at >= start],
            chosen(simulated.points, ~before),
            simulated.incidents,
            [change for change in simulated.changes if change.at >= start],
        ),
        live,
    )


def chosen(points: Points, which: np.ndarray) -> Points:
    """Some of the points."""
    return Points(points.series[which], points.at[which], points.values[which])


def ingest(place: Workspace, folder: Path, step: Step) -> None:
    """Read the desk's files as a user would."""
    tickets, metrics = folder / "tickets.csv", folder / "metrics.csv"
    step("Ingest tickets", lambda told: ingest_tickets(place, tickets, source="desk", report=told))
    step("Ingest metrics", lambda told: ingest_points(place, metrics, report=told))


def learn(place: Workspace, step: Step) -> None:
    """Let the detectors learn from the past, and freeze their thresholds."""
    for kind in KINDS:
        step(
            f"Learn what is usual of {kind}",
            lambda told, kind=kind: save(place, begin(place, kind, END - LIVE, told), []),
        )


def train(past: Path, live: Path) -> TrainingReport:
    """Train and promote the ticket model, as a Prefect flow; measured on the two weeks after."""
    from pipelines import flows

    files = {"file": past / "tickets.csv", "test": live / "tickets.csv"}
    # Simulated words mean nothing more than they say: no encoder.
    recipe = Recipe(TARGETS, **files, encoder=False, precision=PRECISION)
    with console.progress("Train the ticket model (a Prefect flow)"):
        return flows.train(recipe, promoted=True)


def watch(place: Workspace, folder: Path, step: Step) -> Comparison:
    """Go through the last two weeks step by step, and hold the alerts against the incidents.

    The incidents are declared afterwards: what the store knows of is not told again.
    """
    for kind in KINDS:
        step(f"Watch the {kind}", lambda told, kind=kind: go_on(place, kind, told))
    tell_changes(place, folder / "changes.csv")
    step("Join what belongs together", lambda _: join_alerts(place, END))
    ingest_incidents(place, folder / "incidents.csv")
    desk, start = place.settings.desk, END - LIVE
    raised = place.store.alerts(desks=[desk], since=start, until=END, limit=10_000)
    alerts = [one for one in raised if one.kind != "silent"]  # a fact, and of no budget
    step = timedelta(seconds=place.settings.step_seconds)
    return compare(alerts, place.store.incidents(desk), start, END, step)


def tell_changes(place: Workspace, path: Path) -> None:
    """Tell of the changes that were made, as whoever deploys would by `POST /v1/changes`."""
    desk = place.settings.desk
    with path.open(encoding="utf-8", newline="") as file:
        told = [read_changes(row, desk, END, "simulated") for row in csv.DictReader(file)]
    place.store.put_service_changes([change for changes in told for change in changes])


def go_on(place: Workspace, kind: Kind, report: Report) -> None:
    """Bring one detector to the end."""
    live = resume(place, kind)
    if live is None:
        raise LookupError(f"nothing was learnt of the {kind} yet")
    advance(place, live, END, report)


# -- what a person sees -------------------------------------------------------------------------


def show_training(report: TrainingReport) -> None:
    """How good the ticket model is on the two weeks it had not seen."""
    console.table(
        f"Ticket model, version {report.version.number}: learnt from {report.n_train:,} tickets, "
        f"measured on {report.n_test:,} later ones",
        COLUMNS,
        report.rows(),
    )


def show_found(compared: Comparison) -> None:
    """Every incident with its first alert, and what was false."""
    console.table(
        "Incidents of the last two weeks (all times UTC)",
        ["incident", "onset", "first alert", "on", "minutes", "alerts"],
        [found_row(one) for one in compared.found],
    )
    n_found = sum(bool(one.alerts) for one in compared.found)
    console.out.print(
        f"{n_found} of {len(compared.found)} incidents found, "
        f"median {compared.median_minutes:.0f} minutes after the onset; "
        f"{len(compared.false)} false alerts in {compared.n_weeks:.0f} weeks, "
        f"{compared.false_per_week:.1f} a week, tickets and metrics together"
    )


def found_row(one: Found) -> list[str]:
    """One incident as a row of the table."""
    first = one.alerts[0] if one.alerts else None
    return [
        one.incident.title,
        f"{one.incident.onset_at:%a %m-%d %H:%M}",
        f"{one.told_at:%H:%M}" if one.told_at else "missed",
        f"{first.kind} {first.key}" if first else "",
        f"{one.minutes:.0f}" if first else "-",
        str(len(one.alerts)),
    ]


def show_joined(together: Sequence[Joined]) -> None:
    """What the alerts of each fault came to together."""
    told = [one for one in together if one.incidents]
    console.table(
        "What its alerts came to together",
        ["fault", "incident", "priority", "evidence", "why", "suspect"],
        [joined_row(one) for one in told],
    )
    both = [one for one in told if one.has_both]
    console.out.print(
        f"{sum(one.is_one for one in told)} of {len(told)} faults found are one incident each; "
        f"of those told of by tickets and metrics, {sum(one.is_one for one in both)} of {len(both)}"
    )


def joined_row(one: Joined) -> list[str]:
    """One fault as a row of the table."""
    first = one.incidents[0]
    return [
        one.found.incident.title,
        " and ".join(incident.id for incident in one.incidents),
        first.priority,
        one.lead,
        first.why,
        first.suspects[0].service if first.suspects else "",
    ]
