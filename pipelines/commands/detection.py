"""`forewarn detect` and `explain`: what fires, and why."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from pipelines.commands.shared import Flow, as_flow, run_flow, settings_of


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


def explain(
    context: typer.Context,
    alert: Annotated[str, typer.Argument(help="The alert's id, or how it begins.")],
) -> None:
    """Show what an alert followed from, and work its numbers out again.

    What the detector knew when the alert opened is kept with it. The same score and range must
    come out, to nine digits; exit code 1 says that they do not.

    Example: forewarn explain 9cd22df6
    """
    from pipelines import explain as explaining
    from pipelines.workspace import workspace

    with workspace(settings_of(context)) as place:
        found = explaining.wanted(place, alert)
        evidence, done = explaining.explained(place, found)
    explaining.say(found, evidence, done)
    if not done.same:
        raise typer.Exit(1)
