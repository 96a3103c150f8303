"""Counters on their way to the detectors: what they count a second, whatever happens to them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from data.points import Points
from features.counters import per_second
from pipelines.detect import advance, begin, save
from pipelines.feeds import METRICS, feed, metric_steps
from pipelines.watching import look
from tests.desk import DESK, STEP, placed, wave

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = 60_000
ASKED = 'asked_total{job="web",zone="eu"}'


def rates(*readings: tuple[int, float], series=None, gap=600.0):
    """Rates of readings, each (minute, value)."""
    minutes, values = zip(*readings, strict=True)
    at = np.array(minutes, np.int64) * MINUTE
    numbers = np.zeros(len(values), int) if series is None else np.array(series)
    return per_second(numbers, at.astype("datetime64[ms]"), np.array(values), gap)


def test_a_restart_is_an_increase_from_zero():
    found = rates((0, 100.0), (1, 160.0), (2, 30.0), (3, 90.0))
    np.testing.assert_array_equal(found, [np.nan, 1.0, 0.5, 1.0])


def test_a_scrape_that_was_missed_is_made_up_for_by_the_next():
    np.testing.assert_array_equal(rates((0, 0.0), (1, 60.0), (3, 180.0))[1:], [1.0, 1.0])


def test_a_counter_that_stands_still_counts_nothing_which_is_known():
    np.testing.assert_array_equal(rates((0, 7.0), (1, 7.0)), [np.nan, 0.0])


def test_after_a_long_silence_nobody_knows_when_it_rose():
    np.testing.assert_array_equal(rates((0, 0.0), (11, 660.0), (12, 720.0)), [np.nan, np.nan, 1.0])


def test_a_series_does_not_go_on_where_the_one_before_ended():
    found = rates((0, 0.0), (1, 60.0), (1, 5.0), (2, 65.0), series=[0, 0, 1, 1])
    np.testing.assert_array_equal(found, [np.nan, 1.0, np.nan, 1.0])


def counted(points: Points, seed: int = 0) -> Points:
    """Readings of a counter that rises as fast as `points` say, by the step, and starts anew."""
    total = np.cumsum(points.values * STEP.total_seconds())
    restarts = np.sort(np.random.default_rng(seed).choice(len(points), 5, replace=False))
    for at in restarts:
        total[at:] -= total[at]
    return Points(points.series, points.at, total)


def known(place, start, stop):
    return [(steps.times, steps.keys, steps.values) for steps in feed(place, METRICS, start, stop)]


def put(place, points, order=None):
    chosen = np.arange(len(points)) if order is None else order
    told = Points(points.series[chosen], points.at[chosen], points.values[chosen])
    place.history.append(DESK, told, counters={ASKED})


def test_detectors_see_what_each_counter_counts_a_second(tmp_path):
    waves = {key: wave(START, 2, series=key) for key in ("a_total", "b_total", "load")}
    with placed(tmp_path) as place:
        for seed, key in enumerate(("a_total", "b_total")):
            place.history.append(DESK, counted(waves[key], seed), counters={key})
        place.history.append(DESK, waves["load"])
        times, keys, values = known(place, START, START + DAY / 2)[0]
    assert keys == list(waves)
    n = len(times)
    for column in (0, 1):
        assert np.isnan(values[0, column])
        away = np.abs(values[1:, column] - waves[keys[column]].values[1:n])
        assert np.sum(~(away < 0.01)) <= 5  # the restarts: what was counted before one is lost
    np.testing.assert_array_equal(values[:, 2], waves["load"].values[:n])


def test_a_chart_of_one_series_shows_what_the_detectors_saw(tmp_path):
    with placed(tmp_path) as place:
        for seed, key in enumerate(("a_total", "b_total")):
            series = counted(wave(START, 1, series=key), seed)
            place.history.append(DESK, series, counters={key})
        whole = metric_steps(place, START, START + DAY)
        alone = metric_steps(place, START + DAY / 2, START + DAY, ["b_total"])
    assert alone.keys == ["b_total"]
    np.testing.assert_array_equal(alone.values[:, 0], whole.values[-len(alone.times) :, 1])


@pytest.mark.parametrize("how", ["shuffled", "backwards", "twice"])
def test_the_order_in_which_points_come_does_not_matter(tmp_path, how):
    points, orders = counted(wave(START, 2, series=ASKED)), np.random.default_rng(1)
    n = len(points)
    order = {
        "shuffled": orders.permutation(n),
        "backwards": np.arange(n)[::-1],
        "twice": np.concatenate([np.arange(n), orders.permutation(n)[:50]]),
    }[how]
    with placed(tmp_path / "sorted") as place:
        put(place, points)
        wanted = known(place, START, START + 2 * DAY)
    with placed(tmp_path / how) as place:
        for part in np.array_split(order, 7):
            put(place, points, part)
        for ours, theirs in zip(known(place, START, START + 2 * DAY), wanted, strict=True):
            np.testing.assert_array_equal(ours[2], theirs[2])


def test_spans_of_any_length_see_the_same_rates(tmp_path):
    with placed(tmp_path) as place:
        put(place, counted(wave(START, 2, series=ASKED)))
        whole = np.concatenate([values for *_, values in known(place, START, START + 2 * DAY)])
        parts = []
        for hours in range(0, 48, 3):
            begin_at = START + timedelta(hours=hours)
            parts += [v for *_, v in known(place, begin_at, begin_at + timedelta(hours=3))]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_points_that_come_late_do_no_harm(tmp_path):
    """Each step is looked at as soon as it is over; a tenth of the points comes an hour later."""
    points = counted(wave(START, 8, series=ASKED))
    learnt, end = START + 6 * DAY, START + 8 * DAY
    live = points.at >= np.datetime64(learnt.replace(tzinfo=None), "ms")
    late = live & (np.random.default_rng(2).random(len(points)) < 0.1)
    alerts = []
    with placed(tmp_path) as place:
        put(place, points, np.flatnonzero(~live))
        save(place, begin(place, METRICS, learnt), [])
        known_so_far = None
        for hour in range(1, 49):
            now = learnt + timedelta(hours=hour)
            before = points.at < np.datetime64(now.replace(tzinfo=None), "ms")
            ago = points.at < np.datetime64((now - timedelta(hours=1)).replace(tzinfo=None), "ms")
            put(place, points, np.flatnonzero(live & (before & ~late | ago & late)))
            known_so_far = look(place, now, known_so_far, quiet=True)
            alerts += known_so_far.alerts
        put(place, points)
        assert place.history.count(DESK) == len(points)
    assert end == now
    assert alerts == []


def test_a_counter_that_runs_away_is_told_by_its_labels_and_in_a_second(tmp_path):
    """From points under Prometheus' names to the alert."""
    asked = wave(START, 8, series=ASKED)
    wild = asked.at >= np.datetime64((START + 7.5 * DAY).replace(tzinfo=None), "ms")
    faulty = Points(asked.series, asked.at, asked.values + 300 * wild)
    with placed(tmp_path, metric_budget=1.0) as place:
        put(place, counted(faulty))
        for number in range(10):
            name = f'load{{job="web",shard="{number}"}}'
            place.history.append(DESK, wave(START, 8, series=name, seed=number))
        live = begin(place, METRICS, START + 7 * DAY)
        alerts = advance(place, live, START + 8 * DAY)
    (alert,) = [alert for alert in alerts if alert.key == ASKED]
    assert alert.opened_at >= START + 7.5 * DAY
    assert 300 < alert.observed < 400
    assert ASKED in alert.why
