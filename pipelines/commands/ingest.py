"""`forewarn ingest`: files into the store."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.shared import (
    Flow,
    Maps,
    as_flow,
    mapping_of,
    run_flow,
    say_ingested,
    settings_of,
)

app = typer.Typer(no_args_is_help=True, help="Read tickets, metrics or known incidents from files.")

Files = Annotated[
    Path, typer.Argument(help="A file, or a folder of files: CSV, JSON lines or Parquet, .gz too.")
]


@app.command()
def tickets(
    context: typer.Context,
    path: Files,
    maps: Maps = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            help="A further column to keep as a label, beside category, impact, urgency, priority.",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Where the tickets come from; the file's name by default.")
    ] = None,
    flow: Flow = False,
) -> None:
    """Store tickets. The same file twice changes nothing.

    Secrets and addresses are masked, requesters become keyed hashes, and rows that cannot be read
    are written aside with the reason.

    Example: forewarn ingest tickets export.csv --map opened_at="Created on"
    """
    from pipelines import console
    from pipelines.ingest import ingest_tickets
    from pipelines.workspace import workspace

    mapping = mapping_of(maps)
    if as_flow(context, flow):
        done = run_flow(context, "ingest", "tickets", str(path), mapping, label, source)
    else:
        with workspace(settings_of(context)) as place, console.progress("tickets") as report:
            done = ingest_tickets(
                place,
                path,
                source=source,
                mapping=mapping,
                label_columns=label or (),
                report=report,
            )
    say_ingested("tickets", done)


@app.command()
def metrics(
    context: typer.Context,
    path: Annotated[
        Path | None,
        typer.Argument(help="A file, or a folder of files: CSV, JSON lines or Parquet, .gz too."),
    ] = None,
    maps: Maps = None,
    prometheus: Annotated[
        str | None,
        typer.Option(help="Instead of a file: the past of a Prometheus, by its address."),
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="Which series of it, in PromQL: '{job=\"node\"}'.")
    ] = None,
    since: Annotated[str, typer.Option(help="How far back: 90m, 12h, 7d or 4w.")] = "4w",
    every: Annotated[str, typer.Option(help="How far apart its values are asked for.")] = "1m",
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the bearer token that it wants, if any.")
    ] = None,
    flow: Flow = False,
) -> None:
    """Store metric points: timestamp, value and, where a file holds several, series.

    With --prometheus nothing need be exported: a Prometheus is asked for what it has kept, so that
    detection begins with a past. Cut off, it goes on where it was when it is run again.

    Example: forewarn ingest metrics metrics.csv --map timestamp=time

    Example: forewarn ingest metrics --prometheus http://127.0.0.1:9090 --query '{job="node"}'
    """
    from pipelines import console
    from pipelines.ingest import ingest_points
    from pipelines.workspace import workspace

    if prometheus is not None:
        past(context, path, prometheus, query, since, every, token_file)
        return
    if path is None:
        raise ValueError("wanted a file or folder, or --prometheus URL --query PROMQL; got neither")
    mapping = mapping_of(maps)
    if as_flow(context, flow):
        done = run_flow(context, "ingest", "metrics", str(path), mapping)
    else:
        with workspace(settings_of(context)) as place, console.progress("points") as report:
            done = ingest_points(place, path, mapping=mapping, report=report)
    say_ingested("points", done)


def past(
    context: typer.Context,
    path: Path | None,
    url: str,
    query: str | None,
    since: str,
    every: str,
    token_file: Path | None,
) -> None:
    """Store what a Prometheus has kept."""
    from data.sources.prometheus import Prometheus, seconds_of
    from pipelines import console
    from pipelines.backfill import backfill
    from pipelines.workspace import workspace

    if path is not None:
        raise ValueError(f"wanted a file or --prometheus, got both: {path} and {url}")
    if not query:
        raise ValueError(
            "wanted --query beside --prometheus: which series, such as '{job=\"node\"}'"
        )
    token = token_file.read_text().strip() if token_file else None
    asked = Prometheus(url, query, seconds_of(every), token)
    with workspace(settings_of(context)) as place, console.progress("asking Prometheus") as report:
        done = backfill(place, asked, seconds_of(since), datetime.now(UTC), report)
    say_ingested("points", done)


@app.command()
def incidents(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A file with id, title, onset_at, ended_at.")],
) -> None:
    """Store incidents that are known, so that reports can say which were found, and how soon.

    Detection does not learn them as normal, and does not tell them again: look first, and
    ingest them afterwards, where you want to know whether they would have been found.
    """
    from pipelines.ingest import ingest_incidents
    from pipelines.workspace import workspace

    with workspace(settings_of(context)) as place:
        say_ingested("incidents", ingest_incidents(place, path))
