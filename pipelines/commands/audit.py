"""`forewarn audit`: what is wrong with labelled tickets, before a model learns from them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.commands.shared import Maps, mapping_of, relative, settings_of

if TYPE_CHECKING:
    from models.signal import Signal
    from pipelines.audit import Audit, Finding, TargetAudit

N_LINES = 8  # that are named in a table; the file has them all
N_CLASSES = 10


def audit(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Labelled tickets: CSV, JSON lines or Parquet.")],
    target: Annotated[
        list[str],
        typer.Option("--target", help="A column to be learnt. Repeat for several."),
    ] = ["category"],  # noqa: B006  typer copies it
    text: Annotated[
        str, typer.Option(help="The columns to read, joined by commas.")
    ] = "title,body",
    test: Annotated[
        Path | None, typer.Option(help="Tickets that a model will be measured on.")
    ] = None,
    split: Annotated[
        Literal["time", "stratified"] | None,
        typer.Option(help="How a training would part FILE: by time where it has times."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A CSV for every ticket found: its line and the reason.")
    ] = None,
    maps: Maps = None,
) -> None:
    """Look for copies, leaks, wrong labels, small classes, and for any signal in the text at all.

    Example: forewarn audit tickets.csv --text title,body --target category --out found.csv
    """
    from pipelines import console
    from pipelines.audit import Question, write
    from pipelines.audit import audit as run

    question = Question(
        file,
        tuple(target),
        tuple(column.strip() for column in text.split(",") if column.strip()),
        test,
        split,
        mapping_of(maps),
        settings_of(context).timezone,
    )
    found = run(question, step=console.shown)
    show(file, found)
    if out is not None:
        write(found.findings, out)
        n = len(found.findings)
        console.out.print(f"{n:,} findings: {relative(out.absolute())}", markup=False)


def show(file: Path, found: "Audit") -> None:
    """Print what was found, most important first."""
    from pipelines.console import out, table

    parts = f"{found.n_train:,} to learn from, {found.n_test:,} to measure on ({found.how})"
    for target, one in found.targets.items():
        out.print(f"[bold]{target}[/]: {verdict(one.signal)}", highlight=False)
    columns = ["target", "tickets", "classes", "commonest", "share", "likely wrong"]
    rows = [target_row(found, target, one) for target, one in found.targets.items()]
    table(f"{file.name}: {parts}", columns, rows)
    table("Found", ["what", "tickets", "lines"], list(finding_rows(found)))
    for target, one in found.targets.items():
        show_classes(target, one)
    shares = [[language, f"{share:.1%}"] for language, share in found.languages.items()]
    table("Languages", ["language (? cannot be told)", "tickets"], shares)
    for note in found.notes:
        out.print(f"Note: {note}", markup=False)


def verdict(found: "Signal | None") -> str:
    """Whether a model of this target is worth a try, in a sentence with its numbers."""
    if found is None:
        return "too few tickets to tell whether the text says anything about it"
    judged = (
        f"a quick model is right on {found.accuracy:.1%} of {found.n:,} tickets that it has not "
        f"seen, the commonest label on {found.majority:.1%} (p = {found.p_gain:.2g})"
    )
    shuffled = f"with the labels shuffled p = {found.p:.2g}"
    if found.found:
        gone = f"{found.removed:.0%} of the commonest label's errors go"
        return f"[green]signal[/]: {judged}; {gone}; {shuffled}"
    if found.trace:
        what = f"a trace ({found.skill:.1%} of the squared error, {shuffled}), of no use: "
        return f"[red]no signal[/] that a label could be told by, only {what}{judged}"
    return f"[red]no signal[/]: {judged}; {shuffled}"


def target_row(found: "Audit", target: str, one: "TargetAudit") -> list[str]:
    commonest, n = next(iter(one.counts.items()))
    told = one.signal is not None and one.signal.found
    wrong = f"{len(found.of('label', target)):,}" if told else "not asked: no signal"
    return [target, f"{one.n:,}", f"{len(one.counts):,}", commonest, f"{n / one.n:.1%}", wrong]


def finding_rows(found: "Audit") -> "list[list[str]]":
    from pipelines.audit import REASONS

    rows = []
    for reason, told in REASONS.items():
        for target in ("", *found.targets):
            if some := found.of(reason, target):
                rows.append([f"{told}{target and f' ({target})'}", f"{len(some):,}", lines(some)])
    return rows or [["nothing", "0", "-"]]


def lines(some: "list[Finding]") -> str:
    """The first lines, and those that they repeat."""
    told = [
        f"{one.line}" + (f"={one.other_line}" if one.other_line is not None else "")
        for one in some[:N_LINES]
    ]
    return " ".join(told) + (" …" if len(some) > N_LINES else "")


def show_classes(target: str, one: "TargetAudit") -> None:
    """Print the smallest classes that lack tickets for a promise of their own."""
    from pipelines.console import table

    few = [label for label in one.counts if one.missing[label]][::-1]
    if not few:
        return
    title = f"{target}: {len(few)} of {len(one.counts)} classes share the target's promise"
    rows = [[label, f"{one.counts[label]:,}", f"{one.missing[label]:,}"] for label in few]
    columns = ["smallest classes", "tickets", "more for a promise of its own"]
    table(title, columns, rows[:N_CLASSES])
