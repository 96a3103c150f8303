"""The Numenta Anomaly Benchmark through the command line, as a user would replay it."""

import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from benchmarks.meter import Took, took
from benchmarks.page import table

WINDOWED_GAUSSIAN = 39.6  # published score files of NAB 1.1, scored by the same rule
BLIND_CLOCK = 23.6  # alerts at fixed intervals, whatever comes
SCORER = Path("..") / "tools" / "score_nab.py"


class Nab(NamedTuple):
    """Scores in points of 100: the mean of both directions, and each half's own."""

    crossed: float
    halves: tuple[float, float]
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
    mean, *halves = (float(score) for score in scorer.crossed(files, given))
    return Nab(mean, (halves[0], halves[1]), sum(np.size(one) for one in given.values()), run)


def load(path: Path) -> ModuleType:
    """A scorer from where it lies; it is no part of Forewarn."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise LookupError(f"wanted a scorer at {path}, got nothing that can be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def markdown(found: Nab) -> str:
    """The score beside two yardsticks."""
    halves = " and ".join(f"{half:.1f}" for half in found.halves)
    rows = [
        ["Forewarn", f"{found.crossed:.1f}"],
        ["Forewarn, one half and the other", halves],
        ["windowed Gaussian", f"{WINDOWED_GAUSSIAN:.1f}"],
        ["a clock that looks at no data", f"{BLIND_CLOCK:.1f}"],
    ]
    return table(["NAB, standard profile, crossed", "score"], rows)
