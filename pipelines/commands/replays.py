"""`forewarn replay`: what would have fired."""

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
    from data.replays import ReplayTold
    from pipelines.replays import Done

SHOWN = 10  # alerts that are printed; all stand in the CSV

replay = typer.Typer(
    no_args_is_help=True, help="Tell from the past what would have fired, before switching it on."
)


@replay.command("metrics")
def replay_metrics(
    context: typer.Context,
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A metric file, or a folder whose tree is mirrored; without one the points "
            "that the desk has stored."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The folder for what is written: scores (one CSV a file), alerts, chart."
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            help="The budget to mark: false alerts a week, all series of a file together."
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(help="Count alerts from this time on, UTC; what came before is learnt from."),
    ] = None,
    incidents: Annotated[
        Path | None,
        typer.Option(
            help="Known incidents (title, onset_at; ended_at, series): which would be found, how "
            "soon. Without a file those of `forewarn ingest incidents`, for the desk's own points."
        ),
    ] = None,
    chart: Annotated[
        Path | None, typer.Option(help="Where the chart goes: .svg, .png or .html.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all of it as JSON, and nothing else.")
    ] = False,
    save: Annotated[
        bool,
        typer.Option("--save", help="Show it on the ops page; the desk's own points always are."),
    ] = False,
    maps: Maps = None,
    flow: Flow = False,
) -> None:
    """Tell what would have fired for budgets of 0.5 to 8 false alerts a week.

    Every point is scored once, from earlier points alone, and each budget's threshold is set
    anew each day from the scores until then. Of files (timestamp and value, or series too) each
    point gets a row: timestamp, value, expected, lower, upper, score, alert.

    Example: forewarn replay metrics cpu.csv --out scores --budget 0.5 --incidents known.csv
    """
    from pipelines import console
    from pipelines.in_force import in_force
    from pipelines.replay import with_budget
    from pipelines.replays import Asked, replayed

    settings = with_budget(in_force(settings_of(context)), budget)
    began = since.replace(tzinfo=UTC) if since else None
    asked = Asked(path, out, mapping_of(maps), began, incidents, chart, save)
    asked.folder(settings)  # an option that is missing is said before a server is started
    if as_flow(context, flow):
        done = run_flow(context, "replay_budgets", asked, budget)
    else:
        done = replayed(settings, asked, console.shown)
    if as_json:
        say_json(done)
    else:
        say_done(done, asked.folder(settings))


def say_json(done: "Done") -> None:
    """All that was told, for a program; null where the time was too short."""
    import json

    told = done.ladder.plain() if done.ladder else None
    typer.echo(json.dumps(told, ensure_ascii=False, indent=2))


def say_done(done: "Done", folder: Path | None) -> None:
    """The ladder as a table, the strongest alerts, and where the rest stands."""
    from data import replay_words as words
    from pipelines.console import out, table

    if done.files:
        refused = f", {done.files.n_rejected:,} rows refused" if done.files.n_rejected else ""
        out.print(f"{done.files.n_points:,} rows of {done.files.n_files:,} files replayed{refused}")
    told = done.ladder
    if told is None:
        out.print(
            "Too short to tell what would have fired: that takes more than two days of scores"
        )
    else:
        out.print(f"[bold]{words.heading(told)}[/]")
        table("", words.columns(told), words.budget_rows(told))
        out.print(words.EXPLAINED, style="dim", soft_wrap=False)
        say_fired(told)
        for note in words.notes(told):
            out.print(f"! {note}", markup=False)
    for what, where in (
        ("Row by row", folder if done.files else None),
        ("Alerts of all budgets" if folder else "Alerts", done.alerts),
        ("Chart", done.chart),
    ):
        if where is not None:
            out.print(f"{what}: {relative(where.absolute())}")
    if done.saved:
        out.print("On the ops page: /ops/replay")


def say_fired(told: "ReplayTold") -> None:
    """The strongest alerts of the budget that is set, a line each."""
    from data.replay_words import UNKNOWN, fired_rows
    from pipelines.console import out

    n = len(told.fired_at(told.marked))
    which = f"the {SHOWN} strongest of {n}" if n > SHOWN else f"{n or 'nothing'}"
    out.print(f"[bold]At {told.marked:g} a week would have fired[/]: {which}")
    for opened, lasted, strength, about, why in fired_rows(told, SHOWN):
        of = f" ({about})" if about != UNKNOWN else ""
        out.print(f"{opened}  {lasted:>7}  ×{strength}  {why}{of}", markup=False)


@replay.command("tickets")
def replay_tickets(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A ticket file: created_at and category suffice.")],
    out: Annotated[Path, typer.Option(help="The CSV for the alerts; the chart goes beside it.")],
    budget: Annotated[
        float | None,
        typer.Option(help="The budget to mark: false alerts a week, all categories together."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(help="Count alerts from this time on, UTC; what came before is learnt from."),
    ] = None,
    incidents: Annotated[
        Path | None,
        typer.Option(
            help="Known incidents (title, onset_at; ended_at, categories): which would be found, "
            "how soon."
        ),
    ] = None,
    chart: Annotated[
        Path | None, typer.Option(help="Where the chart goes: .svg, .png or .html.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all of it as JSON, and nothing else.")
    ] = False,
    maps: Maps = None,
    flow: Flow = False,
) -> None:
    """Tell which surges of tickets would have fired, for budgets of 0.5 to 8 false alerts a week.

    The CSV has the alerts of the budget that is marked: opened_at, closed_at, kind, key, score,
    n_tickets, ticket_ids, why. Kinds are total, category, topic (something new that many write
    of, by its words) and incident (several of these that are one).

    Example: forewarn replay tickets export.csv --out alerts.csv --budget 1 --incidents known.csv
    """
    from pipelines import console
    from pipelines.in_force import in_force
    from pipelines.replay import with_budget
    from pipelines.replays import Asked, replayed_tickets

    settings = with_budget(in_force(settings_of(context)), budget)
    began = since.replace(tzinfo=UTC) if since else None
    asked = Asked(path, out, mapping_of(maps), began, incidents, chart)
    if as_flow(context, flow):
        done = run_flow(context, "replay", asked, budget)
    else:
        done = replayed_tickets(settings, asked, console.shown)
    if as_json:
        say_json(done)
    else:
        say_done(done, None)
