import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from data.database import connect
from data.history import Appended, History
from data.points import Points

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
EVER = (START - 30 * DAY, START + 300 * DAY)
STEPS = ("written", "kept", "committing", "committed", "removed")


def points(n_steps: int, *, series=("cpu", "ram"), start=START, seed=0) -> Points:
    """A point every hour of each series."""
    times = np.datetime64(start.replace(tzinfo=None), "ms") + np.arange(n_steps) * np.timedelta64(
        3_600_000, "ms"
    )
    values = np.random.default_rng(seed).normal(size=n_steps * len(series))
    names = np.array(list(series) * n_steps, object)
    return Points(names, np.repeat(times, len(series)), values)


def one(series: str, at: datetime, value: float) -> Points:
    time = np.array([at.replace(tzinfo=None)], "datetime64[ms]")
    return Points(np.array([series], object), time, np.array([value]))


def assert_same_history(left: History, right: History, desk: str = "it") -> None:
    assert left.count(desk) == right.count(desk)
    for a, b in zip(left.read(desk, None, *EVER), right.read(desk, None, *EVER), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def history(store, tmp_path):
    return History(store.engine, tmp_path / "history")


def test_points_come_back_as_a_matrix(history):
    history.append("it", points(3))
    history.append("it", one("disk", START + timedelta(hours=1), 9.0))
    times, keys, matrix = history.read("it", None, START, START + timedelta(hours=2))
    assert keys == ["cpu", "disk", "ram"]
    assert times.dtype == np.dtype("datetime64[ms]")
    np.testing.assert_array_equal(times, np.unique(points(2).at))
    np.testing.assert_array_equal(matrix[:, [0, 2]].ravel(), points(3).values[:4])
    np.testing.assert_array_equal(matrix[:, 1], [np.nan, 9.0])


def test_appending_twice_changes_nothing(history):
    assert history.append("it", points(50)) == Appended(100, 0, 0, 0)
    assert history.append("it", points(50)) == Appended(0, 0, 100, 0)
    assert history.count("it") == 100


@pytest.mark.parametrize("compacted", [False, True], ids=["hot", "in Parquet"])
def test_the_last_value_written_counts(history, compacted):
    history.append("it", points(30))
    if compacted:
        history.compact("it", START + 9 * DAY)
    assert history.append("it", one("cpu", START, 7.0)) == Appended(0, 1, 0, 0)
    assert history.append("it", one("cpu", START, 7.0)) == Appended(0, 0, 1, 0)
    assert history.read("it", "cpu", START, START + DAY)[2][0, 0] == 7.0
    assert history.count("it") == 60
    history.compact("it", START + 9 * DAY)
    assert history.read("it", "cpu", START, START + DAY)[2][0, 0] == 7.0
    assert history.count("it") == 60


def test_of_two_values_in_one_file_the_last_counts(history):
    both = Points(
        np.array(["cpu", "cpu"], object),
        np.array(["2026-01-05", "2026-01-05"], "datetime64[ms]"),
        np.array([1.0, 2.0]),
    )
    assert history.append("it", both) == Appended(1, 1, 0, 0)
    assert history.read("it", None, *EVER)[2].tolist() == [[2.0]]


def test_compaction_moves_whole_days_and_changes_nothing(history, tmp_path, store):
    other = History(store.engine, tmp_path / "other")
    history.append("it", points(60))
    before = history.read("it", None, *EVER)
    reports = []
    done = history.compact(
        "it", START + timedelta(hours=50), progress=lambda *report: reports.append(report)
    )
    assert done == (2, 96)
    assert reports == [(1, 2), (2, 2)]
    assert history.compact("it", START + timedelta(hours=50)) == (0, 0)
    for a, b in zip(before, history.read("it", None, *EVER), strict=True):
        np.testing.assert_array_equal(a, b)
    assert history.append("it", points(60)) == Appended(0, 0, 120, 0)
    assert history.count("it") == 120
    assert len(list((tmp_path / "history" / "it").glob("*.parquet"))) == 2
    assert other.count("else") == 0


def test_points_that_come_during_a_compaction_are_kept(history):
    history.append("it", points(24))

    def meanwhile(step: str) -> None:
        if step == "kept":
            history.append("it", one("new", START, 1.0))
            history.append("it", one("cpu", START, 5.0))

    history.compact("it", START + DAY, after=meanwhile)
    assert history.count("it") == 49
    _, keys, matrix = history.read("it", None, START, START + timedelta(hours=1))
    assert dict(zip(keys, matrix[0], strict=True))["cpu"] == 5.0
    assert dict(zip(keys, matrix[0], strict=True))["new"] == 1.0


def test_points_behind_the_watermark_are_stored_and_counted_late(history):
    done = history.append("it", points(4), watermark=START + timedelta(hours=2))
    assert done == Appended(8, 0, 0, 4)
    assert history.append("it", points(4), watermark=START + DAY) == Appended(0, 0, 8, 0)
    assert history.count("it") == 8


def test_late_marks_outlive_compaction(history, tmp_path):
    from data.days import read_day

    history.append("it", points(4), watermark=START + timedelta(hours=2))
    history.compact("it", START + DAY)
    (file,) = (tmp_path / "history" / "it").glob("*.parquet")
    assert int(read_day(file).late.sum()) == 4


def test_selectors(history):
    history.append("it", points(2, series=("web-1.cpu", "web-2.cpu", "db.cpu")))
    assert history.read("it", "web-*", *EVER)[1] == ["web-1.cpu", "web-2.cpu"]
    times, keys, matrix = history.read("it", ["db.cpu", "absent"], *EVER)
    assert keys == ["absent", "db.cpu"]
    assert np.isnan(matrix[:, 0]).all()
    assert np.isfinite(matrix[:, 1]).all()
    assert len(times) == 2


def test_one_series_of_a_compacted_day(history):
    history.append("it", points(24, series=tuple(f"s{i}" for i in range(20))))
    whole = history.read("it", None, *EVER)
    history.compact("it", START + DAY)
    times, keys, matrix = history.read("it", ["s7"], START + timedelta(hours=3), START + DAY)
    assert keys == ["s7"]
    assert len(times) == 21
    np.testing.assert_array_equal(matrix[:, 0], whole[2][3:, whole[1].index("s7")])


def test_desks_do_not_see_each_other(history):
    history.append("it", points(24))
    history.append("../hr", points(24, seed=1))
    history.compact("../hr", START + DAY)
    history.expire("../hr", START + DAY)
    assert history.count("../hr") == 0
    assert history.count("it") == 48
    assert history.read("hr", None, *EVER)[2].shape == (0, 0)


def test_span_and_series_of_hot_and_compacted_points(history):
    assert history.span("it") is None
    history.append("it", points(60))
    history.compact("it", START + DAY)
    assert history.span("it") == (START, START + timedelta(hours=59))
    history.compact("it", START + 9 * DAY)
    assert history.span("it") == (START, START + timedelta(hours=59))
    assert history.series("it") == ["cpu", "ram"]


def test_expire_deletes_whole_days_hot_and_compacted(history, tmp_path):
    history.append("it", points(96))
    history.compact("it", START + DAY)
    history.append("it", one("cpu", START, 7.0))  # hot, over a point in Parquet: counts once
    assert history.expire("it", START + 2 * DAY + timedelta(hours=5)) == 96
    assert history.count("it") == 96
    assert history.span("it")[0] == START + 2 * DAY
    assert not list((tmp_path / "history" / "it").glob("*.parquet*"))


@pytest.mark.parametrize(
    ("bad", "said"),
    [(np.nan, "finite"), (np.inf, "finite")],
    ids=["nan", "inf"],
)
def test_values_that_are_no_numbers_are_refused(history, bad, said):
    with pytest.raises(ValueError, match=said):
        history.append("it", one("cpu", START, bad))


def test_times_without_zone_are_refused(history):
    with pytest.raises(ValueError, match="zone"):
        history.read("it", None, datetime(2026, 1, 1), datetime(2026, 1, 2))


def test_a_missing_day_file_is_named(history, tmp_path):
    history.append("it", points(24))
    history.compact("it", START + DAY)
    (file,) = (tmp_path / "history" / "it").glob("*.parquet")
    file.unlink()
    with pytest.raises(LookupError, match=file.name):
        history.read("it", None, *EVER)


KILLED = """
import os, sys
from datetime import datetime
from pathlib import Path
from data.database import connect
from data.history import History

url, folder, before, step, nth = sys.argv[1:]
seen = []

def after(done):
    seen.append(done)
    if seen.count(step) == int(nth) and done == step:
        os.kill(os.getpid(), 9)

History(connect(url), Path(folder)).compact("it", datetime.fromisoformat(before), after=after)
"""


def killed_compaction(url: str, folder: Path, before: datetime, step: str, nth: int) -> None:
    """Compact in a process of its own that dies after the nth `step`."""
    command = [sys.executable, "-c", KILLED, url, str(folder), before.isoformat(), step, str(nth)]
    ended = subprocess.run(command, cwd=Path(__file__).parents[1], check=False)
    assert ended.returncode == -9


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_loses_and_doubles_nothing(url, tmp_path, step):
    engine, quiet = connect(url), connect(f"sqlite:///{tmp_path / 'quiet.db'}")
    history, other = History(engine, tmp_path / "history"), History(quiet, tmp_path / "quiet")
    for each in (history, other):
        each.append("it", points(24))
        each.compact("it", START + DAY)  # so that a day's file is replaced, too
        each.append("it", points(72, seed=1))
    killed_compaction(url, tmp_path / "history", START + 2 * DAY, step, 1)
    assert_same_history(history, other)
    killed_compaction(url, tmp_path / "history", START + 3 * DAY, step, 1)
    assert_same_history(history, other)
    for each in (history, other):
        each.compact("it", START + 3 * DAY)
    assert_same_history(history, other)
    files = sorted(os.listdir(tmp_path / "history" / "it"))
    assert [name[:10] for name in files if name != ".lock"] == [
        "2026-01-05",
        "2026-01-06",
        "2026-01-07",
    ]
    engine.dispose()
    quiet.dispose()
