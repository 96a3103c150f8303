"""What the endpoint did goes to MLflow, a run for each process, and is told with its drift."""

import os
import socket
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from rich.markup import escape

from data.records import ServingWindow
from data.store_serving import Heard, Running
from models.drift import FEWEST, MUCH, N_FIRST, SOME, drifts, first_of, said
from models.intervals import share
from models.spoken import Spoken, spoken
from models.traffic import (
    Counts,
    metrics,
    of_desks,
    percent,
    refused,
    seconds,
    summary,
    total,
    versions,
)
from pipelines.console import err, out, table
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from data.registry import Registry

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SILENT = HOUR  # a process that wrote nothing for so long has ended without a word
KEPT = timedelta(days=30)
AT_ONCE = 2000  # windows that are read and told together
LEASE_SECONDS = 600
COLUMNS = [
    "version", "target", "tickets", "full tier", "auto", "suggest", "abstain", "sure", "drift",
]  # fmt: skip
AGAINST = (
    f"Drift: how sure a version was of its tickets, against the first {N_FIRST:,} that it scored "
    f"here (models keep no confidences of held-out tickets). It takes {FEWEST} more to be known: "
    f"from {SOME} on something has moved, from {MUCH} on much has."
)
HEARD = ["version", "target", "judged", "right", "share", "95 % interval"]


class Taken(NamedTuple):
    """What `monitor` took to MLflow; `trouble` says why it could not take all."""

    windows: int = 0
    processes: int = 0
    ended: int = 0
    trouble: str = ""


def monitor(place: Workspace, now: datetime) -> Taken:
    """Take to MLflow what it has not been told. While MLflow is away all waits in the store."""
    store = place.store
    keep_firsts(place, now)
    over = any(has_ended(one, now) for one in store.serving_running())
    if not over and not store.unsent_serving(1):
        return Taken()  # before MLflow is loaded, which takes seconds
    holder = f"{socket.gethostname()}:{os.getpid()}"
    if not store.take_lease("monitor", holder, now, LEASE_SECONDS):
        return Taken(trouble="Another process takes it to MLflow at this moment")
    try:
        return taken(place, now)
    finally:
        store.release_lease("monitor", holder)


def taken(place: Workspace, now: datetime) -> Taken:
    """Tell each process's windows, then mark them.

    Killed between the two, the same windows are told again. Windows never change, so that their
    values have the name, step and time that MLflow has already, and it keeps each of them once.
    """
    n_windows, processes, ended = 0, set(), 0
    try:
        registry = place.registry()
        registry.check_answers()
        while windows := place.store.unsent_serving(AT_ONCE):
            for process, theirs in groupby(sorted(windows, key=in_order), lambda one: one.process):
                some = list(theirs)
                tell(registry, some)
                place.store.mark_serving_sent(process, [one.at for one in some])
                n_windows += len(some)
                processes.add(process)
        ended = end(place, registry, now)
    except OSError as error:
        trouble = f"{error}. Nothing is lost: what it has not been told waits in the store"
        return Taken(n_windows, len(processes), ended, trouble)
    return Taken(n_windows, len(processes), ended)


def in_order(one: ServingWindow) -> tuple[str, datetime]:
    return one.process, one.at


def tell(registry: "Registry", windows: Sequence[ServingWindow]) -> None:
    """Log the windows of one process, each as the step of its minute since the process began."""
    first = windows[0]
    params: dict[str, object] = {
        "host": first.host,
        "pid": first.pid,
        "started_at": first.started_at.isoformat(),
        "forewarn": first.forewarn,
    }
    for one in reversed(windows):  # so that the first minute of each version stays
        for desk, version in versions(one.figures):
            params[f"model/{desk}/{version}"] = f"since {one.at.isoformat()}"
    steps = [(step_of(one), one.at, metrics(one.figures)) for one in windows]
    name = f"{first.host}:{first.pid} {first.started_at:%Y-%m-%d %H:%M}"
    registry.log_serving(first.process, name, params=params, steps=steps)


def step_of(one: ServingWindow) -> int:
    """The number of a window's minute, 0 being that in which its process began."""
    return (one.at - one.started_at.replace(second=0, microsecond=0)) // MINUTE


def end(place: Workspace, registry: "Registry", now: datetime) -> int:
    """End the runs of processes that have stopped; how many."""
    over = [one for one in place.store.serving_running() if has_ended(one, now)]
    for one in over:
        registry.end_serving(one.process, one.at + MINUTE)
        place.store.mark_serving_ended(one.process, one.at)
    return len(over)


def has_ended(one: Running, now: datetime) -> bool:
    return one.is_last or one.at + MINUTE + SILENT <= now


def keep_firsts(place: Workspace, now: datetime) -> None:
    """Keep what each version said of its first 1,000 tickets, for later ones to be held against."""
    store = place.store
    known = store.serving_firsts()
    lately = total(one.figures for one in store.serving(now - DAY, scored=True))
    unknown = [one for one in versions(lately) if one not in known]
    if not unknown:
        return
    windows = store.serving(None, scored=True)
    for desk, version in unknown:
        if first := first_of(windows, desk, version):
            store.put_serving_first(desk, version, first)


def expire(place: Workspace, now: datetime) -> int:
    """Delete windows of more than 30 days ago; how many went."""
    return place.store.expire_serving(now - KEPT)


def say(place: Workspace, done: Taken, now: datetime) -> None:
    """Print what was taken, and what this desk's models did in the last day."""
    desk = place.settings.desk
    out.print(
        f"{done.windows:,} minutes of {done.processes:,} processes went to MLflow "
        f"(experiment serving); {done.ended:,} runs ended"
    )
    if done.trouble:
        err.print(f"[yellow]![/] {escape(done.trouble)}")
    windows = place.store.serving(now - DAY)
    counts = of_desks(total(one.figures for one in windows), lambda one: one == desk)
    out.print(f"The last day: {line(counts)}")
    if rows := spoken_rows(spoken(counts, drifts(windows, place.store.serving_firsts()))):
        table(f"What each version said on desk {desk} in the last day", COLUMNS, rows)
        out.print(AGAINST)
    if rows := heard_rows(place.store.heard(desk)):
        table("What was decided alone, where people said what it should have been", HEARD, rows)


def line(counts: Counts) -> str:
    """Requests and times in a line.

    >>> line({("requests",): 3, ("took", "39"): 2, ("status", "503"): 1, ("status", "5xx"): 1})
    '3 requests (0 × 429, 1 × 503, 1 × 5xx); scoring took 21 ms (p50), 21 ms (p99)'
    """
    told = summary(counts)
    return (
        f"{told.requests:,} requests ({refused(counts)}); "
        f"scoring took {seconds(told.p50)} (p50), {seconds(told.p99)} (p99)"
    )


def spoken_rows(rows: Sequence[Spoken]) -> list[list[str]]:
    """What was said, as it is printed."""
    return [
        [
            one.version,
            one.target,
            f"{one.tickets:,}",
            *map(percent, (one.full_share, one.auto, one.suggest, one.abstain, one.confidence)),
            said(one.psi),
        ]
        for one in rows
    ]


def heard_rows(heard: Sequence[Heard]) -> list[list[str]]:
    """A line for each version and target that people judged.

    >>> heard_rows([Heard("3", "group", 40, 38)])
    [['3', 'group', '40', '38', '95.0 %', '83.5 to 98.6 %']]
    """
    return [
        [
            one.version,
            one.target,
            f"{one.n:,}",
            f"{one.n_right:,}",
            percent(one.n_right / one.n),
            "{:.1f} to {:.1f} %".format(*(100 * end for end in share(one.n_right, one.n))),
        ]
        for one in heard
    ]
