"""Watch a desk's metrics and ticket counts: learn from the past, then go on step by step.

What a detector knows, how far it has looked (its watermark) and the alerts that came of it are
saved in one transaction. A run that was killed goes on where the last save stands.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from data.records import Alert, AlertKind, AlertStatus, Trace
from features.rolling import rolled_counts
from models.watch import Change, Recent
from pipelines.alerts import Told, alert_id, utc, why
from pipelines.console import Report, silent
from pipelines.feeds import (
    METRICS,
    TARGET,
    TICKETS,
    TOTAL,
    Kind,
    feed,
    first_at,
    floor,
    instant,
    n_spans,
)
from pipelines.live import (
    ENOUGH,
    HOUR,
    Live,
    Outdated,
    new_live,
    resume,
    save,
)
from pipelines.workspace import Workspace

ALERT_KINDS: dict[Kind, AlertKind] = {METRICS: "metric", TICKETS: "surge"}
SETTLE = timedelta(weeks=2)  # what a surge scores in its youth says little about its old age
LOOK_BACK = timedelta(weeks=12)  # how much history a detector begins with
RELEARN = timedelta(hours=1)  # how often one without a threshold looks for it anew
JUDGED: tuple[AlertStatus, ...] = ("acknowledged", "resolved", "false_alarm")  # by a person
TRACE_STEPS = 1000  # an episode that lasts longer is drawn by its latest part
LINES = ("observed", "expected", "lower", "upper")


# -- learning from the past ------------------------------------------------------------------


def begin(place: Workspace, kind: Kind, until: datetime, report: Report = silent) -> Live:
    """Learn from the stored past up to `until`, with a threshold set anew each day of it.

    What opened then counts against the budget, but nothing alerts for what lies in the past.
    Where there is too little of it for a threshold, the watch goes on learning.
    """
    step = place.settings.step_seconds
    until, first = floor(until, step), first_at(place, kind)
    live = new_live(kind, place.settings, until)
    live.learnt_from = first
    if first is None or first >= until:
        return live
    start = floor(max(first, until - LOOK_BACK), step)
    settled = None if kind == METRICS else instant(start + min(SETTLE, (until - start) / 3))
    for done, steps in enumerate(feed(place, kind, start, until), start=1):
        for _ in live.step_all(steps, settled):
            pass
        report(done, n_spans(start, until, step))
    live.watch.forget_open()
    return live


def is_due(place: Workspace, live: Live, until: datetime) -> bool:
    """Whether one that has no threshold yet should learn anew, from a past that is long enough.

    That is so each hour, and at once where older points were ingested since.
    """
    first = None if live.watching else first_at(place, live.kind)
    if first is None or until - first < ENOUGH[live.kind]:
        return False
    older = live.learnt_from is None or first < live.learnt_from
    return older or until - (live.began_at or first) >= RELEARN


def relearn(place: Workspace, kind: Kind, report: Report) -> tuple[Live, list[Alert]]:
    """Learn anew up to where the last look ended, since what was saved no longer fits.

    The alerts that were open then end there: nobody knows their episodes any more.
    """
    desk = place.settings.desk
    watermark = dict(place.store.detections(desk))[kind]
    live = begin(place, kind, watermark, report)
    raised = place.store.alerts(desks=[desk], kind=ALERT_KINDS[kind], limit=10_000)
    ended = [replace(alert, closed_at=watermark) for alert in raised if alert.closed_at is None]
    save(place, live, ended)
    return live, ended


# -- going on ---------------------------------------------------------------------------------


def advance(place: Workspace, live: Live, until: datetime, report: Report = silent) -> list[Alert]:
    """Look at all that came between the watermark and `until`; the alerts that this changed.

    Saved after each span, so that a kill costs the replay of one span.
    """
    step = place.settings.step_seconds
    until, changed = floor(until, step), {}
    tell_judged(place, live)
    total = n_spans(live.watermark, until, step)
    for done, steps in enumerate(feed(place, live.kind, live.watermark, until), start=1):
        alerts: dict[str, Alert] = {}
        for changes in live.step_all(steps):
            for change in changes:
                alert = note(place, live, change)
                alerts[alert.id] = alert
        for series, id in live.open.items():
            live.traces[id] = longer(live.traces.get(id), id, drawn(live, series))
        live.watermark = utc(steps.times[-1]) + timedelta(seconds=step)
        report(done, total)  # before saving: who has lost the lease learns of it there
        save(place, live, list(alerts.values()))
        changed |= alerts
    return list(changed.values())


def tell_judged(place: Workspace, live: Live) -> None:
    """Tell the budget what people said of alerts; what it knows already stays as it is."""
    desk, series = place.settings.desk, {key: i for i, key in enumerate(live.keys)}
    kind = ALERT_KINDS[live.kind]
    for status in JUDGED:
        for alert in place.store.alerts(desks=[desk], status=status, kind=kind, limit=10_000):
            if alert.key not in series:
                continue
            number, opened_at = series[alert.key], instant(alert.opened_at)
            if status == "false_alarm":
                live.budget.blame(number, opened_at)
            elif alert.closed_at:
                live.budget.forgive(number, opened_at, instant(alert.closed_at))


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
        peak_at=utc(change.peak_at),
        closed_at=None if change.closed_at is None else utc(change.closed_at),
        score=change.score,
        threshold=change.threshold,
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


# -- one look ---------------------------------------------------------------------------------


def detect(
    place: Workspace, kind: Kind, until: datetime, live: Live | None = None, report: Report = silent
) -> tuple[Live, list[Alert]]:
    """Go on from where this kind stands, or begin; what is known then, and the alerts changed."""
    ended: list[Alert] = []
    if live is None:
        try:
            live = resume(place, kind)
        except Outdated:
            live, ended = relearn(place, kind, report)
    if live is None or is_due(place, live, until):
        live = begin(place, kind, max(until, live.watermark) if live else until, report)
        save(place, live, ended)
        return live, ended
    return live, [*ended, *advance(place, live, until, report)]
