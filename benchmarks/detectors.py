"""How good and how quick the metric detector is, on public series that people have labelled.

Run `python -m benchmarks.detectors nab|kpi|speed`; the data lie in the folder that
`FOREWARN_DATA` names, `../shared/data` by default.
"""

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

from models.seasonal import Seasonal

DATA = Path(os.environ.get("FOREWARN_DATA", "../shared/data"))
TOOLS = Path(os.environ.get("FOREWARN_TOOLS", "../shared/tools"))
WINDOWED_GAUSSIAN, BLIND_CLOCK = 39.6, 23.6  # crossed standard scores of two yardsticks
DELAY_POINTS = 7
WARMED = 200  # steps before the stop-watch runs


def tool(name: str) -> ModuleType:
    """A scorer, loaded from where it lies."""
    path = TOOLS / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.exists():
        raise LookupError(f"no scorer {path}; set FOREWARN_TOOLS to the folder that has it")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scores_of(times: np.ndarray, values: np.ndarray, **options: int) -> np.ndarray:
    """Scores of `values` (n_steps, n_series), each row scored before it is learnt."""
    step = max(int(np.median(np.diff(times) / np.timedelta64(1, "s"))), 1)
    detector = Seasonal(values.shape[1], step_seconds=step, **options)
    scores = np.empty(values.shape)
    for row, at in enumerate(times.astype("datetime64[s]")):
        scores[row] = detector.score(at, values[row])
        detector.learn(at, values[row])
    return scores


# -- Numenta Anomaly Benchmark ---------------------------------------------------------------


def nab_scores(folder: Path) -> Iterator[str]:
    """Replay every NAB file into `folder`, under the file's own name; yields the names."""
    nab = DATA / "metrics" / "nab" / "data"
    if not nab.exists():
        raise LookupError(f"no NAB files in {nab}; set FOREWARN_DATA")
    for path in sorted(nab.rglob("*.csv")):
        table = pd.read_csv(path, parse_dates=["timestamp"])
        values = table["value"].to_numpy(float)[:, None]
        table["score"] = scores_of(table["timestamp"].to_numpy(), values, patience=1)[:, 0]
        target = folder / path.relative_to(nab)
        target.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(target, index=False)
        yield str(path.relative_to(nab))


def nab_table(folder: Path) -> tuple[dict[str, float], str]:
    """The crossed standard score of the score files in `folder`: figures and Markdown."""
    scorer = tool("score_nab")
    files = scorer.load_corpus(str(DATA / "metrics" / "nab"))
    scores = scorer.read_results(str(folder), files)
    mean, forth, back = (float(score) for score in scorer.crossed(files, scores))
    rows = {
        "Forewarn (seasonal)": mean,
        "threshold of the first half, scored on the second": forth,
        "threshold of the second half, scored on the first": back,
        "windowed Gaussian": WINDOWED_GAUSSIAN,
        "a clock that looks at no data": BLIND_CLOCK,
    }
    return rows, markdown(["NAB, standard profile, crossed", "score"],
                          [[name, f"{score:.1f}"] for name, score in rows.items()])  # fmt: skip


# -- AIOPS KPIs ------------------------------------------------------------------------------


def kpis() -> pd.DataFrame:
    path = DATA / "metrics" / "aiops_kpi.parquet"
    if not path.exists():
        raise LookupError(f"no KPI file {path}; set FOREWARN_DATA")
    return pd.read_parquet(path)


def moving_average_scores(values: np.ndarray, alpha: float = 0.1) -> np.ndarray:
    """The yardstick: distance from an exponentially weighted mean, in its deviations."""
    series = pd.Series(values)
    mean = series.ewm(alpha=alpha).mean().shift()
    deviation = series.ewm(alpha=alpha).std().shift()
    return np.nan_to_num((np.abs(series - mean) / deviation).to_numpy(), posinf=0.0)


def kpi_rows(names: list[str] | None = None) -> Iterator[dict[str, float | str]]:
    """Each KPI's event F1 on its test part, for ours and the moving average at z >= 3.

    Our threshold is the one with the best F1 on the KPI's train part, then frozen.
    """
    table = kpis()
    for name, rows in table.groupby("kpi", observed=True):
        if names is None or name in names:
            yield _kpi_row(str(name), rows)


def _kpi_row(name: str, rows: pd.DataFrame) -> dict[str, float | str]:
    values, train = rows["value"].to_numpy(float), (rows["part"] == "train").to_numpy()
    times = rows["timestamp"].to_numpy().astype("datetime64[s]")
    step = float(rows["timestamp"].diff().median())
    ours = np.nan_to_num(scores_of(times, values[:, None], patience=1)[:, 0])
    labels = rows["label"].to_numpy()
    ladder = np.unique(np.quantile(ours[train], 1 - np.logspace(-4.5, -1.5, 40)))
    best = max(ladder, key=lambda limit: _figures(ours[train], labels[train], limit, step)[0])
    f1, precision, recall, pages = _figures(ours[~train], labels[~train], best, step)
    yardstick = moving_average_scores(values)[~train]
    return {
        "kpi": name[:8], "threshold": float(best), "f1": f1, "precision": precision,
        "recall": recall, "false_pages_a_week": pages,
        "moving_average_f1": _figures(yardstick, labels[~train], 3.0, step)[0],
    }  # fmt: skip


def _figures(
    scores: np.ndarray, labels: np.ndarray, limit: float, step: float
) -> tuple[float, float, float, float]:
    """Event F1, precision, recall, false pages a week; a page holds for an hour."""
    scorer = tool("score_kpi")
    hold, tolerance = max(round(3600 / step), 1), max(round(300 / step), 1)
    counts, delays = scorer.one(scores, labels, limit, DELAY_POINTS, hold, tolerance)
    found = scorer.summarise(counts, delays, step)
    wanted = ("ev_f1", "ev_prec", "ev_rec", "false_pages_per_series_week")
    f1, precision, recall, pages = (float(found[key]) for key in wanted)
    return f1, precision, recall, pages


# -- speed -----------------------------------------------------------------------------------


def speed_rows(sizes: tuple[int, ...] = (1, 100, 10_000), n_steps: int = 300) -> list[list[str]]:
    """Points a second through score and learn, and the state's bytes a series."""
    return [_speed_row(n_series, n_steps) for n_series in sizes]


def _speed_row(n_series: int, n_steps: int) -> list[str]:
    detector, rng = Seasonal(n_series), np.random.default_rng(0)
    times = np.datetime64("2026-01-05", "s") + np.arange(n_steps) * np.timedelta64(300, "s")
    started = 0.0
    for step, at in enumerate(times):
        values = rng.normal(10, 1, n_series)
        if step == WARMED:
            started = time.perf_counter()
        detector.score(at, values)
        detector.learn(at, values)
    rate = (n_steps - WARMED) * n_series / (time.perf_counter() - started)
    size = sum(array.nbytes for array in detector.state().values()) / n_series
    return [f"{n_series:,}", f"{rate:,.0f}", f"{size:,.0f}"]


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table as Markdown.

    >>> markdown(["series", "points/s"], [["1", "2,000"]]).splitlines()[2]
    '| 1 | 2,000 |'
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["nab", "kpi", "speed"])
    parser.add_argument("--out", type=Path, default=Path("var/nab"), help="NAB's score files")
    parser.add_argument("--kpi", action="append", help="a KPI's id; all of them without")
    given = parser.parse_args()
    sys.stdout.write(_report(given.what, given.out, given.kpi) + "\n")


def _report(what: str, out: Path, names: list[str] | None) -> str:
    if what == "speed":
        return markdown(["series", "points/s", "state, bytes a series"], speed_rows())
    if what == "nab":
        n_files = sum(1 for _ in nab_scores(out))
        return f"{n_files} score files in {out}\n\n{nab_table(out)[1]}"
    rows = list(kpi_rows(names))
    cells = [[v if isinstance(v, str) else f"{v:.3f}" for v in row.values()] for row in rows]
    return markdown(list(rows[0]), cells)


if __name__ == "__main__":
    main()
