"""Detection as it goes on: one look, or one look a step for as long as it is wanted."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from data.records import Alert, DetectedIncident
from data.settings import Settings
from models.topics import ENOUGH
from pipelines import deliver
from pipelines.console import Report, err, out, progress, silent
from pipelines.detect import detect
from pipelines.feeds import KINDS, Kind
from pipelines.in_force import in_force
from pipelines.incidents import join_alerts
from pipelines.live import Live
from pipelines.status import state_of
from pipelines.topics import TopicWatch, look_for_topics
from pipelines.workspace import Workspace

LEASE_SECONDS = 60.0  # a holder that has not renewed for so long is taken for dead


@dataclass
class Look:
    """What one look at everything that came found, under which settings."""

    settings: Settings | None = None
    live: dict[Kind, Live] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    incidents: list[DetectedIncident] = field(default_factory=list)
    topics: TopicWatch | None = None


def look(
    place: Workspace, until: datetime, known: Look | None = None, *, quiet: bool = False
) -> Look:
    """Bring every detector up to `until`, this process alone.

    Where the settings have it wait for what comes late, it looks that much less far. What a
    process holds in memory is only used while nobody else has looked since. Settings that were
    promoted count from the next look on.
    """
    place = replace(place, settings=in_force(place.settings))
    until -= timedelta(seconds=place.settings.lateness_seconds)
    found = Look(place.settings)
    same = known is not None and known.settings == found.settings
    with alone(place) as renew:
        for kind in KINDS:
            live = known.live.get(kind) if known and same else None
            if live and stored_watermark(place, kind) != live.watermark:
                live = None
            with shown(kind, quiet) as report:
                live, alerts = detect(place, kind, until, live, renewing(report, renew))
            found.live[kind] = live
            found.alerts.extend(alerts)
        with shown("topics", quiet) as report:
            before = known.topics if known and same else None
            found.topics, alerts = look_for_topics(place, until, before, renewing(report, renew))
        found.alerts.extend(alerts)
        found.incidents = join_alerts(place, until)
    return found


def stored_watermark(place: Workspace, kind: Kind) -> datetime | None:
    """How far the store says that this kind was looked at."""
    return dict(place.store.detections(place.settings.desk)).get(kind)


@contextmanager
def shown(kind: str, quiet: bool) -> Iterator[Report]:
    """A progress bar, or none."""
    if quiet:
        yield silent
    else:
        with progress(kind) as report:
            yield report


def renewing(report: Report, renew: Callable[[], None]) -> Report:
    """A report that also says that this process is alive."""

    def both(done: float, total: float | None = None) -> None:
        renew()
        report(done, total)

    return both


@contextmanager
def alone(place: Workspace) -> Iterator[Callable[[], None]]:
    """Hold the desk's detection lease; wait while another process does."""
    name = f"detect-{place.settings.desk}"
    holder = f"{socket.gethostname()}:{os.getpid()}"
    waiting = False
    while not place.store.take_lease(name, holder, datetime.now(UTC), LEASE_SECONDS):
        if not waiting:
            err.print("Another process detects for this desk; waiting for it")
        waiting = True
        time.sleep(1)

    def renew() -> None:
        if not place.store.take_lease(name, holder, datetime.now(UTC), LEASE_SECONDS):
            raise TimeoutError(
                f"another process took over detection for desk {place.settings.desk!r} "
                f"while this one was held up for over {LEASE_SECONDS:.0f} s; nothing is lost"
            )

    try:
        yield renew
    finally:
        place.store.release_lease(name, holder)


def follow(place: Workspace) -> None:
    """Look once a step until stopped, and tell whom the settings name.

    Each alert that opens or closes is a line.
    """
    known = look(place, datetime.now(UTC))
    say(known)
    out.print("Looking on. Stop with Ctrl-C; nothing is lost")
    while True:
        deliver.keep_on(place, seconds_to_next(time.time(), place.settings.step_seconds))
        try:
            found = look(place, datetime.now(UTC), known, quiet=True)
        except TimeoutError as error:
            err.print(str(error), markup=False)
            continue  # the next look takes up what the other process saved
        for kind, live in found.live.items():
            if live.watching and not known.live[kind].watching:
                say_state(kind, live)
        for alert in found.alerts:
            say_alert(alert)
        for incident in found.incidents:
            say_incident(incident)
        known = found


def seconds_to_next(now: float, step_seconds: int) -> float:
    """How long until the next step of the grid has ended, and its last points had a moment.

    Prometheus keeps samples for up to 5 seconds before it sends them.

    >>> seconds_to_next(1000.0, 300)
    210.0
    """
    return step_seconds - now % step_seconds + min(10.0, step_seconds / 10)


def say(found: Look) -> None:
    """Print where each detector stands, and what it raised."""
    for kind, live in found.live.items():
        say_state(kind, live)
    if found.topics is not None:
        out.print(f"[bold]Topics[/] {topics_told(found.topics)}")
    for alert in sorted(found.alerts, key=lambda alert: alert.opened_at):
        say_alert(alert)
    for incident in sorted(found.incidents, key=lambda one: one.opened_at):
        say_incident(incident)
    if not found.alerts:
        out.print("No alerts")


def say_state(kind: Kind, live: Live) -> None:
    """One line a detector."""
    out.print(f"[bold]{kind.capitalize()}[/] {state_of(live)}")


def topics_told(watch: TopicWatch) -> str:
    """Whether new topics are looked for, in one line."""
    seen = f"{len(watch.topics):,} tickets, seen up to {watch.watermark:%Y-%m-%d %H:%M} UTC"
    if len(watch.topics) < ENOUGH:
        return f"learning: {seen}; it needs {ENOUGH:,} tickets of four weeks"
    return f"watching: {seen}; a budget of {watch.budget.per_week:g} alerts a week"


def say_alert(alert: Alert) -> None:
    """One line an alert."""
    until = f" to {alert.closed_at:%H:%M}" if alert.closed_at else ", going on"
    out.print(f"{alert.opened_at:%Y-%m-%d %H:%M}{until} UTC  {alert.summary}", markup=False)


def say_incident(incident: DetectedIncident) -> None:
    """One line an incident that is worth a look; a candidate is not, yet."""
    if incident.state != "candidate":
        out.print(
            f"{incident.opened_at:%Y-%m-%d %H:%M} UTC  {incident.priority} incident "
            f"{incident.id} {incident.state}: {incident.why}",
            markup=False,
        )
