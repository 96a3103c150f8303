import numpy as np
import pytest

from models.surge import Surge

DAY, WEEK = 288, 2016


def times(n_steps):
    return np.datetime64("2026-01-05T00:00:00") + np.arange(n_steps) * np.timedelta64(300, "s")


def usual(n_steps):
    """Tickets a step: 2 from 8 to 18 o'clock on working days, else 0.1."""
    hour, day = np.arange(n_steps) // 12 % 24, np.arange(n_steps) // DAY % 7
    return np.where((hour >= 8) & (hour < 18) & (day < 5), 2.0, 0.1)


def run(counts, detector=None):
    detector, scores = detector or Surge(1), []
    for at, count in zip(times(len(counts)), counts, strict=True):
        scores.append(detector.score(at, np.array([count]))[0])
        detector.learn(at, np.array([count]))
    return detector, np.array(scores)


@pytest.fixture(scope="module")
def calm():
    return np.random.default_rng(5).poisson(usual(4 * WEEK)).astype(float)


def test_says_nothing_in_its_first_week(calm):
    scores = run(calm[: WEEK + 10])[1]
    assert np.isnan(scores[:WEEK]).all()
    assert not np.isnan(scores[WEEK:]).any()


def test_twelve_extra_tickets_at_night_tower_over_a_calm_month(calm):
    counts = calm.copy()
    night = 3 * WEEK + DAY + 24
    counts[night : night + 12] += 1
    scores = run(counts)[1]
    assert scores[night + 11] > 1.5 * np.nanmax(scores[2 * WEEK : night])


def test_the_same_tickets_by_day_are_no_surge(calm):
    noon = 3 * WEEK + DAY + 144
    quiet, busy = calm.copy(), calm.copy()
    quiet[noon - 132 : noon - 120] = 2
    busy[noon : noon + 12] = 2
    at_night = run(quiet)[1][noon - 121]
    by_day = run(busy)[1][noon + 11]
    assert at_night > 5 * by_day


def test_too_few_tickets_are_no_surge(calm):
    counts = calm.copy()
    counts[3 * WEEK + 96 : 3 * WEEK + 204] = 0
    assert run(counts)[1][3 * WEEK + 200] == 0


def test_expected_follows_the_week(calm):
    detector = run(calm)[0]
    monday_noon, sunday_noon = np.datetime64("2026-02-02T12:00"), np.datetime64("2026-02-08T12:00")
    assert detector.expect(monday_noon)[0][0] == pytest.approx(2, abs=0.6)
    assert detector.expect(sunday_noon)[0][0] < 0.4


def test_outbreak_is_not_learnt_as_the_rhythm(calm):
    counts = calm.copy()
    noon = 2 * WEEK + DAY + 144  # a Tuesday
    counts[noon : noon + 24] += 8
    expected = run(counts)[0].expect(np.datetime64("2026-02-03T12:30"))[0][0]
    assert expected < 3.2, "believed as it came it would be above 4"


def test_wild_counts_are_judged_milder_than_poisson_ones(calm):
    rng = np.random.default_rng(9)
    moods = np.repeat(rng.gamma(3, 1 / 3, 4 * WEEK // 12), 12)
    wild = rng.poisson(usual(4 * WEEK) * moods).astype(float)
    at, burst = times(4 * WEEK)[-1] + 300 + np.timedelta64(12, "h"), np.array([14.0])
    assert run(wild)[0].score(at, burst)[0] < run(calm)[0].score(at, burst)[0]
