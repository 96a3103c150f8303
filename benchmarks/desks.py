"""The demo's measurement over several simulated desks, each beside two baselines."""

import multiprocessing
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import baselines
from benchmarks.page import table
from benchmarks.results import Result, cells, mean, result, standard_error, worst
from data.records import Alert
from data.settings import Settings
from pipelines import demo
from pipelines.console import quiet
from pipelines.episodes import ALERT_KINDS
from pipelines.feeds import JUDGED, TICKETS, Kind, feed, first_at
from pipelines.found import Comparison, compare
from pipelines.workspace import Workspace, workspace

SEEDS, CALM_SEEDS = range(10), range(10, 15)
N_DRAWS = 200  # of the clock that looks at nothing
N_PROCESSES = 2
COLUMNS = ("found", "minutes", "false a week")
WAYS = ("", ", fixed limits", ", blind")


class Desk(NamedTuple):
    """One simulated desk."""

    seed: int
    n_incidents: int
    ours: Result
    static: Result
    blind: Result


def with_incidents() -> list[Desk]:
    """Every desk with incidents, in the order of the seeds."""
    return list(spread(partial(one, incident_weeks=2), SEEDS))


def calm() -> list[Desk]:
    """Desks on which nothing happens: whatever fires is false."""
    return list(spread(partial(one, incident_weeks=0), CALM_SEEDS))


def spread(work: partial[Desk], seeds: Sequence[int]) -> Iterator[Desk]:
    """The desks, two at a time, told of as they come."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(N_PROCESSES, mp_context=context) as pool:
        for desk in pool.map(work, seeds):
            sys.stderr.write(f"  seed {desk.seed}: {desk.ours}\n")
            yield desk


def one(seed: int, *, incident_weeks: int) -> Desk:
    """What `forewarn demo` does with a seed, less the ticket model, which no alert needs."""
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), desk="demo")
        past, live = settings.home / "past", settings.home / "live"
        demo.simulate(settings.desk, seed, past, live, incident_weeks)
        with workspace(settings) as place:
            demo.ingest(place, past, quiet)
            demo.learn(place, quiet)
            demo.ingest(place, live, quiet)
            found = demo.watch(place, live, quiet)
            return beside(seed, place, found)


def beside(seed: int, place: Workspace, found: Comparison) -> Desk:
    """The demo's comparison, and the baselines' on the same points and tickets."""
    incidents = [one.incident for one in found.found]
    start, stop = demo.END - demo.LIVE, demo.END
    step = timedelta(seconds=place.settings.step_seconds)
    judged = partial(compare, incidents=incidents, start=start, stop=stop, step=step)
    watched = [Watched.of(place, kind, start, stop) for kind in JUDGED]
    static = [alert for one in watched for alert in one.static(place.settings.step_seconds)]
    n = len({alert.id for one in found.found for alert in one.alerts}) + len(found.false)
    things = [(ALERT_KINDS[one.kind], key) for one in watched for key in one.keys]
    rng = np.random.default_rng(seed)
    blind = [judged(baselines.blind(rng, n, things, watched[0].times)) for _ in range(N_DRAWS)]
    return Desk(
        seed, len(incidents), result(found), result(judged(static)), mean(map(result, blind))
    )


class Watched(NamedTuple):
    """What the detectors of one kind were given: `learnt`, and then `live` at `times`."""

    kind: Kind
    keys: list[str]
    times: np.ndarray
    learnt: np.ndarray
    live: np.ndarray

    @classmethod
    def of(cls, place: Workspace, kind: Kind, start: datetime, stop: datetime) -> "Watched":
        parts = list(feed(place, kind, first_at(place, kind) or start, stop))
        keys = sorted({key for part in parts for key in part.keys})
        times = np.concatenate([part.times for part in parts])
        values = np.concatenate([part.of(keys) for part in parts])
        first = int(np.searchsorted(times, np.datetime64(int(start.timestamp()), "s")))
        return cls(kind, keys, times[first:], values[:first], values[first:])

    def static(self, step_seconds: int) -> Iterator[Alert]:
        """The alerts of fixed limits."""
        if self.kind == TICKETS:
            over = baselines.busier(self.learnt, self.live, 3600 // step_seconds)
        else:
            over = baselines.beyond(self.learnt, self.live)
        return baselines.episodes(ALERT_KINDS[self.kind], self.keys, self.times, over)


# -- as tables ----------------------------------------------------------------------------------


def markdown(found: list[Desk]) -> str:
    """A row a desk, then the mean with its standard error, and the worst."""
    ways = list(zip(*(ways_of(desk) for desk in found), strict=True))
    n = f"{np.mean([desk.n_incidents for desk in found]):.1f}"
    return table(
        ["seed", "incidents", *(f"{column}{way}" for way in WAYS for column in COLUMNS)],
        [
            *(row(str(desk.seed), str(desk.n_incidents), ways_of(desk)) for desk in found),
            row("**mean**", n, [mean(way) for way in ways]),
            row("± s.e.", "", [standard_error(way) for way in ways]),
            row("**worst**", "", [worst(way) for way in ways]),
        ],
    )


def ways_of(desk: Desk) -> tuple[Result, Result, Result]:
    return desk.ours, desk.static, desk.blind


def row(name: str, n: str, results: Sequence[Result]) -> list[str]:
    return [name, n, *(cell for result in results for cell in cells(result))]


def calm_markdown(found: list[Desk]) -> str:
    """Alerts a week on each desk where there is nothing to be found."""
    ways = [[desk.ours for desk in found], [desk.static for desk in found]]
    return table(
        ["false alerts a week", *(f"seed {desk.seed}" for desk in found), "mean", "± s.e."],
        [
            [name, *(cells(one)[-1] for one in (*way, mean(way), standard_error(way)))]
            for name, way in zip(("Forewarn", "fixed limits"), ways, strict=True)
        ],
    )
