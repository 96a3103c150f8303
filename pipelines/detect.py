"""Watch a desk's metrics and ticket counts: learn from the past, then go on step by step.

What a detector knows, how far it has looked (its watermark) and the alerts that came of it are
saved in one transaction. A run that was killed goes on where the last save stands.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from data.records import Alert, AlertKind, Trace
from data.settings import Settings
from features.rolling import rolled_counts
from models.budget import Threshold, threshold_for
from models.seasonal import Seasonal
from models.surge import Surge
from models.watch import Change, Recent, Watch
from pipelines.alerts import Told, alert_id, utc, why
from pipelines.console import Report, silent
from pipelines.feeds import (
    METRICS,
    SPAN,
    TARGET,
    TICKETS,
    TOTAL,
    Kind,
    Steps,
    feed,
    first_at,
    floor,
)
from pipelines.workspace import Workspace

ALERT_KINDS: dict[Kind, AlertKind] = {METRICS: "metric", TICKETS: "surge"}
NEEDS: dict[Kind, str] = {METRICS: "4 days of points", TICKETS: "2 weeks of tickets"}
SETTLE = timedelta(weeks=2)  # scores of a detector this young say little about its old age
LOOK_BACK = timedelta(weeks=12)  # how much history a detector begins with
RELEARN = timedelta(days=1)  # how often one without a threshold looks for it anew
HOUR = timedelta(hours=1)  # tickets are told by the hour: a step's count is too small to read
KNOWN = timedelta(days=2)  # of scores before a threshold is taken from them
TRACE_STEPS = 1000  # an episode that lasts longer is drawn by its latest part
LINES = ("observed", "expected", "lower", "upper")
UNKNOWN = Threshold(float("nan"), float("nan"), 0.0)


@dataclass
class Live:
    """A watch on one kind of series of one desk, and how far it has looked."""

    kind: Kind
    watch: Watch
    keys: list[str]
    watermark: datetime
    threshold: Threshold = UNKNOWN
    began_at: datetime | None = None
    open: dict[int, str] = field(default_factory=dict)  # the alert of each series that has one
    traces: dict[str, Trace] = field(default_factory=dict)  # of alerts that are open

    @property
    def watching(self) -> bool:
        """Whether it knows enough to alert; until then it learns."""
        return bool(np.isfinite(self.threshold.value))

    @property
    def needs(self) -> str:
        return NEEDS[self.kind]

    def step_all(self, steps: Steps) -> Iterator[list[Change]]:
        """Take in some steps; what each one changed. Series that are new find their place."""
        new = [key for key in steps.keys if key not in set(self.keys)]
        if new:
            self.keys = [*self.keys, *new]
            self.watch.resize(len(self.keys))
        for at, values in zip(steps.times, steps.of(self.keys), strict=True):
            yield self.watch.step(at, values)


def new_watch(kind: Kind, settings: Settings) -> Watch:
    """A watch that has seen nothing."""
    make = Seasonal if kind == METRICS else Surge
    detector = make(0, step_seconds=settings.step_seconds, timezone=settings.timezone)
    return Watch(
        detector,
        float("nan"),
        n_series=0,
        step_seconds=settings.step_seconds,
        recent_seconds=int((SPAN + HOUR).total_seconds()),
    )


def budget_of(kind: Kind, settings: Settings) -> float:
    """False alerts a week that the desk accepts of this kind."""
    return settings.metric_budget if kind == METRICS else settings.ticket_budget


# -- learning from the past ------------------------------------------------------------------


def begin(place: Workspace, kind: Kind, until: datetime, report: Report = silent) -> Live:
    """Learn from the stored past up to `until`, and take the threshold from its scores.

    Nothing alerts for what lies in the past. Where there is too little of it for a threshold,
    the watch goes on learning.
    """
    until = floor(until, place.settings.step_seconds)
    live = Live(kind, new_watch(kind, place.settings), [], until, began_at=until)
    start = first_at(place, kind)
    if start is None or start >= until:
        return live
    start = floor(max(start, until - LOOK_BACK), place.settings.step_seconds)
    scores, total = [], -((start - until) // SPAN)
    for done, steps in enumerate(feed(place, kind, start, until), start=1):
        scores.extend(live.watch.seen.scores for _ in live.step_all(steps))
        report(done, total)
    live.threshold = settled_threshold(scores, budget_of(kind, place.settings), place.settings)
    live.watch.threshold = live.threshold.value
    return live


def settled_threshold(scores: list[np.ndarray], budget: float, settings: Settings) -> Threshold:
    """The threshold for a budget, from the scores of a detector that has grown up."""
    step = timedelta(seconds=settings.step_seconds)
    settled = scores[min(SETTLE // step, len(scores) // 3) :]
    if not settled:
        return UNKNOWN
    matrix = np.full((len(settled), len(settled[-1])), np.nan)
    for row, one in enumerate(settled):
        matrix[row, : len(one)] = one  # series that came later have no score before
    found = threshold_for(matrix, settings.step_seconds, budget)
    return found if timedelta(weeks=found.n_weeks) >= KNOWN else replace(found, value=np.nan)


# -- going on ---------------------------------------------------------------------------------


def advance(place: Workspace, live: Live, until: datetime, report: Report = silent) -> list[Alert]:
    """Look at all that came between the watermark and `until`; the alerts that this changed.

    Saved after each span, so that a kill costs the replay of one span.
    """
    until = floor(until, place.settings.step_seconds)
    total, changed = -((live.watermark - until) // SPAN), {}
    for done, steps in enumerate(feed(place, live.kind, live.watermark, until), start=1):
        alerts: dict[str, Alert] = {}
        for changes in live.step_all(steps):
            for change in changes:
                alert = note(place, live, change)
                alerts[alert.id] = alert
        for series, id in live.open.items():
            live.traces[id] = longer(live.traces.get(id), id, drawn(live, series))
        live.watermark = utc(steps.times[-1]) + timedelta(seconds=place.settings.step_seconds)
        save(place, live, list(alerts.values()))
        changed |= alerts
        report(done, total)
    return list(changed.values())


def note(place: Workspace, live: Live, change: Change) -> Alert:
    """Turn what one step did to one episode into its alert, and keep the chart of it."""
    kind, key = ALERT_KINDS[live.kind], live.keys[change.series]
    id = alert_id(place.settings.desk, kind, key, utc(change.opened_at))
    live.traces[id] = longer(live.traces.get(id), id, drawn(live, change.series))
    if change.what == "closed":
        live.open.pop(change.series, None)
    else:
        live.open[change.series] = id
    return alert_of(place, live, change, live.traces[id])


def drawn(live: Live, series: int) -> Recent:
    """The last steps of a series as a chart shows them: tickets by the hour."""
    recent = live.watch.recent(series)
    if live.kind == METRICS:
        return recent
    n = int(HOUR.total_seconds()) // live.watch.step_seconds
    hourly = rolled_counts(recent.observed, recent.expected, recent.upper, max(n, 1))
    return Recent(recent.times, *hourly)


def alert_of(place: Workspace, live: Live, change: Change, trace: Trace) -> Alert:
    """The alert of an episode, as it stands after `change`."""
    desk, kind, key = place.settings.desk, ALERT_KINDS[live.kind], live.keys[change.series]
    told = Told(change.observed, change.expected, change.lower, change.upper)
    if kind == "surge":
        told = at_peak(trace, utc(change.peak_at)) or told
    n_tickets = count_tickets(place, live, change) if kind == "surge" else None
    return Alert(
        id=trace.alert_id,
        desk=desk,
        kind=kind,
        key=key,
        opened_at=utc(change.opened_at),
        closed_at=None if change.closed_at is None else utc(change.closed_at),
        score=change.score,
        threshold=live.threshold.value,
        **told._asdict(),
        n_tickets=n_tickets,
        detector=type(live.watch.detector).__name__.lower(),
        why=why(kind, key, utc(change.peak_at), told, ZoneInfo(place.settings.timezone)),
    )


def at_peak(trace: Trace, peak_at: datetime) -> Told | None:
    """What the chart shows at the peak; None where it no longer reaches back so far."""
    if peak_at not in trace.times:
        return None
    row = trace.times.index(peak_at)
    shown = (getattr(trace, name)[row] for name in LINES)
    return Told(*(np.nan if value is None else value for value in shown))


def count_tickets(place: Workspace, live: Live, change: Change) -> int:
    """Tickets of the alert's kind from an hour before it opened to its peak or its end."""
    key = live.keys[change.series]
    start = utc(change.opened_at) - HOUR
    last = utc(change.peak_at if change.closed_at is None else change.closed_at)
    stop = last + timedelta(seconds=place.settings.step_seconds)
    openings = place.store.openings(place.settings.desk, TARGET, start, stop)
    return sum(key in (TOTAL, label) for _, label in openings)


def longer(trace: Trace | None, id: str, recent: Recent) -> Trace:
    """The chart of an alert, with the steps of `recent` that it does not have yet."""
    times = [utc(at) for at in recent.times]
    first = sum(at <= trace.times[-1] for at in times) if trace and trace.times else 0
    joined = {
        name: (
            *(getattr(trace, name) if trace else ()),
            *(None if np.isnan(value) else float(value) for value in getattr(recent, name)[first:]),
        )[-TRACE_STEPS:]
        for name in LINES
    }
    known = (*(trace.times if trace else ()), *times[first:])[-TRACE_STEPS:]
    return Trace(id, known, **joined)


# -- saving and resuming ----------------------------------------------------------------------


def save(place: Workspace, live: Live, alerts: list[Alert]) -> None:
    """Save what `live` knows, how far it looked and what came of it, all at once."""
    kept = {alert.id for alert in alerts} | set(live.open.values())
    traces = [trace for id, trace in live.traces.items() if id in kept]
    live.traces = {id: live.traces[id] for id in live.open.values()}
    desk = place.settings.desk
    place.store.save_detection(desk, live.kind, live.watermark, packed(live), alerts, traces)


def packed(live: Live) -> bytes:
    """All that `resume` needs, as one npz."""
    buffer = io.BytesIO()
    began = np.nan if live.began_at is None else live.began_at.timestamp()
    np.savez_compressed(
        buffer,
        keys=np.array(live.keys, dtype=str),
        threshold=np.array(
            [live.threshold.value, live.threshold.realised_per_week, live.threshold.n_weeks]
        ),
        began_at=np.array(began),
        open_series=np.array(list(live.open), dtype=np.int64),
        open_alerts=np.array(list(live.open.values()), dtype=str),
        **live.watch.state(),
    )
    return buffer.getvalue()


def resume(place: Workspace, kind: Kind) -> Live | None:
    """The detection of this kind as it was last saved; None where it never began."""
    saved = place.store.detection(place.settings.desk, kind)
    if saved is None:
        return None
    with np.load(io.BytesIO(saved.state), allow_pickle=False) as arrays:
        state = dict(arrays)
    keys = [str(key) for key in state.pop("keys")]
    watch = new_watch(kind, place.settings)
    series, ids = state.pop("open_series"), state.pop("open_alerts")
    threshold = Threshold(*(float(value) for value in state.pop("threshold")))
    began_at = datetime.fromtimestamp(float(state.pop("began_at")), saved.watermark.tzinfo)
    watch.restore(state)
    live = Live(kind, watch, keys, saved.watermark, threshold, began_at)
    live.open = {int(one): str(id) for one, id in zip(series, ids, strict=True)}
    found = {id: place.store.trace(id) for id in live.open.values()}
    live.traces = {id: trace for id, trace in found.items() if trace}
    return live


def detect(
    place: Workspace, kind: Kind, until: datetime, live: Live | None = None, report: Report = silent
) -> tuple[Live, list[Alert]]:
    """Go on from where this kind stands, or begin; what is known then, and the alerts changed.

    One that has no threshold yet learns anew from all that is stored, once a day.
    """
    live = live or resume(place, kind)
    if live is None or (not live.watching and until - (live.began_at or until) >= RELEARN):
        live = begin(place, kind, until, report)
        save(place, live, [])
        return live, []
    return live, advance(place, live, until, report)
