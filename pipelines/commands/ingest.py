"""`forewarn ingest`: files into the store."""

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
def metrics(context: typer.Context, path: Files, maps: Maps = None, flow: Flow = False) -> None:
    """Store metric points: timestamp, value and, where a file holds several, series.

    Example: forewarn ingest metrics metrics.csv --map timestamp=time
    """
    from pipelines import console
    from pipelines.ingest import ingest_points
    from pipelines.workspace import workspace

    mapping = mapping_of(maps)
    if as_flow(context, flow):
        done = run_flow(context, "ingest", "metrics", str(path), mapping)
    else:
        with workspace(settings_of(context)) as place, console.progress("points") as report:
            done = ingest_points(place, path, mapping=mapping, report=report)
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
