"""`forewarn audit-log`: who changed what."""

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from pipelines.commands.shared import settings_of, span


def audit_log(
    context: typer.Context,
    since: Annotated[
        str | None, typer.Option(help="How far back: 90m, 12h, 7d or 4w; all otherwise.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 100,
) -> None:
    """Show who changed what, the newest first: keys, models, alerts, incidents, maintenance.

    Example: forewarn audit-log --since 7d
    """
    from rich.markup import escape

    from pipelines.console import out, table
    from pipelines.workspace import workspace

    settings = settings_of(context)
    begin = None if since is None else datetime.now(UTC) - span("--since", since)
    with workspace(settings) as place:
        found = place.store.logged(since=begin, limit=limit)
    if not found:
        out.print("Nothing was changed" + (f" in the last {since}" if since else " yet"))
        return
    zone = ZoneInfo(settings.timezone)
    rows = [
        [f"{one.at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
         *map(escape, (one.who, one.what, one.desk, one.subject))]
        for one in found
    ]  # fmt: skip
    title = f"Audit log (times in {settings.timezone})"
    table(title, ["when", "who", "what", "desk", "on which"], rows)
