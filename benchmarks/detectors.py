"""How good and how quick the metric detector is, on public series that people have labelled."""

import importlib.util
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.rare import Rare

SCORER = Path("..") / "tools" / "score_kpi.py"
DELAY_POINTS = 7
HOLD_SECONDS, TOLERANCE_SECONDS = 3600, 300
USUAL_LIMIT = 3.0  # deviations from a moving average
CLOCKS = (2, 3, 6, 12, 24, 48, 96, 168)  # hours between the alerts of one that looks at nothing
DAY = 86_400
PERSISTS = 30  # points of the window that a value is held against


class Kpi(NamedTuple):
    """A labelled series: `at` in unix seconds, arrays of shape (n_points,)."""

    step: int
    at: np.ndarray
    values: np.ndarray
    labels: np.ndarray
    train: np.ndarray


class Figures(NamedTuple):
    """All series together: at the threshold of the best F1 on the train parts, and (the last
    two) at that of one false page a series-week on them. Pages are false, a series-week."""

    f1: float
    precision: float
    recall: float
    pages: float
    adjusted: float  # point-adjusted F1 with a delay of 7, which papers tell
    recall_at_one: float
    pages_at_one: float


# -- AIOPS KPIs ------------------------------------------------------------------------------


@cache
def kpis(data: Path) -> list[Kpi]:
    table = pd.read_parquet(data / "metrics" / "aiops_kpi.parquet")
    return [
        Kpi(
            int(rows["timestamp"].diff().median()),
            rows["timestamp"].to_numpy(np.int64),
            rows["value"].to_numpy(float),
            rows["label"].to_numpy(),
            (rows["part"] == "train").to_numpy(),
        )
        for _, rows in table.groupby("kpi", observed=True)
    ]


def kpi_rows(data: Path) -> Iterator[tuple[str, Figures]]:
    """Every method's figures on the test parts, all that is tunable frozen on the train parts."""
    series, scorer = kpis(data), load(data / SCORER)
    found = [np.nan_to_num(scores) for scores in rare_scores(data)]
    yield "Forewarn", frozen(scorer, series, found)
    averages = [moving_average(kpi.values) for kpi in series]
    yield "moving average, threshold of the train parts", frozen(scorer, series, averages)
    usual = pooled(scorer, series, averages, USUAL_LIMIT, train=False)
    yield "moving average, 3 deviations", Figures(*usual, np.nan, np.nan)
    if importlib.util.find_spec("river") is not None:
        yield "river GaussianScorer", frozen(scorer, series, [river(kpi.values) for kpi in series])
    if importlib.util.find_spec("adtk") is not None:
        persists = [persist(kpi.values) for kpi in series]
        yield "ADTK PersistAD", frozen(scorer, series, persists)
    yield "a clock that looks at no data", frozen(scorer, series, [clock(kpi) for kpi in series])


@cache
def rare_scores(data: Path) -> list[np.ndarray]:
    """The KPIs' scores, which several sections look at."""
    return rare(kpis(data))


def rare(series: list[Kpi]) -> list[np.ndarray]:
    """Each series' scores, every point scored before it is learnt; those of a step together."""
    scores = {}
    for step in {kpi.step for kpi in series}:
        members = [number for number, kpi in enumerate(series) if kpi.step == step]
        scores |= zip(members, side_by_side([series[i] for i in members], step), strict=True)
    return [scores[number] for number in range(len(series))]


def side_by_side(series: list[Kpi], step: int) -> list[np.ndarray]:
    first, last = min(k.at[0] for k in series), max(k.at[-1] for k in series)
    rows = [(kpi.at - first) // step for kpi in series]
    values = np.full(((last - first) // step + 1, len(series)), np.nan)
    for column, kpi in enumerate(series):
        values[rows[column], column] = kpi.values
    detector, scores = Rare(len(series), step_seconds=step), np.empty(values.shape)
    for row, at in enumerate((first + step * np.arange(len(values))).astype("datetime64[s]")):
        scores[row] = detector.score(at, values[row])
        detector.learn(at, values[row])
    return [scores[row, column] for column, row in enumerate(rows)]


def moving_average(values: np.ndarray, alpha: float = 0.1) -> np.ndarray:
    """The yardstick: distance from an exponentially weighted mean, in its deviations."""
    series = pd.Series(values)
    mean = series.ewm(alpha=alpha).mean().shift()
    deviation = series.ewm(alpha=alpha).std().shift()
    return np.nan_to_num((np.abs(series - mean) / deviation).to_numpy(), posinf=0.0)


def river(values: np.ndarray) -> np.ndarray:
    """river's GaussianScorer over a day of minutes."""
    from river.anomaly import GaussianScorer

    scorer, scores = GaussianScorer(window_size=1440), np.zeros(len(values))
    for row, value in enumerate(values.tolist()):
        with suppress(TypeError):  # its variance of equal values may come out below 0
            scores[row] = scorer.score_one(None, value)
        scorer.learn_one(None, value)
    return scores


def persist(values: np.ndarray) -> np.ndarray:
    """What ADTK's PersistAD holds against its limit: the distance from the median of a window."""
    from adtk.transformer import DoubleRollingAggregate

    index = pd.date_range("2026-01-01", periods=len(values), freq="min")
    window = DoubleRollingAggregate(agg="median", window=(PERSISTS, 1), diff="l1")
    distance: np.ndarray = window.transform(pd.Series(values, index)).to_numpy()
    usual = pd.Series(distance).expanding(2).quantile(0.75).shift()
    return np.nan_to_num((distance / usual).to_numpy(), posinf=0.0)


def clock(kpi: Kpi) -> np.ndarray:
    return clock_at(kpi.at, kpi.step)


def clock_at(seconds: np.ndarray, step: int) -> np.ndarray:
    """Scores that reach h where h hours have passed, for each of CLOCKS."""
    due = np.stack([seconds // step * step % (hours * 3600) == 0 for hours in CLOCKS])
    return np.where(due, np.array(CLOCKS)[:, None], 0).max(axis=0).astype(float)


def frozen(scorer: ModuleType, series: list[Kpi], scores: list[np.ndarray]) -> Figures:
    """The test parts' figures at two thresholds of the train parts."""
    known = np.concatenate([s[kpi.train] for kpi, s in zip(series, scores, strict=True)])
    ladder = limits(known)
    seen = [pooled(scorer, series, scores, limit, train=True) for limit in ladder]
    best = ladder[np.argmax([figures[0] for figures in seen])]
    one = ladder[np.argmax([figures[3] <= 1 for figures in seen])]  # the lowest that may be
    _, _, recall, pages, _ = pooled(scorer, series, scores, one, train=False)
    return Figures(*pooled(scorer, series, scores, best, train=False), recall, pages)


def limits(scores: np.ndarray, n: int = 44) -> np.ndarray:
    """Thresholds to choose from, above 0: all where there are few, else those of high quantiles.

    >>> limits(np.array([0.0, 3.0, 1.0, 3.0]))
    array([1., 3.])
    """
    known = np.unique(scores[scores > 0])
    if len(known) > n:
        known = np.unique(np.quantile(scores, 1 - np.logspace(-4.3, -1.9, n)))
    return known


def pooled(
    scorer: ModuleType, series: list[Kpi], scores: list[np.ndarray], limit: float, *, train: bool
) -> tuple[float, float, float, float, float]:
    """Event F1, precision, recall, false pages a series-week, adjusted F1; all at one threshold."""
    counts, weeks = np.zeros(10), 0.0
    for kpi, scored in zip(series, scores, strict=True):
        part = kpi.train == train
        hold, tolerance = HOLD_SECONDS // kpi.step, TOLERANCE_SECONDS // kpi.step
        counts += scorer.one(
            scored[part], kpi.labels[part], limit, DELAY_POINTS, hold, tolerance
        )[0]  # fmt: skip
        weeks += part.sum() * kpi.step / (7 * DAY)
    found = scorer.summarise(counts, [])
    false = float(counts[6] - counts[7]) / weeks  # pages, and those that were right
    return found["ev_f1"], found["ev_prec"], found["ev_rec"], false, found["pa_f1"]


def kpi_cells(data: Path) -> list[list[str]]:
    rows = kpi_rows(data)
    return [
        [name, *("" if np.isnan(x) else f"{x:.2f}" if i in (3, 6) else f"{x:.3f}"
                 for i, x in enumerate(figures))]
        for name, figures in rows
    ]  # fmt: skip


def load(path: Path) -> ModuleType:
    """A scorer from where it lies; it is no part of Forewarn."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise LookupError(f"wanted a scorer at {path}, got nothing that can be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
