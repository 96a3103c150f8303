"""What an installation holds, what is still learning, and what is wrong and how to mend it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rich.markup import escape

from data.published import Pointer, open_published, pointer
from data.receivers import receivers_of
from data.records import IncidentState
from data.standing import Standing, standing_of
from models.budget import Threshold
from models.drift import MUCH, drifts, said
from models.spoken import Spoken, spoken
from models.traffic import Counts, of_desks, percent, total
from pipelines.console import out
from pipelines.feeds import JUDGED, KINDS, TOPICS, Kind
from pipelines.in_force import in_force
from pipelines.live import Live, Outdated, resume
from pipelines.monitor import line
from pipelines.workspace import Workspace, model_name

WORTH_A_LOOK: tuple[IncidentState, ...] = ("proposed", "confirmed")
MANY = 1000  # alerts that nobody has judged; more are not counted
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEHIND = timedelta(hours=1)
"""A detector whose watermark lies further back than this has stopped."""
UNSENT = timedelta(minutes=10)  # what waits for longer waits for nobody who sends


@dataclass(frozen=True)
class Status:
    """What `look` found."""

    counts: dict[str, int]
    points: int
    span: tuple[datetime, datetime] | None
    champion: Pointer | None
    detectors: dict[Kind, Live | None]  # without those that must learn anew
    topics_at: datetime | None  # how far new topics were looked for
    open_alerts: int
    n_incidents: int  # that go on and are more than candidates
    deliveries: list[Standing]
    served: Counts  # of the last hour
    spoken: list[Spoken]
    problems: list[str]
    now: datetime


def look(place: Workspace, now: datetime) -> Status:
    """Read the whole state of one desk; changes nothing."""
    place = replace(place, settings=in_force(place.settings))
    desk = place.settings.desk
    champion, trouble = champion_of(place)
    detectors: dict[Kind, Live | None] = {}
    for kind in KINDS:
        try:
            detectors[kind] = resume(place, kind)
        except Outdated as error:
            trouble.append(f"The {error}: `forewarn detect` learns anew")
    served, told = served_of(place, now)
    status = Status(
        counts=place.store.counts(desk),
        points=place.history.count(desk),
        span=place.history.span(desk),
        champion=champion,
        detectors=detectors,
        topics_at=dict(place.store.detections(desk)).get(TOPICS),
        n_incidents=sum(place.store.count_detected([desk]).get(one, 0) for one in WORTH_A_LOOK),
        open_alerts=len(place.store.alerts(desks=[desk], status="open", limit=MANY)),
        deliveries=deliveries_of(place),
        served=served,
        spoken=told,
        problems=trouble,
        now=now,
    )
    status.problems.extend([*problems(status), *belated(place, now)])
    return status


def served_of(place: Workspace, now: datetime) -> tuple[Counts, list[Spoken]]:
    """What the endpoint did in the last hour, and what this desk's models said in it."""
    store, desk = place.store, place.settings.desk
    hour = total(one.figures for one in store.serving(now - HOUR))
    counts = of_desks(hour, lambda one: one == desk)
    moved = drifts(store.serving(now - DAY, scored=True), store.serving_firsts())
    return counts, spoken(counts, moved)


def belated(place: Workspace, now: datetime) -> list[str]:
    """What to do about series whose points came after their step had been judged."""
    late = place.history.late(place.settings.desk, now - DAY, now)
    if not late:
        return []
    key, at = max(late.items(), key=lambda one: one[1])
    return [
        f"Points of {len(late):,} series of the last day came too late to be judged, such as "
        f"those of {key} up to {at:%H:%M} UTC: set the senders' clocks right, or have detection "
        f"wait for more than {place.settings.lateness_seconds} s (FOREWARN_LATENESS_SECONDS)"
    ]


def champion_of(place: Workspace) -> tuple[Pointer | None, list[str]]:
    """The published model, and what is wrong with its files."""
    name = model_name(place.settings.desk)
    try:
        found = pointer(place.settings.home, name)
        if found:
            open_published(place.settings.home, name)
    except (ValueError, LookupError) as error:
        return None, [f"The published model cannot be trusted: {error}"]
    return found, []


def deliveries_of(place: Workspace) -> list[Standing]:
    """How each receiver that the settings name stands."""
    desk, store = place.settings.desk, place.store
    return [standing_of(store, desk, one) for one in receivers_of(place.settings)]


def undelivered(standing: Standing, now: datetime) -> list[str]:
    """What keeps a receiver from hearing of alerts, or a desk from having its tickets written."""
    name, (n_waiting, oldest_at, n_failed), error, refusals, what = standing
    found = []
    if n_failed:
        found.append(
            f"{name} refused {n_failed:,} {what} ({'; '.join(refusals)}): "
            "mend that, then `forewarn deliver --again`"
        )
    if error:
        found.append(f"{name} is away ({error}): {n_waiting:,} {what} wait and are tried again")
    elif oldest_at is not None and now - oldest_at > UNSENT:
        found.append(
            f"{n_waiting:,} {what} wait for {name} since {oldest_at:%Y-%m-%d %H:%M} UTC: "
            "`forewarn deliver --follow` sends them, `forewarn detect --follow` too"
        )
    return found


def problems(status: Status) -> list[str]:
    """What keeps this desk from being served well, each with what to do about it."""
    found = []
    if not status.counts.get("tickets"):
        found.append("No tickets yet: `forewarn ingest tickets FILE`")
    if not status.points:
        found.append("No metric points yet: `forewarn ingest metrics FILE`")
    if status.champion is None:
        found.append("No model yet: `forewarn train --target category --promote`")
    for kind in JUDGED:  # silence is looked for along with the metrics
        live = status.detectors.get(kind)
        if live is None:
            found.append(f"Nothing watches the {kind}: `forewarn detect`")
        elif status.now - live.watermark > BEHIND:
            found.append(
                f"The {kind} were last looked at {live.watermark:%Y-%m-%d %H:%M} UTC: "
                "`forewarn detect --follow` keeps looking"
            )
    for one in status.spoken:
        if one.psi >= MUCH:
            found.append(
                f"Version {one.version} is not as sure of {one.target} as it was (drift "
                f"{one.psi:.2f}): look at its tickets; `forewarn train` learns from newer ones"
            )
    for standing in status.deliveries:
        found.extend(undelivered(standing, status.now))
    return found


def show(status: Status) -> None:
    """Print it."""
    counts = ", ".join(f"{n:,} {what.replace('_', ' ')}" for what, n in status.counts.items())
    out.print(f"[bold]Holds[/]      {counts}")
    if status.span:
        first, last = status.span
        out.print(
            f"[bold]History[/]    {status.points:,} points, "
            f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
        )
    if status.champion:
        out.print(
            f"[bold]Model[/]      {status.champion.name} version {status.champion.version}, "
            f"serving since {status.champion.published_at:%Y-%m-%d %H:%M} UTC"
        )
    for kind, live in status.detectors.items():
        if live:
            out.print(f"[bold]{kind.capitalize():<10}[/] {state_of(live)}")
    if status.topics_at:
        out.print(f"[bold]Topics[/]     watching: seen up to {status.topics_at:%Y-%m-%d %H:%M} UTC")
    more = " or more" if status.open_alerts == MANY else ""
    out.print(f"[bold]Alerts[/]     {status.open_alerts:,}{more} open")
    out.print(f"[bold]Incidents[/]  {status.n_incidents:,} going on")
    for name, backlog, *_ in status.deliveries:
        said = f"{name}: {backlog.n_waiting:,} waiting, {backlog.n_failed:,} refused"
        out.print(f"[bold]Delivery[/]   {escape(said)}")
    if status.served:
        out.print(f"[bold]Serving[/]    the last hour: {line(status.served)}")
    for one in status.spoken:
        out.print(f"[bold]Said[/]       {escape(said_by(one))}")
    for problem in status.problems:
        out.print(f"[yellow]![/] {escape(problem)}")


def said_by(one: Spoken) -> str:
    """What a version said in the last hour.

    >>> said_by(Spoken("it", "3", "group", 40, 0.25, 1.0, 0.0, 0.0, 0.9, 0.04))
    'group by version 3: 40 tickets, 25.0 % full tier; 100.0 % auto; drift 0.04 steady'
    """
    kinds = {"auto": one.auto, "suggest": one.suggest, "abstain": one.abstain}
    decided = ", ".join(f"{percent(part)} {kind}" for kind, part in kinds.items() if part)
    return (
        f"{one.target} by version {one.version}: {one.tickets:,} tickets, "
        f"{percent(one.full_share)} full tier; {decided}; drift {said(one.psi)}"
    )


def state_of(live: Live) -> str:
    """Whether a detector learns or watches, in one line."""
    seen = f"{len(live.keys)} series, seen up to {live.watermark:%Y-%m-%d %H:%M} UTC"
    if not live.watching:
        return f"learning: {seen}; no threshold yet, it needs {live.needs}"
    if live.budget is None:
        return f"watching: {seen}; {int(live.watch.alerting.sum())} silent"
    return (
        f"watching: {seen}; threshold {live.threshold.value:.2f}, "
        f"{realised(live.threshold)} against a budget of {live.budget.per_week:g}"
    )


def realised(threshold: Threshold) -> str:
    """How often alerts came that nobody found true.

    >>> realised(Threshold(4.1, 0.8, 5.0)), realised(Threshold(4.1, 0.0, 0.5))
    ('0.80 alerts a week not found true (5.0 weeks)', 'too few days watched to say how often')
    """
    if threshold.n_weeks < 1:
        return "too few days watched to say how often"
    return (
        f"{threshold.realised_per_week:.2f} alerts a week not found true "
        f"({threshold.n_weeks:.1f} weeks)"
    )
