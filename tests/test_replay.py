"""What would have fired, told from files alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from data.points import Points
from data.settings import Settings
from pipelines import console
from pipelines.replay import POINT_COLUMNS, replay_metrics
from pipelines.replay_tickets import ALERT_COLUMNS, replay_tickets
from pipelines.replays import Asked, replayed_tickets
from tests.desk import files, rows_of, table, wave, with_fault

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
HOURLY = Settings(step_seconds=3600)


def written(path: Path, points: Points, *, series: bool = False) -> Path:
    """A metric file as a user would have it."""
    at = np.datetime_as_string(points.at.astype("datetime64[s]"))
    rows = zip(at, points.values, points.series, strict=True)
    columns = ("timestamp", "value", "series")
    return table(path, columns if series else columns[:2], [r if series else r[:2] for r in rows])


@pytest.fixture(scope="module")
def faulty():
    return with_fault(wave(START, 8), START + 6 * DAY, 3)


def test_each_point_gets_a_row_in_the_order_of_the_file(tmp_path, faulty):
    told = replay_metrics(written(tmp_path / "cpu.csv", faulty), tmp_path / "out", Settings())
    rows = rows_of(tmp_path / "out" / "cpu.csv")
    assert tuple(rows[0]) == POINT_COLUMNS
    assert [float(row["value"]) for row in rows] == faulty.values.tolist()
    assert rows[0]["timestamp"] == "2026-01-05 00:00:00"
    assert rows[0]["score"] == ""  # it cannot say yet
    alerting = {row["timestamp"][:10] for row in rows if row["alert"] == "1"}
    assert alerting == {"2026-01-11"}
    assert (told.n_points, told.n_alerts, told.n_rejected) == (len(rows), 1, 0)


def test_no_row_knows_anything_of_a_later_one(tmp_path, faulty):
    n = len(faulty.values) * 7 // 8
    short = Points(faulty.series[:n], faulty.at[:n], faulty.values[:n])
    replay_metrics(written(tmp_path / "whole.csv", faulty), tmp_path / "out", Settings())
    replay_metrics(written(tmp_path / "short.csv", short), tmp_path / "out", Settings())
    assert rows_of(tmp_path / "out" / "short.csv") == rows_of(tmp_path / "out" / "whole.csv")[:n]


def test_a_tree_is_mirrored_and_each_file_stands_alone(tmp_path, faulty):
    short = Points(faulty.series[:300], faulty.at[:300], faulty.values[:300])
    for name in ("a/cpu.csv", "b/cpu.csv", "b/deep/web.1.csv"):
        written(tmp_path / "in" / name, short)
    told = replay_metrics(tmp_path / "in", tmp_path / "out", Settings())
    found = sorted(
        str(path.relative_to(tmp_path / "out")) for path in tmp_path.rglob("out/**/*.csv")
    )
    assert found == ["a/cpu.csv", "b/cpu.csv", "b/deep/web.1.csv"]
    assert (told.n_files, told.n_points) == (3, 900)


def test_several_series_of_other_intervals_are_told_apart(tmp_path, faulty):
    slow = wave(START, 8, series="slow", seed=1)
    slow = Points(slow.series[::4], slow.at[::4], slow.values[::4])
    mixed = Points(*(np.concatenate([getattr(p, name) for p in (faulty, slow)])
                     for name in ("series", "at", "values")))  # fmt: skip
    order = np.random.default_rng(0).permutation(len(mixed.values))
    mixed = Points(mixed.series[order], mixed.at[order], mixed.values[order])
    replay_metrics(written(tmp_path / "all.csv", mixed, series=True), tmp_path / "out", Settings())
    replay_metrics(written(tmp_path / "cpu.csv", faulty), tmp_path / "out", Settings())
    rows = rows_of(tmp_path / "out" / "all.csv")
    assert [row["series"] for row in rows] == mixed.series.tolist()
    assert {row["series"] for row in rows if row["alert"] == "1"} == {"cpu"}
    alone = {row["timestamp"]: row["score"] for row in rows_of(tmp_path / "out" / "cpu.csv")}
    assert {row["timestamp"]: row["score"] for row in rows if row["series"] == "cpu"} == alone


def test_points_that_came_twice_or_beside_the_grid_keep_their_rows(tmp_path):
    rows = [("2026-01-05 00:00:00", 1), ("2026-01-05 00:00:00", 2), ("2026-01-05 00:05:01.250", 3),
            ("2026-01-05 00:10:00", 4), ("2026-01-05 03:00:07", 5)]  # fmt: skip
    path = table(tmp_path / "in" / "odd.csv", ("timestamp", "value"), rows)
    replay_metrics(path, tmp_path / "out", Settings())
    kept = rows_of(tmp_path / "out" / "odd.csv")
    assert [float(row["value"]) for row in kept] == [1, 2, 3, 4, 5]
    assert kept[2]["timestamp"] == "2026-01-05 00:05:01.250"


def test_bad_rows_are_left_out_and_counted(tmp_path):
    rows = [("2026-01-05 00:00", 1), ("2026-01-05 00:05", "n/a"), ("2026-01-05 00:10", 2)]
    path = table(tmp_path / "in" / "cpu.csv", ("timestamp", "value"), rows)
    told = replay_metrics(path, tmp_path / "out", Settings())
    assert (told.n_points, told.n_rejected) == (2, 1)
    assert len(rows_of(tmp_path / "out" / "cpu.csv")) == 2


def test_nothing_that_is_read_is_ever_overwritten(tmp_path, faulty):
    path = written(tmp_path / "in" / "cpu.csv", faulty)
    kept = path.read_bytes()
    for given, out in (
        (path, path.parent),
        (path.parent, path.parent),
        (path.parent, path.parent / "o"),
    ):
        with pytest.raises(ValueError, match="--out"):
            replay_metrics(given, out, Settings())
    written(tmp_path / "in" / "cpu.tsv", faulty)
    with pytest.raises(ValueError, match="several files whose scores would be"):
        replay_metrics(path.parent, tmp_path / "out", Settings())
    assert path.read_bytes() == kept


# -- tickets -------------------------------------------------------------------------------------


def opened(days: int, surge_at: datetime | None = None) -> list[tuple[str, str]]:
    """Four tickets an hour on vpn, one on printers, and a surge on printers."""
    rng = np.random.default_rng(0)
    times = [(START + timedelta(hours=h, minutes=int(m)), name)
             for h in range(24 * days)
             for name, n in (("vpn", 4), ("printer", 1))
             for m in rng.integers(0, 60, rng.poisson(n))]  # fmt: skip
    if surge_at:
        times += [(surge_at + timedelta(minutes=m), "printer") for m in range(40)]
    return [(at.isoformat(), name) for at, name in sorted(times)]


def since(at: datetime, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The alerts on printers from then on; within the budget chance may raise one before."""
    return [row for row in rows if row["key"] == "printer" and row["opened_at"] >= at.isoformat()]


def test_a_surge_is_told_from_times_and_categories_alone(tmp_path):
    surge_at = START + 24 * DAY + timedelta(hours=10)
    path = table(tmp_path / "t.csv", ("created_at", "category"), opened(26, surge_at))
    told = replay_tickets(path, tmp_path / "alerts.csv", Settings())
    rows = rows_of(tmp_path / "alerts.csv")
    assert tuple(rows[0]) == ALERT_COLUMNS
    found = since(surge_at, rows)
    assert [row["kind"] for row in found] == ["category"]
    late = datetime.fromisoformat(found[0]["opened_at"]) - surge_at
    assert timedelta() <= late <= timedelta(minutes=30)
    assert int(found[0]["n_tickets"]) >= 40
    assert "tickets on printer in the hour to" in found[0]["why"]
    assert told.n_points == len(opened(26, surge_at))


def test_a_surge_at_the_very_end_of_a_file_is_still_open(tmp_path):
    surge_at = START + 24 * DAY + timedelta(hours=10)
    rows = [
        row
        for row in opened(26, surge_at)
        if row[0] < (surge_at + timedelta(minutes=40)).isoformat()
    ]
    path = table(tmp_path / "t.csv", ("created_at", "category"), rows)
    replay_tickets(path, tmp_path / "alerts.csv", Settings())
    [row] = since(surge_at, rows_of(tmp_path / "alerts.csv"))
    assert row["closed_at"] == ""


def test_a_simulated_desk_is_replayed_with_its_own_column_names(tmp_path):
    made = files(tmp_path / "files")
    told = replay_tickets(made / "tickets.csv", tmp_path / "alerts.csv", HOURLY)
    assert told.n_points > 1000
    assert told.weeks == pytest.approx(3, abs=0.1)


def test_new_topics_and_what_belongs_together_are_told_with_their_tickets(tmp_path):
    """Refunds are declined, which nobody has a category for, while more ask for a printer."""
    at = START + 24 * DAY + timedelta(hours=10)
    usual = [
        (when, label, f"{label} {WORDS[i % 7]} {WORDS[i % 11]} {i % 97}")
        for i, (when, label) in enumerate(opened(26, at))
    ]
    new = [
        ((at + i * timedelta(minutes=9)).isoformat(), "vpn", f"card refund declined {i}")
        for i in range(6)
    ]
    rows = [(f"T{i}", *row) for i, row in enumerate([*usual, *new])]
    path = table(tmp_path / "t.csv", ("id", "created_at", "category", "title"), rows)
    replay_tickets(path, tmp_path / "alerts.csv", Settings())
    found = [row for row in rows_of(tmp_path / "alerts.csv") if row["opened_at"] >= at.isoformat()]
    (topic,) = [row for row in found if row["kind"] == "topic" and "refund" in row["key"]]
    assert topic["ticket_ids"].split() == [f"T{len(usual) + i}" for i in range(6)]
    (incident,) = [row for row in found if row["kind"] == "incident"]
    assert set(topic["ticket_ids"].split()) < set(incident["ticket_ids"].split())
    assert incident["why"].startswith(f"{incident['n_tickets']} tickets on printer and ")


WORDS = (
    "again",
    "broken",
    "slow",
    "floor",
    "room",
    "light",
    "door",
    "cable",
    "tray",
    "paper",
    "key",
)


def test_a_ticket_file_is_never_overwritten(tmp_path):
    path = table(tmp_path / "t.csv", ("created_at", "category"), opened(1))
    with pytest.raises(ValueError, match="would overwrite"):
        replay_tickets(path, path, Settings())


def test_a_ladder_of_budgets_tells_which_known_incidents_tickets_would_have_found(tmp_path):
    surge_at = START + 24 * DAY + timedelta(hours=10)
    path = table(tmp_path / "t.csv", ("created_at", "category"), opened(26, surge_at))
    end = surge_at + timedelta(hours=1)
    known = table(
        tmp_path / "known.csv",
        ("title", "onset_at", "ended_at", "categories"),
        [
            ("Printers down", surge_at.isoformat(), end.isoformat(), "printer"),
            ("Another", surge_at.isoformat(), end.isoformat(), "nothing of it"),
        ],
    )
    asked = Asked(path, tmp_path / "alerts.csv", incidents=known)
    done = replayed_tickets(Settings(), asked, console.quiet)
    told = done.ladder
    assert [one.budget for one in told.budgets] == [0.5, 1, 2, 4, 8]
    assert told.marked == Settings().ticket_budget
    alerts = [one.n_alerts for one in told.budgets]
    assert alerts == sorted(alerts)
    marked = next(one for one in told.budgets if one.budget == told.marked)
    assert marked.n_found >= 1
    assert 0 < marked.median_minutes.value <= 30
    about = [one for one in told.fired_at(told.marked) if one.series == "printer" and one.incident]
    assert "tickets on printer in the hour to" in about[0].why
    assert (tmp_path / "alerts.svg").read_text().startswith("<?xml")
