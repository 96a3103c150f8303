"""New topics in a file of tickets, and the incidents that its alerts would have made."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from data.records import Alert, Ticket
from data.settings import Settings
from data.ticket_texts import Key, joined, key_named, key_of, texts_of
from models.incidents import title_of, why_of
from models.joining import Past, join, learn, thing_of
from models.topics import Topics
from pipelines.console import Report, silent
from pipelines.topic_readers import WordReader, midnight
from pipelines.topics import BESIDE, TopicWatch, Walked, new_budget, walk

DAY = timedelta(days=1)
OVER = timedelta(hours=24)  # of quiet, after which nothing joins an incident any more


@dataclass(frozen=True)
class Told:
    """An alert, or an incident told as one, and the ids of its tickets."""

    alert: Alert
    ids: Sequence[str]
    is_incident: bool = False

    @property
    def kind(self) -> str:
        return "incident" if self.is_incident else self.alert.kind


class Filed:
    """The tickets of a file, in the order of time."""

    def __init__(self, tickets: Sequence[Ticket]) -> None:
        self.by_key = {key_of(one): one for one in tickets}
        self.seen: list[Ticket] = []

    def tickets_of(self, keys: Collection[Key]) -> Mapping[Key, Ticket]:
        return {key: self.by_key[key] for key in keys if key in self.by_key}

    def before(self, at: datetime) -> Sequence[Ticket]:
        return [one for one in self.seen[-2 * BESIDE :] if one.opened_at < at]


def topics_of(tickets: Sequence[Ticket], settings: Settings, report: Report = silent) -> list[Told]:
    """What would have been told of new topics, by the words of the tickets alone.

    Each day weighs words by the tickets of the days before it.
    """
    if settings.topic_budget == 0 or not tickets:
        return []
    first, source = tickets[0].opened_at.astimezone(UTC).date(), Filed(tickets)
    reader = WordReader(())
    watch = TopicWatch(
        settings.desk,
        "",
        source,
        reader,
        Topics(reader.n_dimensions),
        new_budget(settings.topic_budget, settings.step_seconds),
        midnight(first),
        first,
    )
    step, whole = timedelta(seconds=settings.step_seconds), Walked()
    done = 0
    for day, of_day in by_day(tickets):
        some = list(of_day)
        source.seen += some
        walked = walk(watch, some, midnight(day) + DAY, step)
        reader.words.learn(joined(texts_of(one), reader.columns) for one in some)
        whole.alerts |= walked.alerts
        for id, names in walked.names.items():
            whole.names.setdefault(id, set()).update(names)
        report(done := done + len(some), len(tickets))
    return [
        Told(alert, sorted(key_named(name)[1] for name in whole.names[alert.id]))
        for alert in whole.alerts.values()
    ]


def by_day(tickets: Sequence[Ticket]) -> Iterator[tuple[date, Iterator[Ticket]]]:
    """Tickets in order, by the UTC day on which they were opened."""
    return groupby(tickets, key=lambda one: one.opened_at.astimezone(UTC).date())


def grouped(alerts: Sequence[Told], settings: Settings) -> list[Told]:
    """The incidents of several alerts that these would have made, each told as one."""
    ordered = sorted(alerts, key=lambda one: (one.alert.opened_at, one.alert.id))
    if not ordered:
        return []
    incidents: dict[str, list[Told]] = {}
    past: list[Past] = []
    first, n_things = ordered[0].alert.opened_at, len({thing_of(one.alert) for one in ordered})
    for one in ordered:
        alert = one.alert
        live = {
            id: [member.alert for member in members]
            for id, members in incidents.items()
            if any(until(member.alert, alert.opened_at) + OVER > alert.opened_at
                   for member in members)
        }  # fmt: skip
        learnt = learn(past, (alert.opened_at - first) / timedelta(weeks=1), n_things)
        found = join(alert, live, learnt)
        id = found.incident or alert.id
        incidents.setdefault(id, []).append(one)
        past.append(Past(thing_of(alert), id, found.probability if found.incident else 0.0))
    zone = ZoneInfo(settings.timezone)
    return [as_one(members, zone) for members in incidents.values() if len(members) > 1]


def until(alert: Alert, at: datetime) -> datetime:
    """Until when an alert lasted, seen from a time."""
    return at if alert.closed_at is None or alert.closed_at > at else alert.closed_at


def as_one(members: Sequence[Told], zone: ZoneInfo) -> Told:
    """An incident told in the words of an alert: its title, its first and last moment, why."""
    alerts = [one.alert for one in members]
    ids = sorted({id for one in members for id in one.ids})
    ends = [one.closed_at for one in alerts]
    last = None if None in ends else max(end for end in ends if end is not None)
    strongest = max(alerts, key=lambda one: one.score)
    whole = replace(
        strongest,
        key=title_of(alerts),
        opened_at=min(one.opened_at for one in alerts),
        closed_at=last,
        why=why_of(alerts, len(ids), zone),
    )
    return Told(whole, ids, is_incident=True)
