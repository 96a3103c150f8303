"""Episodes of series as alerts: one for all that belong together, with its chart and evidence."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from data.records import Alert, AlertKind, Trace
from features.labels import group_of, sender_of
from features.rhythm import days_near
from features.rolling import rolled_counts
from models.evidence import Evidence, packed
from models.watch import Change, Recent
from pipelines.alerts import Told, alert_id, silent_why, since_told, utc, why
from pipelines.feeds import METRICS, SILENCE, TICKETS, Kind, metric_steps
from pipelines.live import HOUR, Live
from pipelines.origins import from_told, isolated_from, origins
from pipelines.workspace import Workspace

ALERT_KINDS: dict[Kind, AlertKind] = {METRICS: "metric", TICKETS: "surge", SILENCE: "silent"}
EVERYTHING = "the whole desk"
MOST = 0.5  # of the series: where so many fall silent at once, it is not they that are at fault
STEPS_BEFORE = 150  # that the chart of an alert shows
TRACE_STEPS = 1000  # an episode that lasts longer is drawn by its latest part
LINES = ("observed", "expected", "lower", "upper")


def noted(place: Workspace, live: Live, changes: Sequence[Change]) -> Iterator[Alert]:
    """What one step did to the episodes, as alerts: each as it stands then.

    A series that opens joins the open alert of its group, or begins one; of several that open
    together the strangest one leads. An alert closes with the last of its series.
    """
    opened = sorted((c for c in changes if c.what == "opened"), key=lambda c: -c.score)
    groups: dict[str, list[Change]] = {}
    at_once = live.kind == SILENCE and len(opened) > max(MOST * len(live.keys), 1)
    for change in opened:
        key, by = live.keys[change.series], place.settings.group_by
        group = sender_of(key, by) if live.kind == SILENCE else group_of(key, by)
        group = EVERYTHING if at_once else group
        groups.setdefault(group, []).append(change)
    for group, together in groups.items():
        yield joined(place, live, together, group)
    yield from gone_on(place, live, [change for change in changes if change.what != "opened"])


def joined(place: Workspace, live: Live, together: Sequence[Change], group: str) -> Alert:
    """The alert that series join as their episodes open; a new one where their group has none."""
    known = next((one for one in live.alerts.values() if one.group_key == group), None)
    if known is None:
        known = begun(place, live, together[0], group)
        live.evidence[known.id] = packed(evidence_of(live, together[0]))
    members = dict.fromkeys((*known.members, *(live.keys[change.series] for change in together)))
    live.open |= {change.series: known.id for change in together}
    live.alerts[known.id] = replace(known, members=tuple(members))
    return live.alerts[known.id]


def begun(place: Workspace, live: Live, change: Change, group: str) -> Alert:
    """A new alert, which this series leads."""
    key = live.keys[change.series]
    id = alert_id(place.settings.desk, ALERT_KINDS[live.kind], key, utc(change.opened_at))
    live.leads[id] = change.series
    live.traces[id] = longer(None, id, drawn(live, change.series))
    if live.kind != TICKETS:
        before = stored_before(place, live, change)
        live.traces[id] = longer(longer(None, id, before), id, drawn(live, change.series))
    alert = alert_of(place, live, change, live.traces[id])
    return replace(alert, group_key=group, members=(key,))


def gone_on(place: Workspace, live: Live, changes: Sequence[Change]) -> Iterator[Alert]:
    """The alerts of episodes that grew or closed, those of which something is told anew."""
    of = {change.series: live.open.get(change.series, "") for change in changes}
    for change in changes:
        if change.what == "closed":
            live.open.pop(change.series, None)
    lasting = set(live.open.values())
    for change in changes:
        known = live.alerts.get(of[change.series])
        if known and known.key == live.keys[change.series] and live.kind != SILENCE:
            extend_trace(live, known)
            now = alert_of(place, live, change, live.traces[known.id])
            same = {"group_key": known.group_key, "members": known.members, "closed_at": None}
            live.alerts[known.id] = replace(now, **same)  # type: ignore[arg-type]
            yield live.alerts[known.id]
    for change in changes:
        id = of[change.series]
        if change.closed_at is not None and id not in lasting and id in live.alerts:
            extend_trace(live, live.alerts[id])
            known = live.alerts.pop(id)
            yield replace(known, closed_at=max(utc(change.closed_at), known.opened_at))


def extend_trace(live: Live, alert: Alert) -> None:
    """Draw on the chart of an alert, which is that of the series that leads it."""
    recent = drawn(live, live.leads[alert.id])
    live.traces[alert.id] = longer(live.traces.get(alert.id), alert.id, recent)


def evidence_of(live: Live, change: Change) -> Evidence:
    """What the numbers of an episode that opens follow from."""
    detector, made = live.watch.detector, dict(live.made_with)
    if "days_off" in made:  # sixty years of them are not kept with every alert
        made["days_off"] = days_near(str(made["days_off"]), change.opened_at)
    return Evidence(
        detector=type(detector).__name__.lower(),
        made_with=made,
        at=change.opened_at,
        value=change.observed,
        threshold=change.threshold,
        state=change.before or {},
    )


def stored_before(place: Workspace, live: Live, change: Change) -> Recent:
    """The points that came before an episode, and what the detector that opened it calls normal."""
    step, key = live.watch.step_seconds, live.keys[change.series]
    stop = utc(change.opened_at)
    start = stop - STEPS_BEFORE * timedelta(seconds=step)
    steps = metric_steps(place, start, stop, [key])
    judge = evidence_of(live, change).detector_then()
    bands = np.array([np.concatenate(judge.expect(at)) for at in steps.times]).reshape(-1, 3)
    return Recent(steps.times, steps.of([key])[:, 0], *bands.T)


def drawn(live: Live, series: int) -> Recent:
    """The last steps of a series as a chart shows them: tickets by the hour."""
    recent = live.watch.recent(series)
    if live.kind != TICKETS:
        return recent
    n = int(HOUR.total_seconds()) // live.watch.step_seconds
    hourly = rolled_counts(recent.observed, recent.expected, recent.upper, max(n, 1))
    return Recent(recent.times, *hourly)


def alert_of(place: Workspace, live: Live, change: Change, trace: Trace) -> Alert:
    """The alert of one series' episode, as it stands after `change`."""
    desk, kind, key = place.settings.desk, ALERT_KINDS[live.kind], live.keys[change.series]
    told = Told(change.observed, change.expected, change.lower, change.upper)
    if kind == "surge":
        told = at_peak(trace, utc(change.peak_at)) or told
    here = origins(place, live, change) if kind == "surge" else None
    isolated = None if here is None else isolated_from(place, live, change, trace.alert_id, here)
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
        n_tickets=None if here is None else len(here),
        isolated=isolated,
        detector=type(live.watch.detector).__name__.lower(),
        why=reason(place, live, change, told) + from_told(isolated),
    )


def reason(place: Workspace, live: Live, change: Change, told: Told) -> str:
    """Why there is an alert, in one sentence."""
    kind, key = ALERT_KINDS[live.kind], live.keys[change.series]
    zone = ZoneInfo(place.settings.timezone)
    if kind == "silent":
        last = utc(np.datetime64(int((change.before or {})["last_at"][0]), "s"))
        stop = utc(change.opened_at) + timedelta(seconds=live.watch.step_seconds)
        late = place.history.late(place.settings.desk, last, stop)
        return silent_why(key, last, zone, late.get(key))
    return why(kind, key, utc(change.peak_at), told, zone) + since_told(change, zone)


def at_peak(trace: Trace, peak_at: datetime) -> Told | None:
    """What the chart shows at the peak; None where it no longer reaches back so far."""
    if peak_at not in trace.times:
        return None
    row = trace.times.index(peak_at)
    shown = (getattr(trace, name)[row] for name in LINES)
    return Told(*(np.nan if value is None else value for value in shown))


def longer(trace: Trace | None, id: str, recent: Recent) -> Trace:
    """The chart of an alert, with the steps of `recent` that it does not have yet."""
    times = [utc(at) for at in recent.times]
    first = sum(at <= trace.times[-1] for at in times) if trace and trace.times else 0
    lines = {
        name: (
            *(getattr(trace, name) if trace else ()),
            *(None if np.isnan(value) else float(value) for value in getattr(recent, name)[first:]),
        )[-TRACE_STEPS:]
        for name in LINES
    }
    known = (*(trace.times if trace else ()), *times[first:])[-TRACE_STEPS:]
    return Trace(id, known, **lines)
