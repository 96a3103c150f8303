"""A seeded help desk and its services' metrics, with incidents of known onset. All of it invented.

Nothing here is real data. The sizes of the incidents, the noise and the bad manners of the
metrics were fixed before any detector was written; a detector is to be improved, not this desk.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from data.points import Points
from data.records import Change, Incident, Ticket
from data.simulation.activity import BIN_SECONDS, Calendar, activity, calendar
from data.simulation.causes import Made, draw_changes, echoing
from data.simulation.desk import CATEGORIES, DEPENDS_ON, series_keys
from data.simulation.desk_tickets import draw_arrivals, write_tickets
from data.simulation.faults import Fault, draw_faults
from data.simulation.places import draw_strikes, placed
from data.simulation.signals import draw_signals

TICKET_COLUMNS = (
    "Number", "Opened", "Short description", "Description", "Channel", "Caller", "Category",
    "Impact", "Urgency", "Priority", "Assignment group", "Resolved", "Site", "Device",
)  # fmt: skip


@dataclass(frozen=True)
class Simulated:
    """What a simulated desk leaves behind.

    A ticket's `requester` is a plain (invented) e-mail address, since these tickets stand for the
    desk's own file; it becomes a keyed hash when that file is ingested. `strikes` says for each
    incident which site and device it was confined to, if any.
    """

    tickets: list[Ticket]
    points: Points
    incidents: list[Incident]
    changes: Sequence[Change] = ()
    strikes: Sequence[Mapping[str, str]] = ()


def simulate(
    seed: int, *, end: datetime, desk: str = "demo", weeks: int = 8, incident_weeks: int = 2,
    tickets_a_week: float = 3000, echoes: bool = False,
) -> Simulated:  # fmt: skip
    """The `weeks` weeks before `end` (cut to the full hour), incidents only in the last of them.

    The same arguments give the same bytes. Metric points come every five minutes, ordered by time.
    With `echoes` a fault also moves the services that depend on the one where it began.

    >>> simulated = simulate(1, end=datetime(2026, 3, 2, tzinfo=UTC), weeks=1, incident_weeks=1,
    ...                      tickets_a_week=100)
    >>> simulated.incidents[0].origin, simulated.tickets[0].external_id
    ('simulated', 'SIM0000001')
    """
    _check(end, weeks, incident_weeks, tickets_a_week)
    end = end.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    rng = np.random.default_rng(seed)
    when = calendar(end, weeks)
    busy = activity(when)
    faults = draw_faults(rng, busy, incident_weeks)
    behind = np.random.default_rng([seed, 1])  # of its own: the rest is the same without it
    changes = draw_changes(behind, faults, when.starts.size)
    if echoes:
        faults = [echoing(behind, fault) for fault in faults]
    arrivals = draw_arrivals(rng, when, faults, busy, tickets_a_week)
    places = np.random.default_rng([seed, 2])
    strikes = draw_strikes(places, len(faults))
    tickets = write_tickets(rng, arrivals, desk, end)
    return Simulated(
        placed(places, tickets, arrivals.fault.tolist(), strikes),
        _points(when, draw_signals(rng, when, faults)),
        [_incident(i, fault, when, desk) for i, fault in enumerate(faults, start=1)],
        [_change(i, made, when, desk) for i, made in enumerate(changes, start=1)],
        strikes,
    )


def _check(end: datetime, weeks: int, incident_weeks: int, tickets_a_week: float) -> None:
    if end.tzinfo is None:
        raise ValueError(f"end must be an aware datetime, such as one in UTC, got {end}")
    if not 0 <= incident_weeks <= weeks or weeks < 1:
        raise ValueError(
            f"weeks must be at least 1 and incident_weeks lie in [0, weeks], "
            f"got {weeks} and {incident_weeks}"
        )
    if tickets_a_week <= 0:
        raise ValueError(f"tickets_a_week must be above 0, got {tickets_a_week}")


def _points(when: Calendar, values: np.ndarray) -> Points:
    rows, columns = np.nonzero(~np.isnan(values))
    keys = np.array(series_keys(), dtype=object)
    at = when.starts.astype("datetime64[ms]")
    return Points(series=keys[columns], at=at[rows], values=values[rows, columns])


def _incident(number: int, fault: Fault, when: Calendar, desk: str) -> Incident:
    onset_at = _moment(fault.onset, when)
    names = tuple(CATEGORIES[i].name for i in fault.categories)
    return Incident(
        id=f"{desk}-simulated-{number}",
        desk=desk,
        title=f"Simulated fault: {names[0]}",
        onset_at=onset_at,
        ended_at=onset_at + timedelta(seconds=round(fault.duration * BIN_SECONDS)),
        categories=names,
        series=tuple(dict.fromkeys((*fault.effects, *(echo.key for echo in fault.echoes)))),
        origin="simulated",
    )


def _change(number: int, made: Made, when: Calendar, desk: str) -> Change:
    id, at = f"{desk}-simulated-change-{number}", _moment(made.at, when)
    return Change(id, desk, at, made.title, made.service, told_by="simulated")


def _moment(bin: int, when: Calendar) -> datetime:
    return when.starts[0].item().replace(tzinfo=UTC) + timedelta(seconds=bin * BIN_SECONDS)


def write(simulated: Simulated, folder: Path) -> None:
    """The desk's exports: tickets, metrics, incidents, changes and dependencies, each a .csv."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(folder / "tickets.csv", TICKET_COLUMNS, map(_ticket_row, simulated.tickets))
    _write_csv(
        folder / "metrics.csv", ("timestamp", "series", "value"), _point_rows(simulated.points)
    )
    columns = ("id", "title", "onset_at", "ended_at", "categories", "series")
    _write_csv(folder / "incidents.csv", columns, map(_incident_row, simulated.incidents))
    rows = ((one.id, _stamp(one.at), one.service, one.title) for one in simulated.changes)
    _write_csv(folder / "changes.csv", ("id", "at", "service", "title"), rows)
    needs = ((service, ";".join(needed)) for service, needed in DEPENDS_ON.items())
    _write_csv(folder / "dependencies.csv", ("service", "depends_on"), needs)


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _ticket_row(ticket: Ticket) -> tuple[object, ...]:
    labels = (
        ticket.labels[name] for name in ("category", "impact", "urgency", "priority", "group")
    )
    return (
        ticket.external_id, _stamp(ticket.opened_at), ticket.title, ticket.body, ticket.channel,
        ticket.requester, *labels, _stamp(ticket.resolved_at),
        ticket.attributes["site"], ticket.attributes["device"],
    )  # fmt: skip


def _point_rows(points: Points) -> Iterator[tuple[str, str, float]]:
    stamps = np.datetime_as_string(points.at.astype("datetime64[s]"), timezone="UTC")
    return zip(stamps.tolist(), points.series.tolist(), points.values.tolist(), strict=True)


def _incident_row(incident: Incident) -> tuple[str, ...]:
    """Several categories or series stand in one cell, parted by semicolons."""
    return (
        incident.id, incident.title, _stamp(incident.onset_at), _stamp(incident.ended_at),
        ";".join(incident.categories), ";".join(incident.series),
    )  # fmt: skip


def _stamp(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"
