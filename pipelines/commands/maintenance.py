"""`forewarn maintenance`: times in which nobody is woken and nothing is learnt."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from pipelines.commands.shared import settings_of

if TYPE_CHECKING:
    from data.records import Maintenance

app = typer.Typer(
    no_args_is_help=True, help="Plan, list and end times in which nobody is to be woken."
)


class Every(StrEnum):
    """How often a window comes again."""

    WEEK = "week"


@app.command()
def add(
    context: typer.Context,
    until: Annotated[
        str, typer.Option(help="When it ends: 2026-03-01 06:00, by the desk's clock.")
    ],
    start: Annotated[
        str, typer.Option("--from", help="When it begins; now where nothing is said.")
    ] = "",
    series: Annotated[
        list[str] | None, typer.Option(help="Series, as a glob: 'checkout_*'. Repeat as needed.")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="Kinds of tickets, as a glob; the total rests too.")
    ] = None,
    every: Annotated[
        Every | None, typer.Option(help="Again each week, at the same time of the desk's clock.")
    ] = None,
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Plan a maintenance: what it names wakes nobody meanwhile, and is not learnt as normal.

    Without --series and --category it is for the whole desk.

    Example: forewarn maintenance add --from "2026-03-01 02:00" --until "2026-03-01 04:00"
    --series 'checkout_*' --every week --note "Database upgrade"
    """
    from data.maintenance import new_maintenance
    from pipelines.audit_trail import log, user
    from pipelines.console import out
    from pipelines.windows import check_series
    from pipelines.workspace import workspace

    settings, now = settings_of(context), datetime.now(UTC)
    zone = ZoneInfo(settings.timezone)
    planned = new_maintenance(
        settings.desk,
        moment("--from", start, zone) if start else now,
        moment("--until", until, zone),
        series=tuple(series or ()),
        categories=tuple(category or ()),
        weekly=every is not None,
        note=note,
        by=user(),
        now=now,
    )
    with workspace(settings) as place:
        check_series(place, planned.series)
        place.store.put_maintenance(planned)
        log(place.store, "maintenance planned", planned.desk, planned.id)
    out.print(
        f"Maintenance {planned.id}, {span_told(planned, zone)}: {meant(planned)}", markup=False
    )


@app.command("list")
def list_all(
    context: typer.Context,
    over: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
) -> None:
    """Show the maintenance that goes on or is to come."""
    from data.maintenance import now_or_next
    from pipelines.console import out, table
    from pipelines.workspace import workspace

    settings, now = settings_of(context), datetime.now(UTC)
    zone = ZoneInfo(settings.timezone)
    with workspace(settings) as place:
        planned = place.store.maintenances([settings.desk], since=None if over else now)
    if not planned:
        out.print("No maintenance is planned: `forewarn maintenance add` plans one")
        return
    rows = []
    for one in planned:
        span = now_or_next(one, now, zone)
        state = "over" if span is None else "goes on" if span[0] <= now else "to come"
        rows.append([one.id, state, span_told(one, zone), meant(one), one.created_by, one.note])
    table("Maintenance", ["id", "state", "when", "what", "by", "note"], rows)


@app.command()
def remove(
    context: typer.Context, id: Annotated[str, typer.Argument(help="As `list` shows it.")]
) -> None:
    """End a maintenance now, or call it off. What it has covered stays unlearnt."""
    from pipelines.audit_trail import log
    from pipelines.console import out
    from pipelines.workspace import workspace

    settings = settings_of(context)
    with workspace(settings) as place:
        known = place.store.maintenance(id)
        mine = known is not None and known.desk == settings.desk
        if not mine or not place.store.remove_maintenance(id, datetime.now(UTC)):
            raise LookupError(f"no maintenance {id!r} goes on or is to come; `list` shows all")
        log(place.store, "maintenance ended", settings.desk, id)
    out.print(f"Maintenance {id} holds no more")


def moment(option: str, text: str, zone: ZoneInfo) -> datetime:
    """A time as it is typed: by the desk's clock, unless it has an offset.

    >>> moment("--from", "2026-07-01 02:00", ZoneInfo("Europe/Berlin")).isoformat()
    '2026-07-01T00:00:00+00:00'
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{option} wants a time like 2026-03-01 06:00, got {text!r}") from None
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def span_told(one: "Maintenance", zone: ZoneInfo) -> str:
    """When it holds, by the desk's clock."""
    begin, end = one.starts_at.astimezone(zone), one.ends_at.astimezone(zone)
    if one.weekly:
        return f"each {begin:%A} {begin:%H:%M} to {end:%H:%M %Z}, from {begin:%Y-%m-%d} on"
    return f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M %Z}"


def meant(one: "Maintenance") -> str:
    """What it is for."""
    return ", ".join((*one.series, *(f"tickets on {name}" for name in one.categories))) or "all"
