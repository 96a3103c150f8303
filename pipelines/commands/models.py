"""`forewarn train`, `score` and `models`: the ticket models."""

from pathlib import Path
from typing import Annotated, Literal

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

app = typer.Typer(
    no_args_is_help=True, help="List, compare, promote and roll back the ticket models."
)

Target = Annotated[
    list[str],
    typer.Option("--target", help="A column to learn, such as category. Repeat for several."),
]


def train(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="Labelled tickets; those in the store otherwise.")
    ] = None,
    target: Target = ["category"],  # noqa: B006  typer copies it
    text: Annotated[
        str, typer.Option(help="The columns to read, joined by commas.")
    ] = "title,body",
    test: Annotated[
        Path | None, typer.Option(help="Tickets to measure on, instead of parting FILE.")
    ] = None,
    split: Annotated[
        Literal["time", "stratified"] | None,
        typer.Option(help="How to part the tickets: by time where they have times, else by class."),
    ] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Serve the new model at once.")
    ] = False,
    precision: Annotated[
        float, typer.Option(help="Share of right labels that `auto` decisions promise.")
    ] = 0.95,
    encoder: Annotated[
        bool,
        typer.Option(
            help="Read what texts mean, not their words alone: up to three points more right. Costs"
            " 5 ms of CPU a short ticket and 30 ms a long one, of those that their words do not"
            " settle, and 31 MB in the model."
        ),
    ] = True,
    budget: Annotated[
        float,
        typer.Option(
            metavar="MINUTES",
            help="Tune the encoder on the labels first, for so many minutes of one core at most."
            " A pass over 8,000 short questions takes two and a half, over long tickets several"
            " times that. It pays, if at all, where there are thousands of tickets: one pass over"
            " bank questions made the truth likelier, but no more labels right. A fifth of the"
            " tickets is kept from it to calibrate by, so fewer labels may stand alone. Hold the"
            " two versions against each other: forewarn models compare.",
        ),
    ] = 0.0,
    classes: Annotated[
        Path | None,
        typer.Option(
            help='The labels that there are, as JSON: {"category": ["Mail", "VPN"]}. Those without'
            " a ticket go by their name; all of them, where no ticket has a label yet."
        ),
    ] = None,
    maps: Maps = None,
    flow: Flow = False,
) -> None:
    """Train a ticket model, measure it on tickets it has not seen, and register it.

    Every figure is printed beside what always saying the commonest label would reach.

    Example: forewarn train tickets.csv --text title,body --target category --promote
    """
    from rich.markup import escape

    from pipelines import console
    from pipelines.classes import read_classes
    from pipelines.train import COLUMNS, Recipe
    from pipelines.train import train as run
    from pipelines.workspace import workspace

    recipe = Recipe(
        targets=tuple(target),
        text=tuple(column.strip() for column in text.split(",") if column.strip()),
        file=file,
        test=test,
        by=split,
        mapping=mapping_of(maps),
        precision=precision,
        encoder=encoder,
        budget=budget,
        classes={} if classes is None else read_classes(classes, target),
    )
    if as_flow(context, flow):
        report = run_flow(context, "train", recipe, promote)
    else:
        with workspace(settings_of(context)) as place:
            report = run(place, recipe, promoted=promote, step=console.shown)
    version = report.version
    console.table(
        f"{version.name} version {version.number}: learnt from {report.n_train:,} tickets, "
        f"measured on {report.n_test:,} others ({report.how})",
        COLUMNS,
        report.rows(),
    )
    for note in report.notes:
        console.out.print(f"Note: {note}", markup=False)
    if report.refused:
        console.out.print(f"[red]Refused[/]: {escape(report.refused)}")
        raise typer.Exit(1)
    if promote:
        console.out.print("It is served from now on; a running endpoint takes it within 10 s")
    else:
        console.out.print(f"To serve it: forewarn models promote {version.number}")


def score(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Tickets with the columns that the model reads.")],
    out: Annotated[Path, typer.Option(help="The CSV for the predictions, in the file's order.")],
    model: Annotated[
        str | None, typer.Option(help="NAME@VERSION; the served model otherwise.")
    ] = None,
    maps: Maps = None,
) -> None:
    """Give every ticket of a file its labels: label, probability, decision and set for each target.

    Example: forewarn score new.csv --out predictions.csv --map title=Summary
    """
    from pipelines import console
    from pipelines.score import load_model, score_file
    from pipelines.workspace import workspace

    mapping = mapping_of(maps)
    with workspace(settings_of(context)) as place:
        found, name = load_model(place, model)
    with console.progress("tickets") as report:
        n = score_file(found, file, out, mapping=mapping, report=report)
    console.out.print(f"{n:,} tickets scored by {name}: {relative(out.absolute())}")


@app.command("list")
def list_models(context: typer.Context) -> None:
    """Show every version of the desk's model, and which one is served."""
    from pipelines import models
    from pipelines.console import out, table
    from pipelines.workspace import model_name, workspace

    settings = settings_of(context)
    with workspace(settings) as place:
        rows = models.rows(place.registry(), settings.home, model_name(settings.desk))
    if not rows:
        out.print("No model yet: `forewarn train FILE --target category --promote`")
        return
    table(model_name(settings.desk), models.COLUMNS, rows)


@app.command()
def promote(
    context: typer.Context,
    version: Annotated[
        str | None,
        typer.Argument(help="Which version; otherwise the last one trained, or in the shadow."),
    ] = None,
    force: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Serve it even if refused; the reason is kept."),
    ] = None,
) -> None:
    """Serve a version from now on. The endpoint takes it within 10 s, without a failed request.

    It is refused if it is no better than the commonest label, or worse than what is served.
    """
    from pipelines import models
    from pipelines.audit_trail import FORCED, PROMOTED, log, named
    from pipelines.console import out
    from pipelines.workspace import model_name, workspace

    settings = settings_of(context)
    name, told = model_name(settings.desk), list[str]()
    with workspace(settings) as place:
        registry = place.registry()
        now = models.promote(registry, settings.home, name, version, force=force, tell=told.append)
        log(place.store, PROMOTED if force is None else FORCED, settings.desk, named(now))
    for warning in told:
        out.print(f"Note: {warning}", markup=False)
    out.print(f"{now.name} version {now.version} is served")


@app.command()
def compare(
    context: typer.Context,
    version: Annotated[
        str | None, typer.Argument(help="Which version; the last one trained otherwise.")
    ] = None,
) -> None:
    """Hold a version against the one that is served, on tickets that neither has learnt from.

    Overall, class by class, language by language, in what its probabilities are worth, and in time.

    Example: forewarn models compare 4
    """
    from pipelines import gate, models
    from pipelines.console import out, table
    from pipelines.workspace import model_name, workspace

    settings = settings_of(context)
    name = model_name(settings.desk)
    with workspace(settings) as place:
        registry = place.registry()
        number = models.wanted(registry, name, version).number
        verdict = gate.judge(registry, settings.home, name, number)
    against = f"version {verdict.champion}" if verdict.champion else "the commonest label"
    table(f"{name} version {number} against {against}", gate.COLUMNS, verdict.rows())
    if spoken := verdict.language_rows():
        table("Right by language", gate.LANGUAGE_COLUMNS, spoken)
    if pace := verdict.pace:
        out.print(f"CPU a ticket: {pace.before:.1f} ms before, {pace.after:.1f} ms after")
    for warning in verdict.warnings:
        out.print(f"Note: {warning}", markup=False)
    for reason in verdict.against:
        out.print(f"Against it: {reason}", markup=False)
    if not verdict.against:
        out.print(f"Nothing speaks against it: forewarn models promote {number}")


@app.command()
def shadow(
    context: typer.Context,
    version: Annotated[
        str | None,
        typer.Argument(help="The challenger's version; the comparison is shown without it."),
    ] = None,
    share: Annotated[
        float, typer.Option(help="The share of tickets that it scores too, in (0, 1].")
    ] = 0.1,
    stop: Annotated[bool, typer.Option("--stop", help="End it; what it said stays.")] = False,
) -> None:
    """Score a challenger on live tickets, and hold it against the champion.

    Nobody sees what it says, and no answer waits for it: a ticket is answered first.
    Every process draws the same tickets.

    Without VERSION: how often the two agree, who was right where people have judged since, and
    what each takes. It ends with --stop, or when it is promoted.

    Example: forewarn models shadow 4 --share 0.2
    """
    from pipelines import shadow as shadows
    from pipelines.audit_trail import SHADOWED, UNSHADOWED, log, named
    from pipelines.console import out
    from pipelines.workspace import model_name, workspace

    settings = settings_of(context)
    name = model_name(settings.desk)
    if stop and version is not None:
        raise ValueError("--stop ends the one challenger that there is; it wants no VERSION")
    with workspace(settings) as place:
        if stop:
            ended = shadows.stop(settings.home, name)
            log(place.store, UNSHADOWED, settings.desk, named(ended))
            out.print(f"{named(ended)} is no longer scored: forewarn models shadow compares it")
        elif version is not None:
            new = shadows.start(place.registry(), settings.home, name, version, share)
            log(place.store, SHADOWED, settings.desk, named(new))
            out.print(
                f"{named(new)} is scored on {new.share:.3g} of the tickets; a running endpoint "
                "takes it within 10 s. The comparison: forewarn models shadow"
            )
        elif found := shadows.compared(place):
            shadows.show(found, name)
        else:
            out.print("No challenger has been scored yet: forewarn models shadow VERSION")


@app.command()
def rollback(context: typer.Context) -> None:
    """Serve again what was served before, one step back."""
    from pipelines import models
    from pipelines.audit_trail import ROLLED_BACK, log, named
    from pipelines.console import out
    from pipelines.workspace import model_name, workspace

    settings = settings_of(context)
    with workspace(settings) as place:
        now = models.rollback(place.registry(), settings.home, model_name(settings.desk))
        log(place.store, ROLLED_BACK, settings.desk, named(now))
    out.print(f"{now.name} version {now.version} is served again")
