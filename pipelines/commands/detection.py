"""`forewarn detect` and `replay`: what fires, and what would have."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.shared import (
    Flow,
    Maps,
    as_flow,
    mapping_of,
    relative,
    run_flow,
    settings_of,
)

if TYPE_CHECKING:
    from pipelines.replay import Told

replay = typer.Typer(
    no_args_is_help=True, help="Tell from a file what would have fired, before switching it on."
)


def detect(
    context: typer.Context,
    follow: Annotated[
        bool, typer.Option("--follow", help="Keep looking, once a step, until stopped.")
    ] = False,
    until: Annotated[
        datetime | None,
        typer.Option(help="Look at what came before this time, UTC; now otherwise."),
    ] = None,
    flow: Flow = False,
) -> None:
    """Look at all metric points and tickets that came since the last look, and raise alerts.

    The first time it learns from what is stored. Each day it sets its thresholds anew, to keep to
    FOREWARN_METRIC_BUDGET and FOREWARN_TICKET_BUDGET, false alerts a week. One process at a time
    detects for a desk; a second one waits.
    """
    from pipelines import watching
    from pipelines.workspace import workspace

    end = until.replace(tzinfo=UTC) if until else None
    if end and end > datetime.now(UTC):
        raise ValueError(f"--until wants a time that has passed, in UTC, got {until}")
    if follow and (end or flow):
        raise ValueError("--follow goes on by itself: leave --until and --flow away")
    if as_flow(context, flow) and not follow:
        watching.say(run_flow(context, "detect", end))
        return
    with workspace(settings_of(context)) as place:
        if follow:
            watching.follow(place)
        else:
            watching.say(watching.look(place, end or datetime.now(UTC)))


@replay.command("metrics")
def replay_metrics(
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(help="A metric file, or a folder whose tree is mirrored.")
    ],
    out: Annotated[Path, typer.Option(help="The folder for the scores, one CSV a file.")],
    budget: Annotated[
        float | None,
        typer.Option(help="False alerts a week, all series of a file together."),
    ] = None,
    maps: Maps = None,
    flow: Flow = False,
) -> None:
    """Score every point of metric files, and tell how often an alert would have fired.

    Columns timestamp and value, or series too. Out comes one row a point: timestamp, value,
    expected, lower, upper, score, alert. Each row was judged from earlier rows alone.

    Example: forewarn replay metrics cpu.csv --out scores --budget 0.5
    """
    from pipelines import console
    from pipelines.replay import replay_metrics as run
    from pipelines.replay import with_budget

    settings = with_budget(settings_of(context), budget)
    mapping = mapping_of(maps)
    if as_flow(context, flow):
        told = run_flow(context, "replay", "metrics", str(path), str(out), mapping, budget)
    else:
        with console.progress("replay") as report:
            told = run(path, out, settings, mapping=mapping, report=report)
    say_told(told, settings.metric_budget, out)


@replay.command("tickets")
def replay_tickets(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A ticket file: created_at and category suffice.")],
    out: Annotated[Path, typer.Option(help="The CSV for the alerts.")],
    budget: Annotated[
        float | None, typer.Option(help="False alerts a week, all categories together.")
    ] = None,
    maps: Maps = None,
    flow: Flow = False,
) -> None:
    """Tell which surges of tickets would have fired, and when.

    Example: forewarn replay tickets export.csv --out alerts.csv --budget 1
    """
    from pipelines import console
    from pipelines.replay import replay_tickets as run
    from pipelines.replay import with_budget

    settings = with_budget(settings_of(context), budget)
    mapping = mapping_of(maps)
    if as_flow(context, flow):
        told = run_flow(context, "replay", "tickets", str(path), str(out), mapping, budget)
    else:
        with console.progress("replay") as report:
            told = run(path, out, settings, mapping=mapping, report=report)
    say_told(told, settings.ticket_budget, out)


def say_told(told: "Told", budget: float, out: Path) -> None:
    """How many alerts there would have been, beside what the budget allows."""
    from pipelines.console import out as console

    refused = f", {told.n_rejected:,} rows refused" if told.n_rejected else ""
    console.print(f"{told.n_points:,} rows of {told.n_files:,} files replayed{refused}")
    console.print(
        f"{told.n_alerts:,} alerts would have fired over {told.weeks:.1f} weeks; "
        f"a budget of {budget:g} false alerts a week allows {budget * told.weeks:.1f} false ones"
    )
    console.print(f"Row by row: {relative(out.absolute())}")
