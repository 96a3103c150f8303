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


@pytest.fixture(scope="module")
def desk():
    """Twenty kinds of tickets and their total, four weeks."""
    rng = np.random.default_rng(8)
    kinds = rng.poisson(usual(4 * WEEK)[:, None] * np.ones(20)).astype(float)
    return np.concatenate([kinds.sum(axis=1, keepdims=True), kinds], axis=1)


NOON = 3 * WEEK + DAY + 144


def scored_at(desk, last):
    """Scores at bin `last`, everything before it learnt."""
    detector = Surge(desk.shape[1])
    for at, counts in zip(times(last), desk, strict=False):
        detector.learn(at, counts)
    return detector.score(times(last + 1)[-1], desk[last])


def busier(desk, factor, first, seed=1):
    """The same desk with so many times the tickets of every kind for three hours."""
    counts, extra = desk.copy(), usual(4 * WEEK)[first : first + 36] * (factor - 1)
    more = np.random.default_rng(seed).poisson(extra[:, None] * np.ones(20))
    counts[first : first + 36, 1:] += more
    counts[:, 0] = counts[:, 1:].sum(axis=1)
    return counts


def test_a_busy_afternoon_of_the_whole_desk_is_no_surge_of_each_kind(desk):
    counts = busier(desk, 1.25, NOON)
    alone = Surge(1)
    for at, count in zip(times(NOON + 35), counts[:, 1], strict=False):
        alone.learn(at, np.array([count]))
    by_itself = alone.score(times(NOON + 36)[-1], counts[NOON + 35, [1]])[0]
    among_others = scored_at(counts, NOON + 35)[1:]
    assert among_others[0] < by_itself
    assert among_others.max() < 8


def test_a_desk_that_doubles_is_told(desk):
    counts = busier(desk, 2, NOON)
    assert scored_at(counts, NOON + 11)[0] > 3 * scored_at(desk, NOON + 11).max()


def test_steps_that_nobody_learnt_are_in_no_window(calm):
    detector, last = run(calm[: 3 * WEEK])[0], times(3 * WEEK)[-1]
    after = last + np.timedelta64(3600, "s") + np.arange(5) * np.timedelta64(300, "s")
    for at in after:
        detector.learn(at, np.array([3.0]))
    told = detector.state()
    n, m = told["windowed"][:, np.flatnonzero(detector.windows == 24)[0], 0]
    known = calm[3 * WEEK - 7 : 3 * WEEK].sum()  # two hours less the newest step, and the gap
    assert n == pytest.approx(5 * 3 + known)
    rows = (after.astype(np.int64) // 300) % detector.longest
    assert m == pytest.approx(told["usual"][rows, 0].sum() + sums_before(told, last, 7, detector))


def sums_before(told, last, n_steps, detector):
    rows = (int(last.astype(np.int64)) // 300 - np.arange(n_steps)) % detector.longest
    return told["usual"][rows, 0].sum()


def test_desks_side_by_side_keep_to_themselves(desk):
    two, one = Surge(42, desks=2), Surge(21)
    busy = busier(desk, 1.25, 2 * WEEK)
    for at, counts, others in zip(times(2 * WEEK + 40), desk, busy, strict=False):
        two.learn(at, np.concatenate([counts, others]))
        one.learn(at, counts)
    at, row = times(2 * WEEK + 41)[-1], desk[2 * WEEK + 40]
    together = two.score(at, np.concatenate([row, row]))
    np.testing.assert_allclose(together[:21], one.score(at, row))
