"""Alerts of simulated faults joined into incidents, and where each is said to have begun."""

import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.page import table
from data.records import Alert, Change, DetectedIncident, Incident, Trace
from data.settings import Settings
from data.simulation.activity import BIN_SECONDS, activity, calendar
from data.simulation.desk import CATEGORIES, DEPENDS_ON, SERVICES
from data.simulation.faults import Fault, draw_faults, extra_rates
from features.names import shared_name
from models.joining import thing_of
from models.suspects import Known, service_of, suspects
from pipelines import demo
from pipelines.console import quiet
from pipelines.found import compare
from pipelines.workspace import workspace

SEEDS = range(40, 56)
WEEKS, HISTORY_WEEKS, TICKETS_A_WEEK = 2, 8, 3000
STEP = timedelta(minutes=5)
SPAN = timedelta(hours=1)  # of the baseline: what opens within it of the one before is one group
N_PROCESSES = 2
MIDDLE = 12  # extra tickets in the first hour, the size for which the time until told is given
SERVICE = {category.name: str(category.service) for category in CATEGORIES}
NEEDS = {service: frozenset(needs) for service, needs in DEPENDS_ON.items()}


@dataclass(frozen=True)
class Desk:
    """Two weeks of a simulated desk: alerts, the incidents they came to, and what truly was."""

    seed: int
    alerts: list[Alert]
    traces: Mapping[str, Trace]
    of: Mapping[str, str]  # the detected incident of each alert
    detected: list[DetectedIncident]
    faults: list[Incident]
    changes: list[Change]


def desks() -> list[Desk]:
    """Every desk, two at a time, told of as they come."""
    context = multiprocessing.get_context("spawn")
    found = []
    with ProcessPoolExecutor(N_PROCESSES, mp_context=context) as pool:
        for desk in pool.map(one, SEEDS):
            sys.stderr.write(f"  seed {desk.seed}: {len(desk.alerts)} alerts\n")
            found.append(desk)
    return found


def one(seed: int) -> Desk:
    """What `forewarn demo` does with a seed, less the ticket model; faults have echoes."""
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), desk="demo")
        past, live = settings.home / "past", settings.home / "live"
        settings = replace(settings, dependencies=str(live / demo.DEPENDENCIES))
        demo.simulate(settings.desk, seed, past, live, WEEKS, echoes=True)
        with workspace(settings) as place:
            demo.ingest(place, past, quiet)
            demo.learn(place, quiet)
            demo.ingest(place, live, quiet)
            demo.watch(place, live, quiet)
            store = place.store
            alerts = [one for one in store.alerts(limit=10_000) if one.kind != "silent"]
            detected = store.detected(None, limit=None)
            members = store.members([one.id for one in detected])
            of = {alert.id: id for id, inside in members.items() for alert, _ in inside}
            traces = {one.id: trace for one in alerts if (trace := store.trace(one.id))}
            changes = store.service_changes(settings.desk, None, None, limit=10_000)
            return Desk(seed, alerts, traces, of, detected, store.incidents(settings.desk), changes)


# -- how alerts are put together ----------------------------------------------------------------


def by_time(alerts: Sequence[Alert]) -> dict[str, str]:
    """The baseline: an alert is of the group of the one before, if that is an hour ago at most."""
    groups: dict[str, str] = {}
    last: Alert | None = None
    for alert in sorted(alerts, key=lambda one: one.opened_at):
        same = last is not None and alert.opened_at - last.opened_at <= SPAN
        groups[alert.id] = groups[last.id] if same and last is not None else alert.id
        last = alert
    return groups


def by_name(alerts: Sequence[Alert]) -> dict[str, str]:
    """The same, but only where the two share a word of their names."""
    groups: dict[str, str] = {}
    before: list[Alert] = []
    for alert in sorted(alerts, key=lambda one: one.opened_at):
        like = (
            one
            for one in reversed(before)
            if alert.opened_at - one.opened_at <= SPAN
            and (shared_name(thing_of(one).name, thing_of(alert).name) or one.key == alert.key)
        )
        same = next(like, None)
        groups[alert.id] = alert.id if same is None else groups[same.id]
        before.append(alert)
    return groups


COLUMNS = (
    "", "several alerts in one", "several categories in one", "tickets and metrics in one",
    "incidents of two faults", "groups a week", "of these false",
)  # fmt: skip


def rows(found: Sequence[Desk]) -> Iterator[list[str]]:
    """A row a way to put alerts together."""
    ways: dict[str, Callable[[Desk], Mapping[str, str]]] = {
        "Forewarn": lambda desk: desk.of,
        "Forewarn, proposed ones": lambda desk: {
            id: incident for id, incident in desk.of.items() if incident in proposed(desk)
        },
        "an hour apart at most": lambda desk: by_time(desk.alerts),
        "the same, and a shared word": lambda desk: by_name(desk.alerts),
        "each alert alone": lambda desk: {one.id: one.id for one in desk.alerts},
    }
    for name, way in ways.items():
        yield [name, *grouped(found, way)]


def proposed(desk: Desk) -> set[str]:
    """The incidents that were more than candidates."""
    return {one.id for one in desk.detected if one.proposed_at is not None}


def grouped(found: Sequence[Desk], way: Callable[[Desk], Mapping[str, str]]) -> list[str]:
    """Shares with their counts, and groups a week."""
    several, kinds, both = [], [], []
    mixed = groups = false = 0
    for desk in found:
        of = way(desk)
        told = about(desk)
        for alerts in told.values():
            mine = [one for one in alerts if one.id in of]
            surges = [one for one in mine if one.kind == "surge"]
            if len(mine) > 1:
                several.append(is_one(mine, of))
            if len({one.key for one in surges}) > 1:
                kinds.append(is_one(surges, of))
            if 0 < len(surges) < len(mine):
                both.append(is_one(mine, of))
        faults_of: dict[str, set[str]] = {}
        for id, alerts in told.items():
            for alert in alerts:
                if alert.id in of:
                    faults_of.setdefault(of[alert.id], set()).add(id)
        n = len({of[one.id] for one in desk.alerts if one.id in of})
        mixed += sum(len(ids) > 1 for ids in faults_of.values())
        groups, false = groups + n, false + n - len(faults_of)
    weeks = WEEKS * len(found)
    shares = [f"{sum(one)} of {len(one)}" for one in (several, kinds, both)]
    return [*shares, str(mixed), f"{groups / weeks:.1f}", f"{false / weeks:.1f}"]


def about(desk: Desk) -> dict[str, tuple[Alert, ...]]:
    """The alerts that are about each fault, by the fault's id; without those that were missed."""
    start, stop = demo.END - demo.LIVE, demo.END
    found = compare(desk.alerts, desk.faults, start, stop, STEP).found
    return {one.incident.id: one.alerts for one in found if one.alerts}


def is_one(alerts: Sequence[Alert], of: Mapping[str, str]) -> bool:
    return len({of[one.id] for one in alerts}) == 1


# -- where they began ---------------------------------------------------------------------------

CAUSE_COLUMNS = ("", "first", "in the first three", "faults")


def cause_rows(found: Sequence[Desk]) -> Iterator[list[str]]:
    """A row a way to name suspects: with all that is known, with less, and the baseline."""
    ways: dict[str, Callable[[Desk, Sequence[Alert]], list[str]]] = {
        "Forewarn": lambda desk, alerts: named(desk, alerts, needs=True, changes=True),
        "without changes": lambda desk, alerts: named(desk, alerts, needs=True, changes=False),
        "without dependencies": lambda desk, alerts: named(desk, alerts, needs=False, changes=True),
        "without either": lambda desk, alerts: named(desk, alerts, needs=False, changes=False),
        "the series that alerted first": lambda _, alerts: first_series(alerts),
    }
    faults = [(desk, id, alerts) for desk in found for id, alerts in about(desk).items()]
    for name, way in ways.items():
        ranks = []
        for desk, id, alerts in faults:
            truth = SERVICE[next(one for one in desk.faults if one.id == id).categories[0]]
            services = way(desk, alerts)
            ranks.append(services.index(truth) if truth in services else len(SERVICE))
        first, three = (np.array(ranks) < n for n in (1, 3))
        yield [name, share(first), share(three), str(len(ranks))]


def named(desk: Desk, alerts: Sequence[Alert], *, needs: bool, changes: bool) -> list[str]:
    """The suspects, the likeliest first."""
    last = max(one.opened_at for one in alerts)
    recent = [one for one in desk.changes if one.at <= last] if changes else []
    services = [service.name for service in SERVICES]
    known = Known(NEEDS if needs else {}, recent, float(WEEKS), services=services)
    return [one.service for one in suspects(alerts, desk.traces, known, ZoneInfo("UTC"))]


def first_series(alerts: Sequence[Alert]) -> list[str]:
    """The services of the series in the order in which they alerted."""
    metrics = sorted((one for one in alerts if one.kind == "metric"), key=lambda one: one.opened_at)
    return list(dict.fromkeys(service_of(one.key) for one in metrics))


def share(hits: np.ndarray) -> str:
    """A share with its standard error."""
    p = hits.mean()
    return f"{p:.2f} ± {np.sqrt(p * (1 - p) / len(hits)):.2f}"


# -- how soon -------------------------------------------------------------------------------------


def soon(found: Sequence[Desk]) -> dict[str, object]:
    """Of faults of twelve tickets that move one metric: until told, and of how many tickets."""
    minutes, tickets, n = [], [], 0
    for desk in found:
        busy = activity(calendar(demo.END, HISTORY_WEEKS))
        faults = draw_faults(np.random.default_rng(desk.seed), busy, WEEKS)
        told = about(desk)
        for fault, incident in zip(faults, desk.faults, strict=True):
            if fault.size != MIDDLE:
                continue
            n += 1
            if incident.id in told:
                at = told[incident.id][0].opened_at + STEP
                minutes.append((at - incident.onset_at) / timedelta(minutes=1))
                tickets.append(tickets_until(fault, busy, minutes[-1]))
    return {
        "n_middle": n,
        "n_told": len(minutes),
        "minutes": np.median(minutes),
        "tickets": np.median(tickets),
    }


def tickets_until(fault: Fault, busy: np.ndarray, minutes: float) -> float:
    """How many tickets a fault had brought in expectation, so long after its onset."""
    n_bins = max(round(minutes * 60 / BIN_SECONDS), 0)
    rates = extra_rates(fault, busy, TICKETS_A_WEEK)
    return float(rates[fault.onset : fault.onset + n_bins].sum())


def measured() -> dict[str, object]:
    """All that the section tells."""
    found = desks()
    n_faults = sum(len(desk.faults) for desk in found)
    return {
        "n_desks": len(found),
        "weeks": WEEKS,
        "n_faults": n_faults,
        "n_found": sum(len(about(desk)) for desk in found),
        "table": table(COLUMNS, rows(found)),
        "causes": table(CAUSE_COLUMNS, cause_rows(found)),
        **soon(found),
    }
