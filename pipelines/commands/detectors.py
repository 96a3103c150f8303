"""`forewarn detectors`: try what the metric detector is set to on the past, and promote it."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from pipelines.commands.shared import settings_of

app = typer.Typer(
    no_args_is_help=True,
    help="Try other settings of the metric detector on the desk's own past, and promote them.",
)


@app.command("try")
def try_settings(
    context: typer.Context,
    budget: Annotated[
        float | None, typer.Option(help="False alerts a week; what is in force otherwise.")
    ] = None,
    group_by: Annotated[
        str | None, typer.Option(help="Labels that make series one alert, commas between.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Judge from this time on, UTC.")] = None,
) -> None:
    """Replay the stored points under other settings, and keep settings and figures in MLflow.

    What is in force is replayed beside it, on the same points and known incidents. Nothing changes
    until `forewarn detectors promote`.

    Example: forewarn detectors try --budget 2
    """
    from pipelines import console, detectors
    from pipelines.in_force import changed, in_force
    from pipelines.workspace import workspace

    settings = changed(in_force(settings_of(context)), budget, group_by)
    began = since.replace(tzinfo=UTC) if since else None
    with workspace(settings) as place:
        version = detectors.try_out(place, began, console.shown)
        rows = detectors.rows(place.registry(), settings.home, settings.desk)
    console.table(f"Settings of {version.name}", detectors.COLUMNS, rows)
    console.out.print(
        f"Version {version.number} was tried. `forewarn detectors promote` puts it in force"
    )


@app.command("list")
def list_versions(context: typer.Context) -> None:
    """Show every version that was tried, with what its replay told, and which one is in force."""
    from pipelines import console, detectors
    from pipelines.in_force import detector_name
    from pipelines.workspace import workspace

    settings = settings_of(context)
    with workspace(settings) as place:
        rows = detectors.rows(place.registry(), settings.home, settings.desk)
    if rows:
        title = f"Settings of {detector_name(settings.desk)}"
        console.table(title, detectors.COLUMNS, rows)
    else:
        console.out.print("No settings were tried yet: `forewarn detectors try --budget 2`")


@app.command()
def promote(
    context: typer.Context,
    version: Annotated[
        str | None, typer.Argument(help="Which one; the last that was tried otherwise.")
    ] = None,
    force: Annotated[
        str | None,
        typer.Option(help="Promote it in spite of the gate; the reason is kept with it."),
    ] = None,
) -> None:
    """Let a version be in force from the next look on, if nothing speaks against it.

    It must keep its budget on the past, and find no fewer of the known incidents than what is in
    force, beyond luck. Detection then learns anew from what is stored.

    Example: forewarn detectors promote 3
    """
    from pipelines import console, detectors
    from pipelines.audit_trail import FORCED, PROMOTED, log, named
    from pipelines.workspace import workspace

    settings = settings_of(context)
    with workspace(settings) as place:
        now = detectors.promote(place, place.registry(), version, force)
        log(place.store, PROMOTED if force is None else FORCED, settings.desk, named(now))
    console.out.print(f"{now.name} version {now.version} is in force from the next look on")


@app.command()
def rollback(context: typer.Context) -> None:
    """Put in force again what was before."""
    from pipelines import console, detectors
    from pipelines.audit_trail import ROLLED_BACK, log, named
    from pipelines.workspace import workspace

    settings = settings_of(context)
    with workspace(settings) as place:
        now = detectors.rollback(place.registry(), settings.home, settings.desk)
        log(place.store, ROLLED_BACK, settings.desk, named(now))
    console.out.print(f"{now.name} version {now.version} is in force again from the next look on")
