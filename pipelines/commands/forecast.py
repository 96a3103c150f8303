"""`forewarn forecast`: when series cross their limits."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.commands.shared import Flow, as_flow, relative, run_flow, settings_of

if TYPE_CHECKING:
    from data.limit_file import Limits
    from data.settings import Settings


def forecast(
    context: typer.Context,
    series: Annotated[
        str | None, typer.Option(help="Only series that fit this pattern, such as 'disk_used_*'.")
    ] = None,
    limit: Annotated[
        float | None, typer.Option(help="Hold them against this; FOREWARN_LIMITS otherwise.")
    ] = None,
    direction: Annotated[
        Literal["up", "down"], typer.Option(help="Which way --limit is crossed.")
    ] = "up",
    within: Annotated[
        str, typer.Option(help="How far ahead to look for --limit: 12h, 14d, 4w.")
    ] = "14d",
    until: Annotated[
        datetime | None, typer.Option(help="Forecast from this time, UTC; now otherwise.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    chart: Annotated[
        Path | None, typer.Option(help="Draw the soonest into this PNG, each with its fan.")
    ] = None,
    flow: Flow = False,
) -> None:
    """Say when a disk, a quota or licences run out: the time, its interval, and the chance.

    What FOREWARN_LIMITS names is kept, for GET /v1/forecasts and the page; with --limit or
    --series it is told here alone.

    Example: forewarn forecast --series 'disk_used_*' --limit 95 --within 14d
    """
    from pipelines import console
    from pipelines.forecast import COLUMNS, forecast_all, foretell, rows
    from pipelines.workspace import workspace

    now = until.replace(tzinfo=UTC) if until else datetime.now(UTC)
    if now > datetime.now(UTC):
        raise ValueError(f"--until wants a time that has passed, in UTC, got {until}")
    settings = settings_of(context)
    kept = series is None and limit is None
    given = None if kept else chosen(settings, series, limit, direction, within)
    if given is None and as_flow(context, flow):
        found = run_flow(context, "forecast", now)
    else:
        with workspace(settings) as place, console.progress("series") as report:
            if given is None:
                found = forecast_all(place, now, report)
            else:
                found = foretell(place, given, now, report)
    for note in found.notes:
        console.err.print(f"Note: {note}", markup=False)
    if as_json:
        import json

        from data.store_forecasts import document

        console.out.print(json.dumps([*map(document, found.crossings)], indent=1), markup=False)
    elif found.crossings:
        title = f"When limits are crossed, seen from {now:%Y-%m-%d %H:%M} UTC"
        console.table(title, COLUMNS, rows(found.crossings))
    else:
        console.out.print("No stored series has a limit")
    if chart is not None and found.crossings:
        from pipelines.forecast_chart import fans

        chart.write_bytes(fans(found.crossings))
        console.err.print(f"Drawn: {relative(chart.absolute())}", markup=False)


def chosen(
    settings: "Settings", series: str | None, limit: float | None, direction: str, within: str
) -> "Limits":
    """The limit that the command line gives, or those of the file, for the series it names."""
    from data.limit_file import Limits, limit_of
    from pipelines.forecast import limits_of

    if limit is not None:
        row = {"series": series or "*", "limit": limit, "direction": direction, "within": within}
        return Limits([limit_of(row)], [])
    return limits_of(settings)._replace(only=series or "*")
