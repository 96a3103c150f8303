"""The Numenta Anomaly Benchmark: ours through the command line, beside what is simple and known."""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from benchmarks.detectors import clock_at, load, moving_average, persist, river
from benchmarks.meter import Took, took
from benchmarks.page import table

SCORER = Path("..") / "tools" / "score_nab.py"
# What others published. Crossed: their score files of NAB 1.1 (github.com/numenta/NAB), or those
# of the ARTime authors, scored by the same rule. Their own rule chooses on the whole corpus.
PUBLISHED = (
    ("ARTime, published scores", "73.4", "74.9, 67.0, 80.4"),
    ("Numenta HTM, published scores", "70.1", "–"),
    ("CAD OSE, published scores", "69.2", "–"),
    ("random cut forest, published scores", "51.4", "–"),
)
EPISODE_SECONDS = 3600
COLUMNS = (
    "NAB", "crossed", "second half", "first half", "own rule: standard, low FP, low FN",
)  # fmt: skip


class Scores(NamedTuple):
    """Scores in points of 100: the mean of both directions, each half at the threshold of the
    other, and all files by NAB's own rule, which chooses the threshold on them (three profiles)."""

    name: str
    crossed: float
    second: float  # at the threshold of the first half, on which constants were chosen
    first: float
    own: tuple[float, ...]


class Nab(NamedTuple):
    """Ours and the others', with what ours took."""

    rows: list[Scores]
    n_points: int
    took: Took


def replayed(data: Path) -> Nab:
    """Replay every file by `forewarn replay metrics`, and score what it wrote."""
    scorer, nab = load(data / SCORER), data / "metrics" / "nab"
    with tempfile.TemporaryDirectory() as out:
        forewarn = [sys.executable, "-m", "pipelines", "--home", str(Path(out) / "home")]
        scores = Path(out) / "scores"
        command = [*forewarn, "replay", "metrics", str(nab / "data"), "--out", str(scores)]
        run = took(command, os.environ)
        files = scorer.load_corpus(str(nab))
        given = scorer.read_results(str(scores), files)
    rows = [scored("Forewarn", scorer, files, given)]
    rows += (scored(name, scorer, files, one) for name, one in others(scorer, files))
    return Nab(rows, sum(np.size(one) for one in given.values()), run)


def others(scorer: ModuleType, files: list[Any]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Each simple detector's scores of every file."""
    yield "moving average", scorer.run_callable(of_values(moving_average), files)
    if importlib.util.find_spec("river") is not None:
        yield "river GaussianScorer", scorer.run_callable(of_values(river), files)
    if importlib.util.find_spec("adtk") is not None:
        yield "ADTK PersistAD", scorer.run_callable(of_values(persist), files)
    yield "a clock that looks at no data", scorer.run_callable(_clock, files)


def of_values(detector: Callable[[np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    """A detector that looks at values alone, as the scorer calls one."""
    return lambda times, values, meta: detector(values)


def _clock(times: np.ndarray, values: np.ndarray, meta: object) -> np.ndarray:
    seconds = times.astype("datetime64[s]").astype(np.int64)
    return clock_at(seconds, max(int(np.median(np.diff(seconds))), 1))


def news(seconds: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The scores that a pager would tell: within an hour only what is as high as the last told.

    NAB counts every point beyond the threshold, and an episode that lasts is one alert.

    >>> news(np.arange(6) * 1800, np.array([3.0, 2.0, 4.0, 1.0, 3.9, 3.0]))
    array([3., 0., 4., 0., 0., 3.])
    """
    told, peak, at = np.zeros(len(scores)), 0.0, -np.inf
    for row, (second, score) in enumerate(zip(seconds.tolist(), scores.tolist(), strict=True)):
        if score >= peak or second - at > EPISODE_SECONDS:
            told[row], peak, at = score, score, second
    return told


def scored(name: str, scorer: ModuleType, files: list[Any], raw: dict[str, np.ndarray]) -> Scores:
    """Every method's scores are told alike."""
    given = {
        one.name: news(one.ts.astype("datetime64[s]").astype(np.int64), raw[one.name])
        for one in files
    }
    crossed = (float(score) for score in scorer.crossed(files, given))
    own = tuple(float(scorer.score(files, given, profile)[0]) for profile in scorer.PROFILES)
    return Scores(name, *crossed, own)


def markdown(found: Nab) -> str:
    """Every detector's scores, those published last."""
    rows = [
        [
            one.name,
            *(f"{score:.1f}" for score in (one.crossed, one.second, one.first)),
            ", ".join(f"{score:.1f}" for score in one.own),
        ]
        for one in found.rows
    ]
    rows += [[name, crossed, "–", "–", own] for name, crossed, own in PUBLISHED]
    return table(COLUMNS, rows)
