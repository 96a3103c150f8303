"""The Numenta Anomaly Benchmark through the command line, as a user would replay it."""

import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.detectors import load
from benchmarks.meter import Took, took
from benchmarks.page import table

WINDOWED_GAUSSIAN = 39.6  # published score files of NAB 1.1, scored by the same rule
BLIND_CLOCK = 23.6  # alerts at fixed intervals, whatever comes
SCORER = Path("..") / "tools" / "score_nab.py"


class Nab(NamedTuple):
    """Scores in points of 100: the mean of both directions, each half at the threshold of the
    other, and all files by NAB's own rule, which chooses the threshold on them (three profiles)."""

    crossed: float
    second: float  # at the threshold of the first half, on which constants were chosen
    first: float
    own: tuple[float, ...]
    n_points: int
    took: Took


def replayed(data: Path) -> Nab:
    """Replay every file by `forewarn replay metrics`, and score what it wrote."""
    scorer, nab = load(data / SCORER), data / "metrics" / "nab"
    with tempfile.TemporaryDirectory() as out:
        forewarn = [sys.executable, "-m", "pipelines", "--home", str(Path(out) / "home")]
        scores = Path(out) / "scores"
        command = [*forewarn, "replay", "metrics", str(nab / "data"), "--out", str(scores)]
        run = took(command, {**os.environ, "FOREWARN_METRIC_DETECTOR": "rare"})
        files = scorer.load_corpus(str(nab))
        given = scorer.read_results(str(scores), files)
    crossed = (float(score) for score in scorer.crossed(files, given))
    own = tuple(float(scorer.score(files, given, profile)[0]) for profile in scorer.PROFILES)
    return Nab(*crossed, own, sum(np.size(one) for one in given.values()), run)


def markdown(found: Nab) -> str:
    """The scores beside two yardsticks."""
    rows = [
        ["Forewarn, threshold crossed between the halves", f"{found.crossed:.1f}"],
        ["its second half at the first half's threshold", f"{found.second:.1f}"],
        ["its first half at the second half's threshold", f"{found.first:.1f}"],
        ["windowed Gaussian, crossed", f"{WINDOWED_GAUSSIAN:.1f}"],
        ["a clock that looks at no data, crossed", f"{BLIND_CLOCK:.1f}"],
        [
            "Forewarn, NAB's own rule: standard, low FP, low FN",
            ", ".join(f"{x:.1f}" for x in found.own),
        ],
    ]
    return table(["NAB", "score"], rows)
