"""Ten years of a city council's cases, a count a day and category: a storm, and a batch entry."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.surge import Surge

FILE = "surge/nycomplaints_daily.csv"
STORM, KIND = np.datetime64("2020-08-04"), "Utilities"  # Isaias
BATCH = np.datetime64("2019-12-23")
FIRST_YEAR = 365  # days that are not counted


class Council(NamedTuple):
    """`threshold` is reached on one day a week; ranks count days with a higher score."""

    n_days: int
    n_categories: int
    threshold: float
    storm_score: float
    storm_rank: int
    batch_above: int


def measured(data: Path) -> Council:
    """Every day scored before it is learnt, all categories and their total at one threshold."""
    counts = pd.read_csv(data / FILE, index_col=0, parse_dates=True)
    counts.insert(0, "total", counts.sum(axis=1))
    detector, scores = Surge(counts.shape[1], step_seconds=86_400), np.zeros(counts.shape)
    days = counts.index.to_numpy("datetime64[s]")
    for row, (at, values) in enumerate(zip(days, counts.to_numpy(float), strict=True)):
        scores[row] = np.nan_to_num(detector.score(at, values))
        detector.learn(at, values)
    highest = scores.max(axis=1)
    later = highest[FIRST_YEAR:]
    threshold = float(np.sort(later)[-(len(later) // 7)])
    storm, batch = (int(np.flatnonzero(days == at)[0]) for at in (STORM, BATCH))
    score = float(scores[storm, counts.columns.get_loc(KIND)])
    rank = int((later > score).sum())
    above = int((scores[batch] >= threshold).sum())
    return Council(len(days), counts.shape[1] - 1, threshold, score, rank, above)
