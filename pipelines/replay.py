"""What would have fired: files run through the detectors exactly as the clock would have it."""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from data.points import Points
from data.settings import Settings
from data.sources.files import find_files, read_points
from data.sources.opening import stem
from data.sources.rejects import Rejects
from features.grid import regular
from models.floors import floors_of
from models.replay import Replayed, replay
from pipelines.console import Report, silent
from pipelines.feeds import METRICS
from pipelines.floors import read_floors
from pipelines.ladder import Ladder
from pipelines.replay_desk import watch_of
from pipelines.windows import NOTHING, LeftAlone
from pipelines.writing import rejects_beside, written

POINT_COLUMNS = ("timestamp", "value", "expected", "lower", "upper", "score", "alert")
SECOND = np.timedelta64(1, "s")
WEEK = np.timedelta64(7 * 86_400, "s")


@dataclass
class Told:
    """What a replay would have done."""

    n_files: int = 0
    n_points: int = 0
    n_alerts: int = 0
    n_rejected: int = 0
    weeks: float = 0.0
    opened: list[tuple[np.datetime64, str, str]] = field(default_factory=list)  # when, kind, key


def with_budget(settings: Settings, budget: float | None) -> Settings:
    """The settings, with another budget of false alerts a week where one is given."""
    if budget is None:
        return settings
    if not budget > 0:
        raise ValueError(f"the budget must be above 0 false alerts a week, got {budget:g}")
    return replace(settings, metric_budget=budget, ticket_budget=budget, topic_budget=budget)


# -- metrics ------------------------------------------------------------------------------------


def replay_metrics(
    path: Path,
    out: Path,
    settings: Settings,
    *,
    mapping: dict[str, str] | None = None,
    ladder: Ladder | None = None,
    left_alone: LeftAlone = NOTHING,
    report: Report = silent,
) -> Told:
    """Replay each metric file under `path`; the same tree of score files is written under `out`.

    One row a point, in the file's order. The threshold is set anew each day from the scores
    until then, for the budget of `settings`: no row knows anything of a later one. A `ladder`
    takes in what was scored.
    """
    told, targets = Told(), targets_of(path, out)
    for number, (file, target) in enumerate(targets.items()):
        with Rejects(rejects_beside(target.parent, file)) as rejects:
            chunks = read_points(
                file, mapping=mapping or {}, timezone=settings.timezone, rejects=rejects
            )
            points = joined(chunks)
        of_all = partly(report, number, len(targets))
        scored = replayed_points(points, settings, told, of_all, ladder, left_alone)
        write_scores(scored, target)
        told.n_files, told.n_points = number + 1, told.n_points + len(points.values)
        told.n_rejected += rejects.n
    return told


def targets_of(path: Path, out: Path) -> dict[Path, Path]:
    """The metric files under `path`, each with its score file; none may overwrite anything read."""
    files = find_files(path)
    folders = [file.relative_to(path).parent if path.is_dir() else Path() for file in files]
    targets = {
        file: out / folder / f"{stem(file)}.csv"
        for file, folder in zip(files, folders, strict=True)
    }
    if path.is_dir() and out.absolute().is_relative_to(path.absolute()):
        raise ValueError(f"--out must not lie in the folder that is read, {path}, got {out}")
    check_apart(path, list(targets.values()))
    return targets


def check_apart(path: Path, targets: list[Path]) -> None:
    """ValueError where a file would be written twice, or onto what is read."""
    twice = [target for target, n in Counter(targets).items() if n > 1]
    if twice:
        raise ValueError(f"{path} holds several files whose scores would be {twice[0]}")
    if any(target.exists() and target.samefile(path) for target in targets):
        raise ValueError(f"--out would overwrite {path}, which is read; name another place")


def partly(report: Report, number: int, n_files: int) -> Report:
    """Reports the progress of one file of several as that of all."""
    if n_files == 1:
        return report

    def part(done: float, total: float | None = None) -> None:
        report(number + done / (total or done or 1), n_files)

    return part


def joined(chunks: Iterable[Points]) -> Points:
    """All chunks of a file as one."""
    parts = list(chunks)
    return Points(
        np.concatenate([part.series for part in parts]) if parts else np.array([], dtype=object),
        np.concatenate([part.at for part in parts]) if parts else np.array([], dtype="M8[ms]"),
        np.concatenate([part.values for part in parts]) if parts else np.array([]),
    )


@dataclass(frozen=True)
class Scored:
    """A file's points in their order, each with what the detector said of its step."""

    points: Points
    seen: np.ndarray  # (n_points, 4): expected, lower, upper, score
    alerting: np.ndarray  # (n_points,) bool


def replayed_points(
    points: Points,
    settings: Settings,
    told: Told,
    report: Report,
    ladder: Ladder | None = None,
    left_alone: LeftAlone = NOTHING,
) -> Scored:
    """Every point scored; series of one interval run side by side on one grid."""
    keys, series = np.unique(points.series.astype(str), return_inverse=True)
    steps = np.array([interval(points.at[series == one]) for one in range(len(keys))])
    floors = read_floors(settings.metric_floors)
    seen, alerting = np.full((len(series), 4), np.nan), np.zeros(len(series), bool)
    for step in np.unique(steps):
        members = np.flatnonzero(steps == step)
        chosen = np.flatnonzero(np.isin(series, members))
        column = np.searchsorted(members, series[chosen])
        times, matrix = on_grid(points.at[chosen], column, points.values[chosen], int(step))
        names = [str(keys[one]) for one in members]
        masks = left_alone.masks(METRICS, names, times)
        watch = watch_of(settings, len(members), int(step))
        watch.floors = floors_of(floors, names)
        found = replay(
            watch,
            times,
            matrix,
            budget_per_week=settings.metric_budget,
            **masks,
            progress=report,
        )
        row = np.searchsorted(times, points.at[chosen], side="right") - 1
        lines = (found.expected, found.lower, found.upper, found.scores)
        seen[chosen] = np.stack([line[row, column] for line in lines], axis=1)
        alerting[chosen] = found.alerting[row, column]
        count(told, found, "metric", names, times)
        if ladder is not None:
            left_out = masks["left_out"]
            ladder.add(
                found, times, matrix, names, int(step), left_out=left_out, floors=watch.floors
            )
    return Scored(points, seen, alerting)


def interval(at: np.ndarray) -> int:
    """The usual time between points, in seconds: their median distance.

    >>> interval(np.array(["2026-03-02T09:00", "2026-03-02T09:05", "2026-03-02T09:10"], "M8[ms]"))
    300
    """
    gaps = np.diff(np.unique(at)).astype("timedelta64[s]").astype(np.int64)
    return max(int(np.median(gaps)), 1) if len(gaps) else 300


def on_grid(
    at: np.ndarray, column: np.ndarray, values: np.ndarray, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points in any order as (n_steps,), (n_steps, n_series)."""
    times, row = np.unique(at, return_inverse=True)
    matrix = np.full((len(times), column.max() + 1), np.nan)
    matrix[row, column] = values
    first = np.datetime64(int(times[0].astype(np.int64)) // (step * 1000) * step, "s")
    return regular(times, matrix, step, first, times[-1] + SECOND)  # with the last point's step


def count(told: Told, found: Replayed, kind: str, keys: list[str], times: np.ndarray) -> None:
    """Add up what opened, and over how long."""
    opened = [change for change in found.changes if change.what == "opened"]
    told.n_alerts += len(opened)
    told.opened.extend((change.opened_at, kind, keys[change.series]) for change in opened)
    told.weeks += float((times[-1] - times[0]) / WEEK) if len(times) else 0.0


def write_scores(scored: Scored, to: Path) -> None:
    """Write one row a point, aside first, so that nobody reads half a file."""
    names = np.unique(scored.points.series.astype(str))
    several = len(names) > 1
    times = np.datetime_as_string(scored.points.at.astype(f"M8[{finest(scored.points.at)}]"))
    with written(to) as file:
        rows = csv.writer(file)
        rows.writerow([*POINT_COLUMNS, *(["series"] if several else [])])
        for i, time in enumerate(times):
            lines = ["" if np.isnan(x) else f"{x:.6g}" for x in scored.seen[i]]
            row = [time.replace("T", " "), repr(float(scored.points.values[i])), *lines]
            row.append("1" if scored.alerting[i] else "0")
            rows.writerow([*row, scored.points.series[i]] if several else row)


def finest(at: np.ndarray) -> str:
    """Whether times are told in seconds or in thousandths of one.

    >>> finest(np.array(["2026-03-02T09:00:00.000"], "M8[ms]"))
    's'
    """
    return "ms" if (at.astype("M8[ms]").astype(np.int64) % 1000).any() else "s"
