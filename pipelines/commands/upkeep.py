"""`forewarn status`, `compact`, `expire`, `backup` and `erase`: looking after what is kept."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.shared import Flow, as_flow, relative, run_flow, settings_of

erase = typer.Typer(no_args_is_help=True, help="Delete a ticket, or all that a requester wrote.")


def status(context: typer.Context) -> None:
    """Say what is there, what is learning, and what is wrong and how to mend it."""
    from pipelines.status import look, show
    from pipelines.workspace import workspace

    with workspace(settings_of(context)) as place:
        show(look(place, datetime.now(UTC)))


def compact(context: typer.Context, flow: Flow = False) -> None:
    """Move whole past days of metric points from the hot table to Parquet files."""
    from pipelines import console
    from pipelines.compact import compact_history
    from pipelines.monitor import expire as expire_serving
    from pipelines.workspace import workspace

    if as_flow(context, flow):
        done = run_flow(context, "compact")
    else:
        with workspace(settings_of(context)) as place, console.progress("days") as report:
            done = compact_history(place, datetime.now(UTC), report)
            expire_serving(place, datetime.now(UTC))
    console.out.print(f"{done.points:,} points of {done.days:,} days now stand in Parquet")


def expire(
    context: typer.Context,
    days: Annotated[
        int | None,
        typer.Option(min=1, help="Keep this many days; FOREWARN_RETENTION_DAYS otherwise."),
    ] = None,
) -> None:
    """Delete tickets, predictions, closed alerts and points older than the retention time."""
    from pipelines.compact import expire_all
    from pipelines.console import out
    from pipelines.workspace import workspace

    kept = days or settings_of(context).retention_days
    if not kept:
        raise ValueError("wanted --days or FOREWARN_RETENTION_DAYS, got neither; nothing deleted")
    with workspace(settings_of(context)) as place:
        counts = expire_all(place, datetime.now(UTC) - timedelta(days=kept))
    out.print(f"Older than {kept} days, deleted: {_said(counts)}")


def backup(
    context: typer.Context,
    to: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
) -> None:
    """Copy the store, the history, the models and MLflow's files while everything runs.

    To restore: point FOREWARN_HOME at the copy.
    """
    from pipelines.backup import back_up
    from pipelines.console import out
    from pipelines.workspace import workspace

    with workspace(settings_of(context)) as place:
        size = back_up(place, to)
    out.print(f"{size / 1e6:,.1f} MB stand in {relative(to.absolute())}")


@erase.command()
def ticket(
    context: typer.Context,
    external_id: Annotated[str, typer.Argument(help="The ticket's id at its source.")],
    source: Annotated[str, typer.Option(help="Where the ticket came from.")],
) -> None:
    """Delete one ticket with its predictions and corrections."""
    from pipelines.console import out
    from pipelines.encoder import forget
    from pipelines.workspace import workspace

    desk = settings_of(context).desk
    with workspace(settings_of(context)) as place:
        counts = place.store.erase_ticket(desk, source, external_id)
        forget(place.settings.home)
    if not counts.get("tickets"):
        raise LookupError(f"desk {desk!r} has no ticket {external_id!r} from {source!r}")
    out.print(f"Deleted: {_said(counts)}. {MODELS_REMEMBER}")


@erase.command()
def requester(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The requester as the desk wrote it: an address.")],
) -> None:
    """Delete every ticket of one requester, with predictions and corrections."""
    from data.masking import pseudonym
    from data.secret_files import pseudonym_key
    from pipelines.console import out
    from pipelines.encoder import forget
    from pipelines.workspace import workspace

    settings = settings_of(context)
    with workspace(settings) as place:
        counts = place.store.erase_requester(
            settings.desk, pseudonym(pseudonym_key(settings), name)
        )
        forget(settings.home)
    if not counts.get("tickets"):
        raise LookupError(f"desk {settings.desk!r} has no ticket of that requester")
    out.print(f"Deleted: {_said(counts)}. {MODELS_REMEMBER}")


MODELS_REMEMBER = "Models trained before still carry its words: train anew to be rid of them."


def _said(counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {what}" for what, n in counts.items()) or "nothing"
