"""Whether as many false alerts come as were allowed, day by day, with nothing known beforehand."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from benchmarks.detectors import DAY, Kpi, kpis, rare_scores
from data.simulate import simulate
from features.grid import regular
from models.budget import LOWEST, Budget
from models.rare import Rare
from models.replay import stepped, tell
from models.tail import PRIORS
from models.watch import CLOSES_BELOW, Change, Watch

BUDGETS = (0.5, 1.0, 4.0)
WEEKS, LEARNT_WEEKS = 12, 4  # of the invented series; the first are not counted
SEEDS = range(200, 210)  # the constants were chosen on others
GRID = 300  # seconds: several points within it are taken for their highest score
TRUE_SECONDS = 600  # after a labelled event, in which an alert is still about it
LEVEL = 0.9
WEEK = 7 * DAY


class Group(NamedTuple):
    """Series that share a budget: scores and labels (n_steps, n_series), counted from `first`."""

    name: str
    at: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    first: int
    last: int


class Kept(NamedTuple):
    """What came of a budget: alerts in the weeks that count."""

    n_false: int
    n_true: int
    weeks: float


class Given:
    """A detector whose scores are known: it hands out a row a step."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores, self.row = scores, 0

    def score(self, at: np.datetime64, values: np.ndarray) -> np.ndarray:
        row: np.ndarray = self.scores[self.row]
        return row

    def expect(self, at: np.datetime64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nothing = np.full(self.scores.shape[1], np.nan)
        return nothing, nothing, nothing

    def learn(self, at: np.datetime64, values: np.ndarray) -> "Given":
        return self

    def column(self, series: int) -> dict[str, np.ndarray]:
        return {}


def kept(group: Group, per_week: float, *, judged: bool) -> Kept:
    """Every step through a watch and its budget; with `judged`, true alerts are called so."""
    given = Given(group.scores)
    watch = Watch(given, float("nan"), group.scores.shape[1], GRID, recent_seconds=GRID)  # type: ignore[arg-type]
    budget = Budget(per_week, watch.n_series, GRID, prior=PRIORS["rare"])
    highest = np.nan_to_num(group.scores).max(axis=1)
    counted = Kept(0, 0, (group.last - group.first) * GRID / WEEK)
    low, resting = LOWEST, True
    for row, at in enumerate(group.at):
        if resting and highest[row] < low and not budget.is_due(at):
            budget.take(at, group.scores[row])  # a watch at rest stays at rest
            continue
        given.row = row
        changes = stepped(watch, budget, at, group.scores[row])
        resting = not watch.alerting.any()
        low = min(LOWEST, CLOSES_BELOW * np.nan_to_num(watch.threshold, nan=np.inf))
        if judged:
            tell(budget, changes, partial(is_true, group))
        if group.first <= row < group.last:
            new = [is_true(group, one) for one in changes if one.what == "opened"]
            counted = counted._replace(
                n_false=counted.n_false + new.count(False), n_true=counted.n_true + sum(new)
            )
    return counted


def is_true(group: Group, change: Change) -> bool:
    """Whether an alert opened within a labelled event, or in the ten minutes after it."""
    row = int(np.searchsorted(group.at, change.opened_at))
    since = max(row - TRUE_SECONDS // GRID, 0)
    return bool(group.labels[since : row + 1, change.series].any())


# -- the series ------------------------------------------------------------------------------


def kpi_groups(data: Path) -> list[Group]:
    """The 29 KPIs in ten teams: three of one minute each, one alone; five and two of five minutes.

    They run through their train parts first; what counts is from where all are in their test
    parts to where the first ends.
    """
    series = list(zip(kpis(data), rare_scores(data), strict=True))
    minutely = [one for one in series if one[0].step == 60]
    alone = min(minutely, key=lambda one: int(one[0].at[0]))
    others = [one for one in minutely if one is not alone]
    slow = sorted((one for one in series if one[0].step == 300), key=lambda one: switched(one[0]))
    teams = [*(others[i : i + 3] for i in range(0, 21, 3)), [alone], slow[:5], slow[5:]]
    return [_kpi_group(f"KPIs {i}", team) for i, team in enumerate(teams, start=1)]


def switched(kpi: Kpi) -> int:
    """The last moment of the train part."""
    return int(kpi.at[kpi.train][-1])


def _kpi_group(name: str, team: list[tuple[Kpi, np.ndarray]]) -> Group:
    begin = min(int(kpi.at[0]) for kpi, _ in team) // GRID
    n = max(int(kpi.at[-1]) for kpi, _ in team) // GRID - begin + 1
    scores, labels = np.full((n, len(team)), -np.inf), np.zeros((n, len(team)), bool)
    for column, (kpi, scored) in enumerate(team):
        rows = kpi.at // GRID - begin
        np.maximum.at(scores[:, column], rows, np.nan_to_num(scored, nan=-np.inf))
        np.logical_or.at(labels[:, column], rows, kpi.labels > 0)
    scores[np.isneginf(scores)] = np.nan
    first = max(switched(kpi) for kpi, _ in team) // GRID - begin + 1
    last = min(int(kpi.at[-1]) for kpi, _ in team) // GRID - begin + 1
    at = (begin + np.arange(n)) * GRID
    return Group(name, at.astype("datetime64[s]"), scores, labels, first, last)


def desk_group(seed: int) -> Group:
    """The metrics of a simulated desk on which nothing happens."""
    end = datetime(2026, 3, 2, tzinfo=UTC)
    points = simulate(seed, end=end, weeks=WEEKS, incident_weeks=0, tickets_a_week=10).points
    keys, column = np.unique(points.series.astype(str), return_inverse=True)
    at, row = np.unique(points.at, return_inverse=True)
    matrix = np.full((len(at), len(keys)), np.nan)
    matrix[row, column] = points.values
    begin, stop = at[0], at[-1] + np.timedelta64(GRID, "s")
    times, values = regular(at, matrix, GRID, begin, stop)
    return _calm(f"desk {seed}", times, values)


def plain_group(seed: int, n_series: int = 20) -> Group:
    """Rhythms or none, under noise that is normal, heavy in its tails, drifting or slow."""
    rng, n = np.random.default_rng(seed), WEEKS * 2016
    hours = np.arange(n)[:, None] * GRID / 3600
    phase, size = rng.random(n_series), rng.choice([0.0, 1.0, 3.0], n_series)
    weekend = 1 - 0.5 * rng.random(n_series) * (hours // 24 % 7 >= 5)
    noise = rng.normal(size=(n, n_series))
    noise[:, 1::4] = rng.standard_t(3, size=noise[:, 1::4].shape)
    noise[:, 2::4] += 0.05 * np.cumsum(rng.normal(size=noise[:, 2::4].shape), axis=0)
    for step in range(1, n):
        noise[step, 3::4] += 0.9 * noise[step - 1, 3::4]
    values = size * np.sin(2 * np.pi * (hours / 24 + phase)) * weekend + noise
    times = np.datetime64("2026-01-05", "s") + np.arange(n) * np.timedelta64(GRID, "s")
    return _calm(f"plain {seed}", times, values)


def _calm(name: str, times: np.ndarray, values: np.ndarray) -> Group:
    made = Rare(values.shape[1], step_seconds=GRID)
    scores = np.empty(values.shape)
    for row, at in enumerate(times):
        scores[row] = made.score(at, values[row])
        made.learn(at, values[row])
    labels = np.zeros(values.shape, bool)
    return Group(name, times, scores, labels, LEARNT_WEEKS * 2016, len(times))


# -- the figures -----------------------------------------------------------------------------


def interval(n: int, level: float = LEVEL) -> tuple[float, float]:
    """The exact (Garwood) interval of a Poisson mean, of which `n` came.

    >>> [round(bound, 2) for bound in interval(4)], interval(0)[0]
    ([1.37, 9.15], 0.0)
    """
    beside = (1 - level) / 2
    low = chi2.ppf(beside, 2 * n) / 2 if n else 0.0
    return float(low), float(chi2.ppf(1 - beside, 2 * n + 2) / 2)


def families(data: Path) -> Iterator[tuple[str, list[Callable[[], Group]], bool]]:
    """What is measured: its name, its groups, and whether people judge what closed."""
    teams: list[Callable[[], Group]] = [partial(_nth, data, i) for i in range(10)]
    yield "KPIs, alerts judged", teams, True
    yield "KPIs, nobody judges", teams, False
    yield "calm desks, nobody judges", [partial(desk_group, seed) for seed in SEEDS], False
    yield "plain series, nobody judges", [partial(plain_group, seed) for seed in SEEDS], False


@cache
def _teams(data: Path) -> list[Group]:
    return kpi_groups(data)


def _nth(data: Path, number: int) -> Group:
    return _teams(data)[number]


def rows(data: Path) -> Iterator[list[str]]:
    """A row a family and budget: how many groups kept it, and every group's false alerts."""
    for name, groups, judged in families(data):
        found: dict[float, list[Kept]] = {budget: [] for budget in BUDGETS}
        for make in groups:
            group = make()
            for budget in BUDGETS:
                found[budget].append(kept(group, budget, judged=judged))
        yield from (row(name, budget, results) for budget, results in found.items())


def row(name: str, budget: float, results: list[Kept]) -> list[str]:
    """How often the budget lay within, above and below the interval, and the rates.

    >>> row("desks", 1.0, [Kept(7, 2, 8.0), Kept(16, 0, 8.0)])
    ['desks', '1', '1 of 2', '1', '1.4', '0.9, 2.0', '2']
    """
    spans = [interval(one.n_false) for one in results]
    wanted = [budget * one.weeks for one in results]
    low = sum(mean < span[0] for mean, span in zip(wanted, spans, strict=True))
    met = sum(span[0] <= mean <= span[1] for mean, span in zip(wanted, spans, strict=True))
    rates = [one.n_false / one.weeks for one in results]
    pooled = sum(one.n_false for one in results) / sum(one.weeks for one in results)
    return [
        name, f"{budget:g}", f"{met} of {len(results)}", str(low), f"{pooled:.1f}",
        ", ".join(f"{rate:.1f}" for rate in rates), str(sum(one.n_true for one in results)),
    ]  # fmt: skip


COLUMNS = (
    "series", "budget", "kept within the interval", "exceeded", "false a week, all",
    "each group", "true alerts",
)  # fmt: skip
