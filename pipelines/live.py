"""A detector at work on one desk: what it knows, how far it has looked, and how both are kept."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from data.packing import pack, unpack
from data.readings import Readings
from data.records import Alert, Trace
from data.settings import Settings
from data.store import Detection
from features.windows import Window, muted
from models.budget import YOUNG_SECONDS, Budget, Threshold
from models.detector import Detector
from models.evidence import MADE_BY
from models.floors import Floor, floors_of
from models.replay import stepped
from models.tail import PRIORS
from models.watch import Change, Watch
from models.where import Attributes
from pipelines.days_off import days_off
from pipelines.feeds import DETECTOR_OF, METRICS, SILENCE, TICKETS, Kind, Steps, span_of
from pipelines.floors import read_floors
from pipelines.states import changed_states
from pipelines.workspace import Workspace

BUDGET = "budget."  # what its arrays are called in the state
HOUR = timedelta(hours=1)  # tickets are told by the hour: a step's count is too small to read
ENOUGH = {
    METRICS: timedelta(days=2),
    TICKETS: timedelta(weeks=2),
    SILENCE: timedelta(),
}  # of a past to learn from
NEEDS = {METRICS: "2 days of points", TICKETS: "2 weeks of tickets", SILENCE: "points"}
SILENT = Threshold(1.0, float("nan"), 0.0)  # of a score that is 1 or 0


class Outdated(ValueError):
    """What was saved belongs to other settings, or to another version; it is learnt anew."""


@dataclass
class Live:
    """A watch on one kind of series of one desk, and how far it has looked.

    What lies within `windows` is neither scored nor learnt; `muted` says what did in the last step.
    """

    kind: Kind
    watch: Watch
    budget: Budget | None  # of false alerts; silence has none
    keys: list[str]
    watermark: datetime
    floors: tuple[Floor, ...] = ()
    began_at: datetime | None = None
    learnt_from: datetime | None = None  # the first point or ticket there was when it began
    made_with: dict[str, int | str] = field(default_factory=dict)  # the detector, beside its size
    open: dict[int, str] = field(default_factory=dict)  # the alert of each series that has one
    alerts: dict[str, Alert] = field(default_factory=dict)  # that are open, as they stand
    leads: dict[str, int] = field(default_factory=dict)  # the series that opened each of them
    traces: dict[str, Trace] = field(default_factory=dict)  # of alerts that are open
    usual: dict[str, list[Attributes]] = field(default_factory=dict)  # where tickets came from
    evidence: dict[str, bytes] = field(default_factory=dict)  # of alerts that are not saved yet
    told: np.ndarray = field(default_factory=lambda: np.zeros(0, int))  # states that were saved
    windows: list[Window] = field(default_factory=list)
    muted: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def threshold(self) -> Threshold:
        return SILENT if self.budget is None else self.budget.threshold

    @property
    def watching(self) -> bool:
        """Whether it knows enough to alert; until then it learns."""
        return bool(self.keys) and bool(np.isfinite(self.threshold.value))

    @property
    def needs(self) -> str:
        return NEEDS[self.kind]

    def step_all(
        self, steps: Steps, budget_from: np.datetime64 | None = None
    ) -> Iterator[list[Change]]:
        """Take in some steps; what each one changed.

        A new series begins with the step that it first shows up in, however many steps are
        taken in at once: many small looks and a large one must come to the same. The budget
        learns nothing of what comes before `budget_from`.
        """
        new = steps.beginnings(self.keys)
        keys = [*self.keys, *(key for _, key in new)]
        values, off = steps.of(keys), muted(self.windows, keys, steps.times)
        off = np.zeros(values.shape, bool) if off is None else off
        for row, at in enumerate(steps.times):
            begun = [key for first, key in new if first == row]
            if begun:
                self.keys = [*self.keys, *begun]
                self.watch.resize(len(self.keys))
                if self.budget is not None:
                    self.budget.resize(len(self.keys))
                self.watch.floors = floors_of(self.floors, self.keys)
            self.muted = off[row, : len(self.keys)]
            budget = self.budget if budget_from is None or at >= budget_from else None
            yield stepped(self.watch, budget, at, values[row, : len(self.keys)], self.muted)


def made_with(kind: Kind, settings: Settings) -> dict[str, int | str]:
    """What a detector of this kind is made with, beside its number of series."""
    step: dict[str, int | str] = {"step_seconds": settings.step_seconds}
    if kind == SILENCE:
        return step
    days = days_off(settings)
    return step | {"timezone": settings.timezone} | ({"days_off": days} if days else {})


def new_watch(kind: Kind, settings: Settings) -> Watch:
    """A watch that has seen nothing."""
    make: Callable[..., Detector] = MADE_BY[DETECTOR_OF[kind]]
    step = settings.step_seconds
    return Watch(
        make(0, **made_with(kind, settings)),
        SILENT.value if kind == SILENCE else float("nan"),
        n_series=0,
        step_seconds=step,
        # Tickets are told by the hour; of metrics the store has the points before an alert.
        recent_seconds=int((span_of(step) + HOUR).total_seconds()) if kind == TICKETS else 0,
        # A point that comes ends a silence at once; one that begins anew is news at once.
        **({"quiet_seconds": step, "refractory_seconds": 0} if kind == SILENCE else {}),
    )


def floors_for(kind: Kind, settings: Settings) -> tuple[Floor, ...]:
    """What metrics must do at least before they alert."""
    return read_floors(settings.metric_floors) if kind == METRICS else ()


def new_budget(kind: Kind, settings: Settings) -> Budget | None:
    """A budget that has seen nothing.

    Kinds of tickets are counts: old or young is all one. They are few, and a surge that chance
    does not explain may still be a busy day: only a person makes it true.

    Silence has none: it is no matter of chance.
    """
    if kind == SILENCE:
        return None
    young_seconds = YOUNG_SECONDS if kind == METRICS else 0
    return Budget(
        budget_of(kind, settings),
        0,
        settings.step_seconds,
        prior=PRIORS.get(DETECTOR_OF[kind]),
        young_seconds=young_seconds,
        strict=kind == TICKETS,
    )


def budget_of(kind: Kind, settings: Settings) -> float:
    """False alerts a week that the desk accepts of this kind."""
    return settings.metric_budget if kind == METRICS else settings.ticket_budget


def terms(kind: Kind, settings: Settings) -> str:
    """The settings that what is learnt depends on; with others it is learnt anew.

    >>> terms("metrics", Settings())
    'steps of 300 s, UTC, 1 false alerts a week'
    >>> terms("tickets", Settings(holidays=("DE-BY",)))
    'steps of 300 s, UTC, holidays of DE-BY, 1 false alerts a week'
    """
    grid = f"steps of {settings.step_seconds} s, {settings.timezone}"
    if kind == SILENCE:
        return grid
    if settings.holidays:  # own days off are not named: one more day is no reason to learn anew
        grid += f", holidays of {' '.join(settings.holidays)}"
    return f"{grid}, {budget_of(kind, settings):g} false alerts a week"


def new_live(kind: Kind, settings: Settings, until: datetime) -> Live:
    """A detection that has seen nothing."""
    watch, budget = new_watch(kind, settings), new_budget(kind, settings)
    live = Live(kind, watch, budget, [], until, floors_for(kind, settings), began_at=until)
    live.made_with = made_with(kind, settings)
    return live


def save(place: Workspace, live: Live, alerts: list[Alert]) -> None:
    """Save what `live` knows, how far it looked and what came of it, all at once."""
    kept = {alert.id for alert in alerts} | set(live.alerts)
    traces = [trace for id, trace in live.traces.items() if id in kept]
    live.traces = {id: live.traces[id] for id in live.alerts}
    live.leads = {id: live.leads[id] for id in live.alerts}
    live.usual = {id: told for id, told in live.usual.items() if id in live.alerts}
    desk = place.settings.desk
    changed = changed_states(live, desk)
    state = packed(live, terms(live.kind, place.settings))
    place.store.save_detection(
        desk,
        live.kind,
        live.watermark,
        state,
        alerts,
        traces,
        live.evidence,
        changed,
        readings=readings_of(live),
        saved_at=datetime.now(UTC),
    )
    live.evidence = {}


def readings_of(live: Live) -> Readings | None:
    """What was seen in the last step, for whoever draws it; silence has nothing to draw."""
    if live.kind == SILENCE:
        return None
    seen = (values.astype(np.float32) for values in live.watch.seen)
    return Readings(live.watermark, live.threshold.value, live.keys, *seen)


def packed(live: Live, learnt_with: str) -> bytes:
    """All that `unpacked` needs, as one npz."""
    kept = {} if live.budget is None else live.budget.state()
    return pack(
        {
            "terms": np.array(learnt_with),
            "keys": np.array(live.keys, dtype=str),
            "since": np.array([_seconds(live.began_at), _seconds(live.learnt_from)]),
            "open_series": np.array(list(live.open), dtype=np.int64),
            "open_alerts": np.array(list(live.open.values()), dtype=str),
            "told": live.told,
            **live.watch.state(),
            **{BUDGET + name: array for name, array in kept.items()},
        }
    )


def _seconds(at: datetime | None) -> float:
    return np.nan if at is None else at.timestamp()


def resume(place: Workspace, kind: Kind) -> Live | None:
    """The detection of this kind as it was last saved; None where it never began."""
    saved = place.store.detection(place.settings.desk, kind)
    if saved is None:
        return None
    live = unpacked(kind, saved, place.settings)
    for id in dict.fromkeys(live.open.values()):
        alert, trace = place.store.alert(id), place.store.trace(id)
        if alert and trace:
            live.alerts[id], live.traces[id] = alert, trace
            live.leads[id] = live.keys.index(alert.key)
    live.open = {series: id for series, id in live.open.items() if id in live.alerts}
    return live


def unpacked(kind: Kind, saved: Detection, settings: Settings) -> Live:
    """What was saved, without its charts; Outdated where it does not fit what is set now."""
    state = unpack(saved.state)
    now, was = terms(kind, settings), str(state.pop("terms", "those of an earlier version"))
    if was != now:
        raise Outdated(f"{kind} were learnt with {was}, and the settings are now {now}")
    keys: list[str] = state.pop("keys").tolist()
    series, ids = state.pop("open_series"), state.pop("open_alerts")
    told = state.pop("told", np.zeros(0, int))
    kept = {
        name.removeprefix(BUDGET): state.pop(name)
        for name in list(state)
        if name.startswith(BUDGET)
    }
    since = [
        None if np.isnan(seconds) else datetime.fromtimestamp(seconds, saved.watermark.tzinfo)
        for seconds in state.pop("since").tolist()
    ]
    try:
        watch = new_watch(kind, settings).restore(state)
        budget = new_budget(kind, settings)
        if budget is not None:
            budget.restore(kept)
    except ValueError as error:
        raise Outdated(f"{kind} were learnt by an earlier version: {error}") from error
    known = dict(zip(series.tolist(), ids.tolist(), strict=True))
    live = Live(kind, watch, budget, keys, saved.watermark, floors_for(kind, settings), *since)
    watch.floors = floors_of(live.floors, keys)
    live.made_with, live.open, live.told = made_with(kind, settings), known, told
    return live
