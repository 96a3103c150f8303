"""`forewarn similar`: the past tickets most like one."""

from typing import Annotated

import typer

from pipelines.commands.shared import settings_of


def similar(
    context: typer.Context,
    text: Annotated[
        str | None, typer.Argument(help="What the ticket says; its first line is its title.")
    ] = None,
    id: Annotated[
        str | None, typer.Option("--id", metavar="EXTERNAL_ID", help="A stored ticket instead.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Where that ticket came from, if its id stands at several.")
    ] = None,
    k: Annotated[int, typer.Option(min=1, max=100, help="How many past tickets.")] = 5,
) -> None:
    """Show the past tickets most like one, what became of them, and open ones that say the same.

    The served model's encoder reads them. The first time that takes some milliseconds a ticket;
    what was read is kept.

    Example: forewarn similar "VPN drops every few minutes"
    """
    from pipelines import console
    from pipelines.score import load_model
    from pipelines.similar import COLUMNS, filled, row_of, stored, typed
    from pipelines.workspace import workspace

    if (text is None) == (id is None):
        raise ValueError("wanted either TEXT or --id EXTERNAL_ID")
    from data.ticket_texts import fields_of, key_of

    with workspace(settings_of(context)) as place:
        store, desk = place.store, place.settings.desk
        ticket = None if id is None else stored(store, desk, id, source)
        model, _ = load_model(place)
        with console.progress("tickets") as report:
            index = filled(place, model, report)
        columns = index.nearby.columns
        fields = typed(text or "", columns) if ticket is None else fields_of([ticket], columns)
        found = index.look(store, fields, k, but=None if ticket is None else key_of(ticket))
        corrected = store.corrections(desk, [key_of(one.ticket) for one in found.tickets])
    rows = [row_of(one, corrected.get(key_of(one.ticket), {})) for one in found.tickets]
    if not rows and not found.duplicates:
        console.out.print(
            f"No ticket is like this one. The served model reads {' and '.join(columns)}, and"
            f" {found.n_known:,} tickets were looked through: do they have texts there?"
        )
    if rows:
        console.table("Past tickets, the likest first", COLUMNS, rows)
    if found.duplicates:
        same = [row_of(one, {})[:2] for one in found.duplicates]
        console.table("Open tickets that say the same", ["ticket", "shared words"], same)
