"""`forewarn monitor`: what the endpoint did goes to MLflow."""

from datetime import UTC, datetime

import typer

from pipelines.commands.shared import Flow, as_flow, run_flow, settings_of


def monitor(context: typer.Context, flow: Flow = False) -> None:
    """Take what the endpoint did to MLflow, and tell what its models said in the last day.

    Each process that served is a run of the experiment `serving`, each minute a step of it.
    What was taken once is not taken again. While MLflow is away all waits, for 30 days.

    Exits with 1 where MLflow could not be told.
    """
    from pipelines.monitor import monitor as take
    from pipelines.monitor import say
    from pipelines.workspace import workspace

    now = datetime.now(UTC)
    with workspace(settings_of(context)) as place:
        done = run_flow(context, "monitor") if as_flow(context, flow) else take(place, now)
        say(place, done, now)
    if done.trouble:
        raise typer.Exit(1)
