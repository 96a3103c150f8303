"""`forewarn incidents`: what alerts come to together, and a person's word on it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from pipelines.commands.shared import settings_of

if TYPE_CHECKING:
    from data.records import DetectedIncident
    from pipelines.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True,
    help="List detected incidents, and say what became of them.",
)
Id = Annotated[str, typer.Argument(help="The incident's id, or how it begins, as `list` shows it.")]
Cause = Annotated[str, typer.Option(help="What it was; told with the next one like it.")]
Fix = Annotated[str, typer.Option(help="What helped.")]
SHOWN = 50


@app.command("list")
def list_all(
    context: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", help="Also candidates, and those that are over.")
    ] = False,
    limit: Annotated[int, typer.Option(help="At most so many, the newest.")] = SHOWN,
) -> None:
    """Show the incidents that are going on, the newest first."""
    from pipelines.console import out, table
    from pipelines.workspace import workspace

    settings = settings_of(context)
    states = None if every else ("proposed", "confirmed", "resolved", "watched")
    with workspace(settings) as place:
        found = place.store.detected([settings.desk], states=states, limit=limit)
    if not found:
        more = "" if every else "; --all shows candidates and those that are over"
        out.print(f"No incidents{more}")
        return
    zone = ZoneInfo(settings.timezone)
    rows = [
        [one.id, one.state, one.priority, f"{one.opened_at.astimezone(zone):%a %m-%d %H:%M}",
         one.title, one.why, one.suspects[0].service if one.suspects else ""]
        for one in found
    ]  # fmt: skip
    table(
        f"Incidents (times in {settings.timezone})",
        ["id", "state", "priority", "opened", "what", "why", "suspect"],
        rows,
    )


@app.command()
def show(context: typer.Context, incident: Id) -> None:
    """Show one incident: its alerts, how each came to it, and where it may have begun."""
    from pipelines.console import out, table
    from pipelines.workspace import workspace

    settings = settings_of(context)
    zone = ZoneInfo(settings.timezone)
    with workspace(settings) as place:
        one = called(place, incident)
        members = place.store.members([one.id])[one.id]
    said = f" by {one.state_by}" if one.state_by else ""
    out.print(f"{one.priority} {one.title}: {one.state}{said}", style="bold", markup=False)
    out.print(one.why, markup=False)
    if one.priority_why:
        out.print(f"{one.priority} since {one.priority_why}", markup=False)
    for name, text in (("Cause", one.cause), ("What helped", one.fix)):
        if text:
            out.print(f"{name}: {text}", markup=False)
    rows = [
        [alert.id, f"{alert.opened_at.astimezone(zone):%H:%M}",
         "open" if alert.closed_at is None else f"{alert.closed_at.astimezone(zone):%H:%M}",
         alert.summary, member.because, f"{member.probability:.0%}" if member.probability else ""]
        for alert, member in members
    ]  # fmt: skip
    table("Alerts", ["id", "opened", "closed", "what", "joined, being", "likely"], rows)
    rows = [[one.service, f"{one.share:.0%}", "; ".join(one.evidence)] for one in one.suspects]
    table("Suspects: where it may have begun", ["service", "suspicion", "what speaks for it"], rows)


@app.command()
def confirm(context: typer.Context, incident: Id, cause: Cause = "", fix: Fix = "") -> None:
    """Say that it is an incident. Its alerts count as acknowledged."""
    act(context, incident, "confirm", cause, fix)


@app.command()
def dismiss(context: typer.Context, incident: Id) -> None:
    """Say that it is none. Its alerts count as false, and such pairs are joined less."""
    act(context, incident, "dismiss")


@app.command()
def resolve(context: typer.Context, incident: Id, cause: Cause = "", fix: Fix = "") -> None:
    """Say that it is over. The signals are watched for a day all the same."""
    act(context, incident, "resolve", cause, fix)


@app.command()
def reopen(context: typer.Context, incident: Id) -> None:
    """Take back that it was dismissed, or is over."""
    act(context, incident, "reopen")


@app.command()
def note(context: typer.Context, incident: Id, cause: Cause = "", fix: Fix = "") -> None:
    """Write down what it was and what helped, for the next one like it."""
    if not (cause or fix):
        raise ValueError("wanted --cause or --fix, or both")
    act(context, incident, "note", cause, fix)


@app.command()
def merge(
    context: typer.Context,
    incident: Id,
    other: Annotated[str, typer.Argument(help="The incident that becomes a part of it.")],
) -> None:
    """Put the alerts of another incident into this one. The next time they are joined sooner."""
    from models import incident_acts
    from pipelines.audit_trail import log
    from pipelines.console import out
    from pipelines.workspace import workspace

    with workspace(settings_of(context)) as place:
        one, another = called(place, incident), called(place, other)
        whole = incident_acts.merge(place.store, one, another, *signed(place))
        log(place.store, "incident merge", one.desk, one.id, another.id)
    out.print(f"{another.id} is now a part of {one.id}: {whole.why}", markup=False)


@app.command()
def split(
    context: typer.Context,
    incident: Id,
    alerts: Annotated[list[str], typer.Argument(help="The alerts that do not belong to it.")],
) -> None:
    """Make some of its alerts an incident of their own. The next time they stay apart."""
    from models import incident_acts
    from pipelines.audit_trail import log
    from pipelines.console import out
    from pipelines.workspace import workspace

    with workspace(settings_of(context)) as place:
        one = called(place, incident)
        new = incident_acts.split_off(place.store, one, alerts, *signed(place))
        log(place.store, "incident split", one.desk, one.id, new.id)
    out.print(f"{new.id} is new: {new.why}", markup=False)


def act(context: typer.Context, id: str, action: str, cause: str = "", fix: str = "") -> None:
    """Say of an incident what became of it."""
    from models.incident_acts import Act, say
    from pipelines.audit_trail import log, user
    from pipelines.console import out
    from pipelines.workspace import workspace

    with workspace(settings_of(context)) as place:
        said = Act(action, user(), datetime.now(UTC), cause, fix)
        now = say(place.store, called(place, id), said)
        log(place.store, f"incident {action}", now.desk, now.id)
    out.print(f"{now.id} is {now.state}: {now.title}", markup=False)


def signed(place: "Workspace") -> tuple[str, datetime, ZoneInfo]:
    """Who does something, when, and by whose clock it is told."""
    from pipelines.audit_trail import user

    return user(), datetime.now(UTC), ZoneInfo(place.settings.timezone)


def called(place: "Workspace", id: str) -> "DetectedIncident":
    """The incident whose id this is, or begins so."""
    found = [
        one
        for one in place.store.detected([place.settings.desk], limit=None)
        if one.id.startswith(id) and id
    ]
    if len(found) != 1:
        wrong = f"{len(found)} incidents' ids begin" if found else "no incident's id begins"
        raise LookupError(f"{wrong} with {id!r}; `forewarn incidents list --all` shows them")
    return found[0]
