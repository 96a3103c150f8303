"""New topics among the tickets that come: read for what they mean, or by their words."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Protocol

import numpy as np

from data.packing import pack, unpack
from data.records import Alert, Ticket, Trace
from data.ticket_texts import Key, fields_of, joined, key_named, key_of, name_of, texts_of
from models.budget import Budget
from models.duplicates import words_of
from models.tail import PRIORS
from models.topics import Evidence, Topics
from models.topics import name_of as named
from models.watch import Change
from pipelines.alerts import alert_id
from pipelines.console import Report, silent
from pipelines.detect import tell_budget
from pipelines.feeds import TARGET, TOPICS, floor, instant
from pipelines.topic_readers import PAST, Reader, midnight, reader_for, served_version
from pipelines.workspace import Workspace

LATE = timedelta(hours=8)  # that a ticket may be stored after it was opened, and still be judged
QUIET = timedelta(hours=1)  # without a ticket as telling, after which a topic's alert closes
HELD = 0.7  # of the threshold: so telling must a ticket be to belong to a topic that is open
RECENT = timedelta(days=3)
BESIDE = 500  # of their tickets, that the words of a topic are held against
AT_ONCE = 500
TERMS = "terms"


@dataclass
class Open:
    """A topic that goes on: its alert, when each of its tickets came, by name, and the last."""

    alert: Alert
    names: dict[str, datetime]
    last_at: datetime


class Source(Protocol):
    """Where a topic's tickets, and those beside them, are looked up."""

    def tickets_of(self, keys: Collection[Key]) -> Mapping[Key, Ticket]: ...
    def before(self, at: datetime) -> Sequence[Ticket]: ...


@dataclass(frozen=True)
class Stored:
    """A desk's tickets in the store."""

    place: Workspace

    def tickets_of(self, keys: Collection[Key]) -> Mapping[Key, Ticket]:
        return self.place.store.tickets_of(self.place.settings.desk, keys)

    def before(self, at: datetime) -> Sequence[Ticket]:
        """Those of the last days before."""
        desk, since = self.place.settings.desk, at - RECENT
        return list(self.place.store.tickets(desk, since=since, until=at))


@dataclass
class TopicWatch:
    """What is known of a desk's tickets by what they say, and how far that reaches.

    `day` is when the four weeks were read anew, so that what was erased is gone within a day.
    """

    desk: str
    version: str
    source: Source
    reader: Reader
    topics: Topics
    budget: Budget
    watermark: datetime
    day: date
    known: set[str] = field(default_factory=set)
    open: dict[str, Open] = field(default_factory=dict)


def look_for_topics(
    place: Workspace, until: datetime, known: TopicWatch | None = None, report: Report = silent
) -> tuple[TopicWatch | None, list[Alert]]:
    """Judge the tickets that came since the last look; the alerts that changed.

    None where no topics are wanted. Each day of what came is gone through with the words of those
    before it, so that many small looks and a large one come to the same.
    """
    until = floor(until, place.settings.step_seconds)
    if place.settings.topic_budget == 0:
        return None, []
    saved = place.store.detection(place.settings.desk, TOPICS)
    if saved is None:
        watch = opened(place, until, report)
        save(place, watch, Walked())
        return watch, []
    version, changed = served_version(place), dict[str, Alert]()
    same = known is not None and (known.watermark, known.version) == (saved.watermark, version)
    watch = known if same and known is not None else opened(place, saved.watermark, report)
    while watch.watermark < until:
        if watch.day != watch.watermark.date():
            watch = opened(place, watch.watermark, report)
        changed |= advance(place, watch, min(until, midnight(watch.day) + timedelta(days=1)))
    return watch, list(changed.values())


def opened(place: Workspace, at: datetime, report: Report = silent) -> TopicWatch:
    """The watch as it was saved at its watermark `at`, its tickets read anew; or a new one."""
    settings, version = place.settings, served_version(place)
    reader = reader_for(place, version, at.date())
    budget = new_budget(settings.topic_budget, settings.step_seconds)
    topics = Topics(reader.n_dimensions)
    watch = TopicWatch(settings.desk, version, Stored(place), reader, topics, budget, at, at.date())
    saved = place.store.detection(settings.desk, TOPICS)
    if saved is not None:
        restore(place, watch, saved.watermark, unpack(saved.state))
    else:  # from one step on record the prior gives a threshold
        budget.take(instant(at - timedelta(seconds=settings.step_seconds)), np.zeros(1))
    before = place.store.tickets(settings.desk, since=watch.watermark - PAST, until=watch.watermark)
    n = 0
    for some in batches(before, AT_ONCE):
        take(watch, some)
        report(n := n + len(some), None)
    return watch


def new_budget(per_week: float, step_seconds: int) -> Budget:
    """A budget of one stream: the most telling ticket of each step."""
    return Budget(per_week, 1, step_seconds, prior=PRIORS[TOPICS], young_seconds=0, strict=True)


def batches(tickets: Iterable[Ticket], size: int) -> Iterator[list[Ticket]]:
    """Tickets in lists of `size`, the last one shorter."""
    rest = iter(tickets)
    while some := list(islice(rest, size)):
        yield some


def vectors(watch: TopicWatch, tickets: Sequence[Ticket]) -> np.ndarray:
    return watch.reader.read(fields_of(tickets, watch.reader.columns))


def take(watch: TopicWatch, tickets: Sequence[Ticket]) -> None:
    """Know tickets of the past."""
    names = [name_of(key_of(one)) for one in tickets]
    at = np.array([seconds(one.opened_at) for one in tickets])
    watch.topics.add(names, at, vectors(watch, tickets))
    watch.known.update(names)


def seconds(at: datetime) -> int:
    return int(at.timestamp())


# -- going on ---------------------------------------------------------------------------------


def advance(place: Workspace, watch: TopicWatch, until: datetime) -> dict[str, Alert]:
    """Judge what came between the watermark and `until`, step by step, and save."""
    settings, since = place.settings, watch.watermark - LATE
    came = [
        one
        for one in place.store.tickets(settings.desk, since=since, until=until)
        if name_of(key_of(one)) not in watch.known
    ]
    tell_budget(place, watch.budget, "topic", lambda _: 0)
    walked = walk(watch, came, until, timedelta(seconds=settings.step_seconds))
    save(place, watch, walked)
    return walked.alerts


@dataclass
class Walked:
    """What some steps changed: alerts as they then stand, their tickets' names and their growth."""

    alerts: dict[str, Alert] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=dict)
    traces: dict[str, Trace] = field(default_factory=dict)


def walk(watch: TopicWatch, came: Sequence[Ticket], until: datetime, step: timedelta) -> Walked:
    """Go through the steps from the watermark to `until`, with the tickets that came in them."""
    walked, judged, row = Walked(), judge(watch, came), 0
    while watch.watermark < until:
        at = watch.watermark
        if watch.budget.is_due(instant(at)):
            watch.budget.settle(instant(at))
        best, began = 0.0, []
        while row < len(came) and came[row].opened_at < at + step:
            best = max(best, judged[row].score)
            known = noted(watch, came[row], judged[row], at)
            if known is not None:
                if known.alert.id not in walked.alerts and known.alert.opened_at == at:
                    began.append(known.alert)
                walked.alerts[known.alert.id] = known.alert
                walked.names.setdefault(known.alert.id, set()).update(judged[row].ids)
                walked.traces[known.alert.id] = grows(known)
            row += 1
        watch.budget.take(instant(at), np.array([best]), map(as_change, began))
        watch.watermark = at + step
        walked.alerts |= {one.id: one for one in closed(watch, watch.watermark)}
    return walked


def judge(watch: TopicWatch, came: Sequence[Ticket]) -> list[Evidence]:
    """What speaks for a topic at each ticket; those that came late count as coming now."""
    if not came:
        return []
    made = vectors(watch, came)
    names = [name_of(key_of(one)) for one in came]
    watch.known.update(names)
    return [
        watch.topics.judge(name, seconds(one.opened_at), vector)
        for name, one, vector in zip(names, came, made, strict=True)
    ]


def noted(watch: TopicWatch, ticket: Ticket, evidence: Evidence, at: datetime) -> Open | None:
    """The topic that a ticket belongs to, as it is then: one that goes on, or a new one."""
    threshold = watch.budget.threshold.value
    if not evidence.score >= HELD * threshold:  # NaN: nothing is known yet
        return None
    known = max(
        watch.open.values(),
        key=lambda one: len(one.names.keys() & set(evidence.ids)),
        default=None,
    )
    if known is None or known.names.keys().isdisjoint(evidence.ids):
        if evidence.score < threshold:
            return None
        known = begun(watch, evidence, at, threshold)
    else:
        known.names.update(dict.fromkeys(evidence.ids, ticket.opened_at) | known.names)
        known.last_at = at
        known.alert = grown(known, evidence, at)
    watch.open[known.alert.id] = known
    return known


def begun(watch: TopicWatch, evidence: Evidence, at: datetime, threshold: float) -> Open:
    """A new topic."""
    desk = watch.desk
    theirs = watch.source.tickets_of([key_named(name) for name in evidence.ids])
    texts = sorted(theirs.values(), key=lambda one: one.opened_at)
    last = texts[-1] if texts else None
    key = topic_name(watch, texts, at) or (f"like {last.external_id}" if last else "erased tickets")
    alert = Alert(
        id=alert_id(desk, "topic", evidence.ids[0], at),
        desk=desk,
        kind="topic",
        key=key,
        opened_at=at,
        peak_at=at,
        score=evidence.score,
        threshold=threshold,
        observed=float(evidence.n),
        expected=evidence.expected,
        lower=0.0,
        upper=float("nan"),
        n_tickets=len(evidence.ids),
        why=why(key, evidence),
        detector=TOPICS,
        group_key=kind_of(texts) or key,
        members=(key,),
    )
    return Open(alert, {name_of(key_of(one)): one.opened_at for one in texts}, at)


def kind_of(theirs: Sequence[Ticket]) -> str:
    """The kind that more than half of some tickets are of, by the desk's own word; else "".

    So a topic is known to belong to a surge of that kind.
    """
    kinds = Counter(one.labels.get(TARGET, "") for one in theirs)
    kind, n = kinds.most_common(1)[0] if kinds else ("", 0)
    return kind if n > len(theirs) / 2 else ""


def topic_name(watch: TopicWatch, theirs: Sequence[Ticket], at: datetime) -> str:
    """The words that tell a topic's tickets from the others of the days before."""
    columns = watch.reader.columns
    inside = {key_of(one) for one in theirs}
    others = [one for one in watch.source.before(at) if key_of(one) not in inside][-BESIDE:]
    found = named(
        [words_of(joined(texts_of(one), columns)) for one in theirs],
        [words_of(joined(texts_of(one), columns)) for one in others],
        [one.requester for one in theirs],
    )
    return " ".join(found)


def why(key: str, evidence: Evidence) -> str:
    """One sentence.

    >>> why("refund declined", Evidence(14.0, 9, 0.21, 60))
    '9 tickets on refund declined within 60 min that say much the same, expected 0.2'
    """
    expected = f"{evidence.expected:.1f}" if evidence.expected >= 0.1 else "under 0.1"
    return (
        f"{evidence.n} tickets on {key} within {evidence.minutes} min that say much the same, "
        f"expected {expected}"
    )


def grown(known: Open, evidence: Evidence, at: datetime) -> Alert:
    """The alert of a topic that another ticket joined."""
    alert = replace(known.alert, n_tickets=len(known.names))
    if evidence.score <= alert.score:
        return alert
    return replace(
        alert,
        score=evidence.score,
        peak_at=at,
        observed=float(evidence.n),
        expected=evidence.expected,
        why=why(alert.key, evidence),
    )


def closed(watch: TopicWatch, at: datetime) -> list[Alert]:
    """The alerts of topics that no ticket joined for an hour."""
    over = [one for one in watch.open.values() if at - one.last_at >= QUIET]
    for one in over:
        del watch.open[one.alert.id]
        one.alert = replace(one.alert, closed_at=max(one.last_at, one.alert.opened_at))
    return [one.alert for one in over]


def as_change(alert: Alert) -> Change:
    """The opening of an alert as the budget counts it."""
    at = instant(alert.opened_at)
    return Change("opened", 0, at, at, None, alert.score, alert.observed, alert.expected, 0.0, 0.0)


# -- what is kept -----------------------------------------------------------------------------


def save(place: Workspace, watch: TopicWatch, walked: Walked) -> None:
    """Save how far it looked and what came of it, all at once; vectors are read anew."""
    state = {f"budget.{name}": array for name, array in watch.budget.state().items()}
    state |= {
        TERMS: np.array([place.settings.topic_budget, place.settings.step_seconds]),
        "open": np.array(list(watch.open), dtype=str),
        "last": np.array([seconds(one.last_at) for one in watch.open.values()], dtype=np.int64),
    }
    place.store.save_detection(
        place.settings.desk,
        TOPICS,
        watch.watermark,
        pack(state),
        list(walked.alerts.values()),
        list(walked.traces.values()),
        tickets={id: [key_named(name) for name in names] for id, names in walked.names.items()},
        saved_at=datetime.now(UTC),
    )


def grows(one: Open) -> Trace:
    """How a topic grew: the number of its tickets whenever one came."""
    times = tuple(sorted(one.names.values()))
    counts = tuple(float(n) for n in range(1, len(times) + 1))
    none: tuple[float | None, ...] = (None,) * len(times)
    return Trace(one.alert.id, times, counts, none, none, none)


def restore(
    place: Workspace, watch: TopicWatch, watermark: datetime, state: dict[str, np.ndarray]
) -> None:
    """Take over what was saved; the budget begins anew where another one is wanted."""
    watch.watermark = watermark
    wanted = [place.settings.topic_budget, place.settings.step_seconds]
    if state[TERMS].tolist() == wanted:
        kept = {
            name.removeprefix("budget."): array
            for name, array in state.items()
            if name.startswith("budget.")
        }
        watch.budget.restore(kept)
    for id, last in zip(state["open"].tolist(), state["last"].tolist(), strict=True):
        alert = place.store.alert(id)
        if alert is None:
            continue
        keys = place.store.alert_tickets([id])
        there = place.store.tickets_of(place.settings.desk, keys)
        names = {name_of(key): one.opened_at for key, one in there.items()}
        watch.open[id] = Open(alert, names, datetime.fromtimestamp(last, UTC))
