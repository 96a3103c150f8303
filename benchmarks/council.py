"""Ten years of a city council's cases, a count a day and category: a storm, and a batch entry."""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from data.records import Alert
from data.settings import Settings
from models.surge import Surge
from pipelines.alerts import utc
from pipelines.replay_topics import Told, grouped

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
    batch_incidents: int


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
    above = scores >= threshold
    n_above = int(above[batch].sum())
    alerts = [
        alert_of(days, counts, above, row, column, threshold, scores[row, column])
        for row, column in np.argwhere(above & ~np.roll(above, 1, axis=0)).tolist()
        if row >= FIRST_YEAR
    ]
    n_incidents = incidents_on(grouped(alerts, Settings()), n_above, utc(days[batch]))
    n_categories = counts.shape[1] - 1
    return Council(len(days), n_categories, threshold, score, rank, n_above, n_incidents)


def alert_of(
    days: np.ndarray,
    counts: pd.DataFrame,
    above: np.ndarray,
    row: int,
    column: int,
    threshold: float,
    score: float,
) -> Told:
    """A category that is above the threshold from one day on, until it no longer is."""
    key, value = str(counts.columns[column]), float(counts.iloc[row, column])
    last = row + int((~np.append(above[row:, column], False)).argmax()) - 1
    numbers = {"observed": value, "expected": np.nan, "lower": np.nan, "upper": np.nan}
    alert = Alert(
        id=f"{row}-{column}", desk="council", kind="surge", key=key, opened_at=utc(days[row]),
        closed_at=utc(days[last]), score=score, threshold=threshold, why="", detector="surge",
        n_tickets=int(value), group_key=key, **numbers,
    )  # fmt: skip
    return Told(alert, [alert.id])


def incidents_on(joined: list[Told], n_alerts: int, at: datetime) -> int:
    """How many incidents the alerts of a day are in; one that stands alone is one, too."""
    of_day = [one for one in joined if one.alert.opened_at == at]
    return len(of_day) + n_alerts - sum(len(one.ids) for one in of_day)
