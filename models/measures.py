"""The seven measures of a help desk. `docs/measures.md` has their definitions."""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from data.records import Alert, Incident, Ticket
from features.labels import parsed
from models.about import first_told, over_at
from models.figures import Figure, Parts, of_answers, of_days, of_times
from models.handled import Answers, Handled, Lasting
from models.recurrence import WITHIN, by_key

By = Literal["category", "service", "group"]
SERVICE = "service"
LOOKBACK = timedelta(seconds=WITHIN)


class Span(NamedTuple):
    """From when to when, [since, until)."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Past:
    """What the measures are of.

    `tickets` are in order and begin 30 days before `span`, as far as there are such: they are what
    later ones may be like. `incidents` are all that are known. `told` says of each source from
    when to when it has told of tickets, and `watched_until` how far detection has come, None where
    there is none. `alike` (n_tickets,) says whether a ticket is like one of the last 30 days by its
    words, where that was looked at.
    """

    span: Span
    tickets: Sequence[Ticket]
    told: Mapping[str, Span]
    incidents: Sequence[Incident] = ()
    alerts: Sequence[Alert] = ()
    watched_until: datetime | None = None
    step: timedelta = timedelta(minutes=5)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    alike: np.ndarray | None = None


@dataclass(frozen=True)
class Report:
    """All figures of a span of time: each measure of the whole, then of its parts by size."""

    by: By
    span: Span
    n_days: int
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]

    def of(self, measure: str) -> list[Figure]:
        """A measure's figures, that of the whole first."""
        return [one for one in self.figures if one.measure == measure]

    def plain(self) -> dict[str, Any]:
        """As JSON knows it."""
        return {
            "by": self.by,
            "since": self.span.since.isoformat(),
            "until": self.span.until.isoformat(),
            "n_days": self.n_days,
            "figures": [one.plain() for one in self.figures],
            "notes": list(self.notes),
        }


def measured(past: Past, by: By) -> Report:
    """Every measure of what was opened, or began, in a span."""
    since, until = past.span
    handled = Handled(past.tickets, {source: told.until for source, told in past.told.items()})
    rows = np.flatnonzero((handled.at >= since.timestamp()) & (handled.at < until.timestamp()))
    parts = tickets_by(past.tickets, rows, by)
    incidents = [one for one in past.incidents if since <= one.onset_at < until]
    alerts = [one for one in past.alerts if since <= one.opened_at < until]
    of_incidents = grouped([incident_parts(one, by) for one in incidents])
    days = whole_days(past)
    day = day_numbers(past.tickets, days, past.zone)
    first, flagged = handled.at_first_contact()
    figures = [
        *told(of_times, "detect", detected(past, incidents), of_incidents),
        *told(
            of_times, "acknowledge_alert", acknowledged(past, alerts),
            grouped([alert_parts(one, by) for one in alerts]),
        ),
        *told(of_times, "acknowledge", handled.lasting("acknowledged_at"), parts),
        *told(of_times, "respond", handled.lasting("first_response_at"), parts),
        *told(of_times, "resolve", handled.lasting("resolved_at"), parts),
        *(of_days("volume", day, len(days), part, own) for part, own in parts.items()),
        *told(of_answers, "recur", recurring(past, handled), parts),
        *told(of_answers, "recur_incident", recurring_incidents(past, incidents), of_incidents),
        *told(of_answers, "sla", handled.within_sla(), parts),
        *told(of_answers, "first_contact", first, parts),
        *told(of_answers, "csat", handled.satisfied(), parts),
    ]  # fmt: skip
    n_derived = int((first.known & ~flagged)[rows].sum())
    notes = notes_of(past, n_derived, days)
    return Report(by, past.span, len(days), tuple(figures), notes)


def told(
    figure: Callable[[str, Any, str, np.ndarray], Figure], measure: str, cases: Any, parts: Parts
) -> list[Figure]:
    """A measure of the whole, and of those parts of which anything is known."""
    found = [figure(measure, cases, part, rows) for part, rows in parts.items()]
    return [one for one in found if one.part == "" or one.n or one.n_open]


# -- parts ----------------------------------------------------------------------------------------


def grouped(names: Sequence[Collection[str]]) -> Parts:
    """The whole under "", then each part, the largest first: rows of those that are of it.

    >>> grouped([["net"], [], ["mail", "net"]])
    {'': array([0, 1, 2]), 'net': array([0, 2]), 'mail': array([2])}
    """
    found: dict[str, list[int]] = {}
    for row, own in enumerate(names):
        for name in own:
            found.setdefault(name, []).append(row)
    sizes = sorted(found, key=lambda name: (-len(found[name]), name))
    parts = {name: np.array(found[name]) for name in sizes}
    return {"": np.arange(len(names))} | parts


def tickets_by(tickets: Sequence[Ticket], rows: np.ndarray, by: By) -> Parts:
    """The rows of the tickets with each label; a ticket without one is of the whole alone."""
    labels = (tickets[row].labels.get(by) for row in rows.tolist())
    parts = grouped([[label] if label else [] for label in labels])
    return {name: rows[own] for name, own in parts.items()}


def incident_parts(incident: Incident, by: By) -> Collection[str]:
    """What an incident touched: its categories, or the services that its series name."""
    if by == "category":
        return dict.fromkeys(incident.categories)
    return services_of(incident.series) if by == "service" else ()


def alert_parts(alert: Alert, by: By) -> Collection[str]:
    """What an alert is of: its category, or the services that its series name."""
    if by == "category":
        return (alert.key,) if alert.kind == "surge" else ()
    return services_of((alert.key, *alert.members)) if by == "service" else ()


def services_of(series: Sequence[str]) -> Collection[str]:
    """The services of some series, by their label.

    >>> list(services_of(['errors{service="mail"}', 'queue{service="mail"}', "cpu"]))
    ['mail']
    """
    labels = (parsed(key).labels.get(SERVICE) for key in series)
    return dict.fromkeys(service for service in labels if service)


# -- incidents and alerts -------------------------------------------------------------------------


def detected(past: Past, incidents: Sequence[Incident]) -> Lasting:
    """From the true onset until the first alert about it is told.

    One that is over without an alert never is; one that detection has not come to is unknown.
    """
    watched = past.watched_until
    first = first_told(incidents, past.alerts, past.step)
    seconds = np.full(len(incidents), np.inf)
    for row, (incident, at) in enumerate(zip(incidents, first, strict=True)):
        if at is not None:
            seconds[row] = (at - incident.onset_at).total_seconds()
        elif watched is not None and watched <= over_at(incident):
            seconds[row] = (watched - incident.onset_at).total_seconds()
    ended = np.array([at is not None for at in first], bool)
    came = [watched is not None and one.onset_at < watched for one in incidents]
    return Lasting(seconds, ended, ended | np.array(came, bool))


def acknowledged(past: Past, alerts: Sequence[Alert]) -> Lasting:
    """From when an alert could be told until a person first said anything of it."""
    until = past.watched_until or past.span.until
    ends = [one.acknowledged_at or until for one in alerts]
    waited = [
        (end - one.opened_at - past.step).total_seconds()
        for one, end in zip(alerts, ends, strict=True)
    ]
    seconds = np.maximum(np.array(waited, float), 0.0)  # a person may be quicker than the step
    ended = np.array([one.acknowledged_at is not None for one in alerts], bool)
    return Lasting(seconds, ended, np.ones(len(alerts), bool))


def recurring_incidents(past: Past, incidents: Sequence[Incident]) -> Answers:
    """Whether an incident shares a category or a series with one of the 30 days before it."""
    every = sorted(past.incidents, key=lambda one: (one.onset_at, one.id))
    at = np.array([one.onset_at.timestamp() for one in every], float)
    keys = [{*one.categories, *one.series} for one in every]
    like = {one.id: row for one, row in zip(every, by_key(keys, at).tolist(), strict=True)}
    known = [
        bool(one.categories or one.series) and one.onset_at >= every[0].onset_at + LOOKBACK
        for one in incidents
    ]
    yes = np.array([like[one.id] for one in incidents], bool)
    return answered(yes, np.array(known, bool))


# -- tickets --------------------------------------------------------------------------------------


def recurring(past: Past, handled: Handled) -> Answers:
    """Whether a ticket is like one of the 30 days before it.

    By its words where that was looked at, else where category and service are the same.
    Where its source does not reach back 30 days, nobody knows.
    """
    since = {source: one.since.timestamp() for source, one in past.told.items()}
    begins = np.array([since[one.source] for one in past.tickets], float)
    reaches = handled.at >= begins + WITHIN
    if past.alike is not None:
        return answered(past.alike, reaches)
    keys = [kind_of(one) for one in past.tickets]
    return answered(by_key(keys, handled.at), reaches & np.array([bool(own) for own in keys], bool))


def kind_of(ticket: Ticket) -> Collection[Hashable]:
    """What a ticket is about, as one key; none where the desk wrote neither."""
    kind = (ticket.labels.get("category", ""), ticket.labels.get(SERVICE, ""))
    return [kind] if any(kind) else []


def answered(yes: np.ndarray, known: np.ndarray) -> Answers:
    """Answers of which none is pending."""
    return Answers(yes & known, known, np.zeros(len(known), bool))


def whole_days(past: Past) -> list[date]:
    """The days of the desk's clock that lie in the span and within what its sources tell."""
    if not past.told:
        return []
    since = max(past.span.since, min(one.since for one in past.told.values()))
    until = min(past.span.until, max(one.until for one in past.told.values()))
    day, days = since.astimezone(past.zone).date(), []
    while midnight(day + timedelta(days=1), past.zone) <= until:
        if midnight(day, past.zone) >= since:
            days.append(day)
        day += timedelta(days=1)
    return days


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins.

    >>> midnight(date(2026, 7, 1), ZoneInfo("Europe/Berlin")).isoformat()
    '2026-06-30T22:00:00+00:00'
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def day_numbers(tickets: Sequence[Ticket], days: Sequence[date], zone: ZoneInfo) -> np.ndarray:
    """The number among `days` on which each ticket was opened, -1 for another day: (n_tickets,)."""
    first = days[0].toordinal() if days else 0
    found = (one.opened_at.astimezone(zone).toordinal() - first for one in tickets)
    return np.array([day if 0 <= day < len(days) else -1 for day in found], int)


def notes_of(past: Past, n_derived: int, days: Sequence[date]) -> tuple[str, ...]:
    """What a reader has to know of this report's figures."""
    how = (
        "their words"
        if past.alike is not None
        else "category and service; forewarn report --alike goes by their words"
    )
    said = [f"Tickets are like one another by {how}"]
    if past.watched_until is None and past.incidents:
        said.append("Detection has not run here, so nobody knows what it would have detected")
    if n_derived:
        said.append(
            f"First contact: of {n_derived:,} tickets the desk does not say so itself, "
            "and those count that were neither given to somebody else nor opened again"
        )
    if days:
        said.append(f"Volume is of {len(days):,} whole days, {days[0]} to {days[-1]}")
    return tuple(said)
