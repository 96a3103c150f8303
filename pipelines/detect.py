"""Watch a desk's metrics and ticket counts: learn from the past, then go on step by step.

What a detector knows, how far it has looked (its watermark) and the alerts that came of it are
saved in one transaction. A run that was killed goes on where the last save stands.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from data.records import Alert, AlertKind, AlertStatus
from models.budget import Budget
from pipelines.alerts import utc
from pipelines.console import Report, silent
from pipelines.episodes import ALERT_KINDS, extend_trace, noted
from pipelines.feeds import METRICS, Kind, feed, first_at, floor, instant, n_spans
from pipelines.live import (
    ENOUGH,
    Live,
    Outdated,
    new_live,
    resume,
    save,
)
from pipelines.windows import windows_of
from pipelines.workspace import Workspace

SETTLE = timedelta(weeks=2)  # what a surge scores in its youth says little about its old age
AHEAD = timedelta(weeks=1)  # that windows are looked up for, to say until when they last
LOOK_BACK = timedelta(weeks=12)  # how much history a detector begins with
RELEARN = timedelta(hours=1)  # how often one without a threshold looks for it anew
JUDGED: tuple[AlertStatus, ...] = ("acknowledged", "resolved", "false_alarm")  # by a person


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
    live.windows = windows_of(place, kind, start, until)
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
    live.windows = windows_of(place, live.kind, live.watermark, until + AHEAD)
    tell_judged(place, live)
    total = n_spans(live.watermark, until, step)
    for done, steps in enumerate(feed(place, live.kind, live.watermark, until), start=1):
        alerts: dict[str, Alert] = {}
        for changes in live.step_all(steps):
            alerts |= {alert.id: alert for alert in noted(place, live, changes)}
            for alert in live.alerts.values():
                extend_trace(live, alert)
        live.watermark = utc(steps.times[-1]) + timedelta(seconds=step)
        report(done, total)  # before saving: who has lost the lease learns of it there
        save(place, live, list(alerts.values()))
        changed |= alerts
    return list(changed.values())


def tell_judged(place: Workspace, live: Live) -> None:
    """Tell the budget what people said of alerts; what it knows already stays as it is."""
    if live.budget is not None:
        series = {key: number for number, key in enumerate(live.keys)}
        tell_budget(place, live.budget, ALERT_KINDS[live.kind], series.get)


def tell_budget(
    place: Workspace, budget: Budget, kind: AlertKind, series_of: Callable[[str], int | None]
) -> None:
    """What people said of the alerts of a kind; `series_of` gives the place of an alert's key."""
    for status in JUDGED:
        for alert in place.store.alerts(
            desks=[place.settings.desk], status=status, kind=kind, limit=10_000
        ):
            number, opened_at = series_of(alert.key), instant(alert.opened_at)
            if number is None:
                continue
            if status == "false_alarm":
                budget.blame(number, opened_at)
            elif alert.closed_at:
                budget.forgive(number, opened_at, instant(alert.closed_at))


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
