"""`forewarn keys`: who may call the endpoint."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.shared import settings_of, span

if TYPE_CHECKING:
    from data.keys import ApiKey
    from data.store import Store

UNKNOWN = "no key {!r}; `forewarn keys list` shows those there are"
app = typer.Typer(
    no_args_is_help=True, help="Make, list, rotate and revoke the endpoint's API keys."
)


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
    expires: Annotated[
        str | None, typer.Option(help="How long it lasts: 12h, 90d; for ever otherwise.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="Requests a second, 0 for any number; FOREWARN_RATE_LIMIT otherwise."),
    ] = None,
) -> None:
    """Make a key and print it, this once: only its hash is kept.

    Example: forewarn keys create --scope score --note "Zendesk trigger" --expires 90d --rate 50
    """
    from data.keys import new_key
    from pipelines.workspace import workspace

    settings = settings_of(context)
    key, token = new_key(
        scope or ["read", "score"],
        desk or [settings.desk],
        datetime.now(UTC),
        note,
        lasts=None if expires is None else span("--expires", expires),
        rate=rate,
    )
    with workspace(settings) as place:
        place.store.put_key(key)
        log_key(place.store, "key made", key)
    show_once(key, token)


@app.command()
def rotate(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(help="The id, before the dot.")],
    overlap: Annotated[
        str, typer.Option(help="How long the old key still works: 30m, 24h, 7d.")
    ] = "24h",
    expires: Annotated[
        str | None,
        typer.Option(help="How long the new one lasts; as long as the old one was made for."),
    ] = None,
) -> None:
    """Make a key that may do the same, and let the old one end once the overlap is over.

    Example: forewarn keys rotate 1a2b3c4d5e6f --overlap 24h
    """
    from data.keys import successor
    from pipelines.console import err
    from pipelines.workspace import workspace

    now, rest = datetime.now(UTC), span("--overlap", overlap)
    lasts = None if expires is None else span("--expires", expires)
    with workspace(settings_of(context)) as place:
        old = place.store.key(key_id)
        if old is None:
            raise LookupError(UNKNOWN.format(key_id))
        new, token = successor(old, now, lasts)
        until = min(now + rest, old.expires_at or now + rest)
        if not place.store.rotate_key(old.id, new, until):
            raise ValueError(
                f"key {key_id} is expired or revoked; `forewarn keys create` makes one"
            )
        log_key(place.store, "key rotated", old)
        log_key(place.store, "key made", new)
    err.print(f"Key {old.id} works until {until:%Y-%m-%d %H:%M} UTC")
    show_once(new, token)


def show_once(key: "ApiKey", token: str) -> None:
    """Print a new key."""
    from pipelines.console import err, out

    ends = f", until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else ""
    err.print(f"Key {key.id} for {', '.join(sorted(key.desks))}{ends}. It is shown this once:")
    out.print(token)


def log_key(store: "Store", what: str, key: "ApiKey") -> None:
    """Add to the audit log what was done to a key, on each of its desks."""
    from pipelines.audit_trail import log

    for desk in sorted(key.desks):
        log(store, what, desk, key.id)


@app.command("list")
def list_keys(context: typer.Context) -> None:
    """Show every key: its scopes, desks, rate and end, never its secret."""
    from pipelines.console import out, table
    from pipelines.workspace import workspace

    with workspace(settings_of(context)) as place:
        keys, now = place.store.keys(), datetime.now(UTC)
    if not keys:
        out.print("No keys yet: make one with `forewarn keys create`")
        return
    rows = [
        [
            key.id,
            ", ".join(sorted(key.scopes)),
            ", ".join(sorted(key.desks)),
            f"{key.created_at:%Y-%m-%d}",
            state_of(key, now),
            "" if key.rate is None else f"{key.rate:g}/s" if key.rate else "any",
            key.note,
        ]
        for key in keys
    ]
    table("API keys", ["id", "scopes", "desks", "made", "state", "rate", "note"], rows)


def state_of(key: "ApiKey", now: datetime) -> str:
    """Whether a key works, and until when."""
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "valid"
    return f"{'valid until' if key.holds(now) else 'expired'} {key.expires_at:%Y-%m-%d %H:%M}"


@app.command()
def revoke(
    context: typer.Context, key_id: Annotated[str, typer.Argument(help="The id, before the dot.")]
) -> None:
    """Refuse a key from now on."""
    from pipelines.console import out
    from pipelines.workspace import workspace

    with workspace(settings_of(context)) as place:
        key = place.store.key(key_id)
        if key is None or not place.store.revoke_key(key_id, datetime.now(UTC)):
            raise LookupError(UNKNOWN.format(key_id))
        log_key(place.store, "key revoked", key)
    out.print(f"Key {key_id} is revoked")
