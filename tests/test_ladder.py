"""A ladder of budgets over one past: the alerts of each, and what they are worth."""

import csv
import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from benchmarks.baselines import alert, blind
from data.points import Points
from data.records import Incident
from data.replays import ReplayTold
from data.settings import Settings
from data.store_replays import Replay
from models import DETECTORS
from models.ladder import rung
from models.replay import replay
from models.watch import Watch
from pipelines.console import quiet
from pipelines.found import compare, is_about
from pipelines.ladder import Ladder
from pipelines.ladder_figure import png, write_chart
from pipelines.replay_desk import incidents_of
from pipelines.replays import ALERT_COLUMNS, Asked, replayed
from tests.desk import placed, rows_of, table, wave, with_fault

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FAULTS = (START + 16 * DAY + 10 * HOUR, START + 19 * DAY + 15 * HOUR)
STEP = 900


def matrix(*points: Points) -> np.ndarray:
    return np.column_stack([one.values for one in points])


@pytest.fixture(scope="module")
def story():
    """Three weeks of two series, one with gaps and wild hours: (times, values, seen)."""
    cpu = with_fault(with_fault(wave(START, 21), FAULTS[0], 3), FAULTS[1], 2, size=25)
    web = with_fault(wave(START, 21, series="web", seed=1), START + 9 * DAY, 1, size=15)
    values = matrix(cpu, web)
    rng = np.random.default_rng(2)
    values[rng.integers(len(values), size=40), 1] += 12
    values[300:420, 1] = np.nan
    times = cpu.at.astype("datetime64[s]")
    return times, values, replay(watch(2), times, values)


def watch(n_series: int) -> Watch:
    return Watch(DETECTORS["rare"](n_series, step_seconds=STEP), math.nan, n_series, STEP)


@pytest.mark.parametrize("budget", [1.0, 60.0])
def test_a_budget_gives_the_alerts_that_its_own_replay_would_have(story, budget):
    times, values, seen = story
    told = rung(seen, times, values, STEP, budget, "Rare")
    alone = replay(watch(2), times, values, budget_per_week=budget)
    np.testing.assert_array_equal(told.thresholds, alone.thresholds)
    assert told.changes == alone.changes
    assert any(change.what == "closed" for change in told.changes)


def incident(onset_at: datetime, **changed: object) -> Incident:
    told = {"id": f"{onset_at:%d}", "desk": "small", "title": "slow", "onset_at": onset_at,
            "ended_at": onset_at + 3 * HOUR, "series": ("cpu",)}  # fmt: skip
    return Incident(**told | changed)


@pytest.fixture(scope="module")
def ladder(story):
    times, values, seen = story
    ladder = Ladder.of(Settings(desk="small"))
    ladder.add(seen, times, values, ["cpu", "web"], STEP)
    return ladder


def test_incidents_are_found_at_the_least_budget_that_sees_them(ladder):
    told = ladder.told([incident(at) for at in FAULTS])
    assert [one.budget for one in told.budgets] == [0.5, 1, 2, 4, 8]
    found = [one.n_found for one in told.budgets]
    assert found == sorted(found)
    assert found[-1] == 2
    for one in told.budgets:
        assert one.n_alerts == len(told.fired_at(one.budget))
        about = {alert.incident for alert in told.fired_at(one.budget)} - {""}
        assert len(about) == one.n_found
        assert sum(not alert.incident for alert in told.fired_at(one.budget)) == one.n_false
        assert one.found.low < one.found.value <= one.found.high
        assert one.per_week.low < one.per_week.value < one.per_week.high
    assert 15 <= told.budgets[-1].median_minutes.value <= 120
    assert [one.least_budget for one in told.incidents] == [0.5, 0.5]
    assert all("cpu is" in one.why for one in told.fired if one.incident)


def test_what_as_many_alerts_at_random_would_find_is_what_they_find_in_the_mean(ladder):
    incidents = [incident(at, ended_at=at + 60 * HOUR) for at in FAULTS]
    [part] = ladder.parts
    things = [("metric", key) for key in part.keys]
    rng = np.random.default_rng(5)
    draws = [
        compare(blind(rng, 12, things, part.times), incidents, part.start, part.stop, part.step)
        for _ in range(400)
    ]
    shares = [draw.share for draw in draws]
    expected = ladder.by_chance(incidents, 12)
    assert 0.3 < expected < 0.9
    assert expected == pytest.approx(np.mean(shares), abs=3 * np.std(shares) / 20)


@pytest.mark.parametrize("minutes", [0, 7], ids=["on the grid", "beside it"])
def test_the_cells_about_an_incident_are_those_whose_alert_would_be(ladder, minutes):
    [part] = ladder.parts
    one = incident(FAULTS[0] + timedelta(minutes=minutes), series=("cpu", "disk"))
    told = [alert("metric", key, at) for at in part.times for key in part.keys]
    assert part.n_about(one) == sum(is_about(each, one, part.step) for each in told) > 0


def test_what_these_series_cannot_tell_of_is_left_out_and_said(ladder):
    told = ladder.told([
        incident(FAULTS[0]),
        incident(FAULTS[1], series=()),  # names nothing: any series may tell
        incident(FAULTS[1], id="other", series=("disk",)),
        incident(FAULTS[1], id="words", series=(), categories=("vpn",)),
        incident(START + DAY, id="early"),
    ])  # fmt: skip
    assert [one.id for one in told.incidents] == ["21", "24"]
    assert told.notes == (
        "2 incidents left out: of none of the series replayed",
        "1 incident left out: of a time that is not judged",
    )


def test_without_incidents_nothing_is_called_false(ladder):
    told = ladder.told(None)
    assert all(math.isnan(one.false_per_week.value) for one in told.budgets)
    assert all(math.isnan(one.by_chance) for one in told.budgets)
    assert png(told).startswith(b"\x89PNG")


def test_alerts_count_from_since_on(story):
    times, values, seen = story
    ladder = Ladder.of(Settings(desk="small", metric_budget=3), since=START + 18 * DAY)
    ladder.add(seen, times, values, ["cpu", "web"], STEP)
    told = ladder.told([incident(at) for at in FAULTS])
    assert told.n_weeks == pytest.approx(3 / 7)
    assert [one.onset_at for one in told.incidents] == [FAULTS[1]]
    assert min(one.opened_at for one in told.fired) >= START + 18 * DAY
    assert told.marked == 3
    assert 3 in [one.budget for one in told.budgets]


def one_rung(story, keys, n=1, **changed):
    """A ladder of one budget that has taken in the story `n` times."""
    times, values, seen = story
    ladder = Ladder(Settings(desk="small", **changed), (4.0,), 4.0)
    for _ in range(n):
        ladder.add(seen, times, values, keys, STEP)
    return ladder


def test_series_of_one_service_would_have_been_one_alert(story):
    times, values, seen = story
    both = np.repeat(values[:, :1], 2, axis=1)
    alike = replace(seen, **{name: np.repeat(getattr(seen, name)[:, :1], 2, axis=1)
                             for name in ("scores", "expected", "lower", "upper")})  # fmt: skip
    keys = ['errors{service="shop"}', 'latency{service="shop"}']
    one, each = (
        one_rung((times, both, alike), keys, group_by=by).told(
            [incident(FAULTS[0], series=keys[1:])]
        )
        for by in (("service",), ())
    )
    assert len(each.fired) == 2 * len(one.fired) > 0
    assert one.budgets[0].n_found == 1, "by the member that does not lead"
    assert one.fired[0].series == keys[0]
    assert 'and 1 more series of service="shop"' in one.fired[0].why
    assert [a.closed_at for a in one.fired] == sorted({a.closed_at for a in each.fired})


def test_two_files_are_pooled(story):
    alone, both = (
        one_rung(story, ["cpu", "web"], n).told([incident(at) for at in FAULTS]) for n in (1, 2)
    )
    [before], [after] = alone.budgets, both.budgets
    assert both.n_weeks == 2 * alone.n_weeks
    assert after.n_alerts == 2 * before.n_alerts
    assert after.n_found == before.n_found
    assert after.median_minutes.value == before.median_minutes.value
    assert after.false_per_week.value == before.false_per_week.value


# -- a desk's own past ----------------------------------------------------------------------------


def test_a_desks_own_points_are_replayed_written_and_kept_for_the_page(tmp_path):
    with placed(tmp_path / "home") as place:
        fault = START + 10 * DAY
        place.history.append("small", with_fault(wave(START, 12), fault, 3))
        place.store.put_incidents([incident(fault)])
        done = replayed(place.settings, Asked(), quiet)
        kept = place.store.replay("small", "metrics")
        assert place.store.alerts() == [], "a replay raises nothing"
    assert kept.told.to_json() == done.ladder.to_json()
    assert kept.command == "forewarn --desk small replay metrics"
    assert done.ladder.budgets[0].n_found == 1
    assert done.chart == tmp_path / "home/replay/small/replay.svg"
    rows = rows_of(done.alerts)
    assert tuple(rows[0]) == ALERT_COLUMNS
    assert [row["incident"] for row in rows if row["budget"] == "0.5"] == ["15"]


def test_files_are_kept_for_the_page_only_where_that_is_asked_for(tmp_path):
    points = with_fault(wave(START, 6), START + 5 * DAY, 3)
    at = np.datetime_as_string(points.at.astype("datetime64[s]"))
    path = table(tmp_path / "cpu.csv", ("timestamp", "value"), zip(at, points.values, strict=True))
    with placed(tmp_path / "home") as place:
        for save in (False, True):
            asked = Asked(path, tmp_path / "out", save=save)
            done = replayed(place.settings, asked, quiet)
            assert (place.store.replay("small", "metrics") is not None) == save
    assert done.files.n_points == len(points.values)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "cpu.csv",
        "replay-alerts.csv",
        "replay.svg",
    ]


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_the_chart_of_the_same_replay_is_the_same_file(ladder, tmp_path, suffix):
    told = ladder.told([incident(at, title="<b>slow & $x$</b>") for at in FAULTS])
    files = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for file in files:
        write_chart(told, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    if suffix == "html":
        assert "<b>slow" not in files[0].read_text()
        assert "&lt;b&gt;slow &amp; $x$" in files[0].read_text()


# -- incidents from a file ------------------------------------------------------------------------


def test_good_incidents_are_kept_and_the_first_bad_row_is_named(tmp_path):
    path = table(tmp_path / "known.csv", ("id", "title", "onset_at", "ended_at", "series"), [
        ("1", "slow", "2026-01-20T09:00Z", "2026-01-20T10:00Z", "cpu;web"),
        ("2", "late", "2026-01-21T09:00Z", "2026-01-21T08:00Z", "cpu"),
        ("3", "odd", "last week", "", ""),
    ])  # fmt: skip
    found, notes = incidents_of(path, Settings())
    assert [(one.id, one.series) for one in found] == [("1", ("cpu", "web"))]
    assert notes == [f"{path}, line 3: ended_at lies before onset_at and 1 more: left out, 1 kept"]


def test_json_lines_are_read_too(tmp_path):
    path = tmp_path / "known.jsonl"
    path.write_text(json.dumps({"title": "slow", "onset_at": "2026-01-20T09:00Z"}) + "\n")
    [found], notes = incidents_of(path, Settings())
    assert (found.title, notes) == ("slow", [])


# -- kept -----------------------------------------------------------------------------------------


def test_the_store_keeps_the_newest_replay_of_each_desk(store, ladder):
    told = ladder.told([incident(FAULTS[0], ended_at=None)])
    first = Replay(START, "forewarn replay metrics", told)
    for desk, kept in (("it", first), ("hr", first), ("it", first._replace(made_at=START + DAY))):
        store.put_replay(desk, "metrics", kept)
    for desk, made_at in (("it", START + DAY), ("hr", START)):
        kept = store.replay(desk, "metrics")
        assert (kept.made_at, kept.command) == (made_at, "forewarn replay metrics")
        assert kept.told.to_json() == told.to_json()
    assert store.replay("it", "tickets") is None


def test_what_nobody_knows_is_null_in_json_and_unknown_again_when_read(ladder):
    told = ladder.told(None)
    text = told.to_json()
    assert "NaN" not in text
    again = ReplayTold.from_json(text)
    assert again.to_json() == text
    assert math.isnan(again.budgets[0].found.value)
    assert replace(again, budgets=()) == replace(told, budgets=())


def test_a_trimmed_replay_has_the_strongest_alerts_and_counts_all(ladder):
    told = ladder.told([incident(at) for at in FAULTS])
    few = told.trimmed(2)
    assert few.plain()["budgets"] == told.plain()["budgets"]
    for one in told.budgets:
        kept, rest = few.fired_at(one.budget), told.fired_at(one.budget)
        assert len(kept) == min(2, one.n_alerts)
        assert sorted(k.strength for k in kept) == sorted(r.strength for r in rest)[-2:]


def test_every_alert_of_every_budget_stands_in_the_csv(ladder, tmp_path):
    from pipelines.replays import write

    told = ladder.told([incident(at) for at in FAULTS])
    write(told, tmp_path / "c.svg", tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["budget"]) for row in rows] == [one.budget for one in told.fired]
    assert [row["why"] for row in rows] == [one.why for one in told.fired]
