"""`forewarn keys`: who may call the endpoint."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from pipelines.commands.shared import settings_of

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke the endpoint's API keys.")


@app.command()
def create(
    context: typer.Context,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="read (alerts), score (tickets), tickets (send them to be kept), metrics (write "
            "them), changes (tell of them) or admin (all, and more).",
        ),
    ] = None,
    desk: Annotated[
        list[str] | None, typer.Option("--desk", help="A desk it may see; * for all.")
    ] = None,
    note: Annotated[str, typer.Option(help="What it is for, shown by `forewarn keys list`.")] = "",
) -> None:
    """Make a key and print it, this once: only its hash is kept.

    Example: forewarn keys create --scope score --note "Zendesk trigger"
    """
    from data.keys import new_key
    from pipelines.console import err, out
    from pipelines.workspace import workspace

    settings = settings_of(context)
    key, token = new_key(
        scope or ["read", "score"], desk or [settings.desk], datetime.now(UTC), note
    )
    with workspace(settings) as place:
        place.store.put_key(key)
    err.print(f"Key {key.id} for {', '.join(sorted(key.desks))}. It is shown this once:")
    out.print(token)


@app.command("list")
def list_keys(context: typer.Context) -> None:
    """Show every key: its scopes and desks, never its secret."""
    from pipelines.console import out, table
    from pipelines.workspace import workspace

    with workspace(settings_of(context)) as place:
        keys = place.store.keys()
    if not keys:
        out.print("No keys yet: make one with `forewarn keys create`")
        return
    rows = [
        [
            key.id,
            ", ".join(sorted(key.scopes)),
            ", ".join(sorted(key.desks)),
            f"{key.created_at:%Y-%m-%d}",
            f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "valid",
            key.note,
        ]
        for key in keys
    ]
    table("API keys", ["id", "scopes", "desks", "made", "state", "note"], rows)


@app.command()
def revoke(
    context: typer.Context, key_id: Annotated[str, typer.Argument(help="The id, before the dot.")]
) -> None:
    """Refuse a key from now on."""
    from pipelines.console import out
    from pipelines.workspace import workspace

    with workspace(settings_of(context)) as place:
        if not place.store.revoke_key(key_id, datetime.now(UTC)):
            raise LookupError(f"no key {key_id!r}; `forewarn keys list` shows those there are")
    out.print(f"Key {key_id} is revoked")
