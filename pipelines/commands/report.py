"""`forewarn report`: the measures of a desk."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from pipelines.commands.shared import settings_of


def report(
    context: typer.Context,
    desk: Annotated[
        str | None, typer.Option(help="Another desk than the one that `forewarn` works for.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(help="Of what was opened from this time on, UTC; all of it otherwise."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Of what was opened before this time, UTC.")
    ] = None,
    by: Annotated[
        Literal["category", "service", "group"], typer.Option(help="The parts to tell apart.")
    ] = "category",
    form: Annotated[
        Literal["text", "json", "csv", "html"], typer.Option("--format", help="How it is told.")
    ] = "text",
    alike: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Tickets recur where the served model finds their texts at least so similar "
            "(a cosine, such as 0.8), instead of where category and service are the same.",
        ),
    ] = None,
) -> None:
    """Tell how long detecting, acknowledging, answering and resolving take, and how well it goes.

    Each figure with the number of cases, the median, the ninth decile and a 95 % interval; for
    shares the share. What is still open counts as such. docs/measures.md has every definition.

    Example: forewarn report --since 2026-01-01 --by service --format html > report.html
    """
    from pipelines import console
    from pipelines.report import as_csv, as_html, as_json, say
    from pipelines.report import report as made
    from pipelines.workspace import workspace

    settings = settings_of(context)
    settings = settings if desk is None else replace(settings, desk=desk)
    began, ended = (at and at.replace(tzinfo=UTC) for at in (since, until))
    with workspace(settings) as place, console.progress("tickets") as progress:
        model = None
        if alike is not None:
            from pipelines.score import load_model

            model, _ = load_model(place)
        found = made(
            place,
            by,
            datetime.now(UTC),
            since=began,
            until=ended,
            alike=alike,
            model=model,
            progress=progress,
        )
    if form == "text":
        say(settings.desk, found)
    else:
        told = {"json": as_json, "html": as_html}.get(form)
        typer.echo(told(settings.desk, found) if told else as_csv(found).rstrip("\n"))
