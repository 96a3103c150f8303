"""What several commands need."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.settings import Settings

if TYPE_CHECKING:
    from pipelines.ingest import Ingested

Maps = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="OURS=THEIRS",
        help="Name a column that is not recognised: --map title=Summary. Repeat as needed.",
    ),
]
Flow = Annotated[
    bool,
    typer.Option("--flow", help="Run as a Prefect flow, even where PREFECT_API_URL is not set."),
]


LONGEST = timedelta(days=36_525)


def settings_of(context: typer.Context) -> Settings:
    """The settings that `forewarn` was started with."""
    settings: Settings = context.find_root().obj
    return settings


def as_flow(context: typer.Context, asked: bool) -> bool:
    """Whether this command runs as a Prefect flow."""
    return asked or bool(settings_of(context).prefect_api_url)


def run_flow(context: typer.Context, name: str, *arguments: object) -> Any:
    """Run a flow in this process, on the Prefect server that is named, or on one of its own."""
    settings = settings_of(context)
    settings.home.mkdir(parents=True, exist_ok=True)  # Prefect makes its own folder, not this one
    from pipelines import flows

    if settings.prefect_api_url:
        flows.wait_for_server(settings.prefect_api_url, seconds=10)
    return flows.at_once(getattr(flows, name), *arguments)


def mapping_of(maps: list[str] | None) -> dict[str, str]:
    """The columns that a user named, ours to theirs.

    >>> mapping_of(["title=Summary", "opened_at=Created on"])
    {'title': 'Summary', 'opened_at': 'Created on'}
    >>> mapping_of(["Summary"])
    Traceback (most recent call last):
    ...
    ValueError: --map wants OURS=THEIRS, such as title=Summary, got 'Summary'
    """
    pairs = [text.partition("=") for text in maps or []]
    for ours, sign, theirs in pairs:
        if not (ours and sign and theirs):
            raise ValueError(f"--map wants OURS=THEIRS, such as title=Summary, got {ours + sign!r}")
    return {ours: theirs for ours, _, theirs in pairs}


def say_ingested(what: str, done: "Ingested") -> None:
    """Tell what became of a file's rows, and where to look for those that were refused."""
    from pipelines.console import out

    changed = f", {done.changed:,} changed" if done.changed else ""
    late = f"; {done.late:,} came late: stored, never scored" if done.late else ""
    out.print(f"{what}: {done.new:,} new{changed}, {done.same:,} already known{late}")
    if done.rejected:
        reasons = "; ".join(f"{reason} ({n:,})" for reason, n in done.reasons.most_common(3))
        out.print(f"  [yellow]{done.rejected:,} rows refused[/]: {reasons}")
        if done.rejects_path:
            out.print(f"  They stand, masked, in {relative(done.rejects_path)}")
    for reason, n in done.left_out.most_common(3):
        out.print(f"  {n:,} values left out, their rows kept: {reason}", markup=False)


def span(option: str, text: str) -> timedelta:
    """A time span as it is typed.

    >>> span("--overlap", "1d12h").total_seconds() / 3600
    36.0
    >>> span("--expires", "soon")
    Traceback (most recent call last):
    ...
    ValueError: --expires: wanted a time span such as 90s, 30m, 12h, 7d or 4w, got 'soon'
    """
    from data.sources.prometheus import seconds_of

    try:
        seconds = seconds_of(text)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None
    if seconds > LONGEST.total_seconds():  # beyond lies the end of what a date can say
        raise ValueError(f"{option} wants a hundred years at most, got {text}")
    return timedelta(seconds=seconds)


def relative(path: Path | None) -> str:
    """A path as short as it can be said from here."""
    if path is None:
        return "-"
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
