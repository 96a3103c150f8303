"""The detector that asks how far off a point is and how rare that is for its series."""

import numpy as np
import pytest

from models.rare import LOUD, Rare

DAY = 288


def times(n_steps):
    return np.datetime64("2026-01-05T00:00:00") + np.arange(n_steps) * np.timedelta64(300, "s")


def scored(values, **options):
    """The detector after all of `values` (n_steps, n_series), and its scores of them."""
    detector, scores = Rare(values.shape[1], **options), np.empty(values.shape)
    for row, at in enumerate(times(len(values))):
        scores[row] = detector.score(at, values[row])
        detector.learn(at, values[row])
    return detector, scores


def load(n_steps, seed=3):
    """200 at noon and 100 at midnight, with some noise."""
    noise = np.random.default_rng(seed).normal(0, 3, n_steps)
    return (150 - 50 * np.cos(2 * np.pi * np.arange(n_steps) / DAY) + noise)[:, None]


def test_one_wild_point_is_the_strangest():
    values = load(6 * DAY)
    values[5 * DAY + 50] = 400
    scores = scored(values)[1][:, 0]
    assert np.argmax(scores[2 * DAY :]) == 3 * DAY + 50
    assert scores[5 * DAY + 50] > 1.5 * np.max(scores[2 * DAY : 5 * DAY])


def test_noon_load_at_midnight_is_strange_though_it_is_seen_every_day():
    values = load(6 * DAY)
    values[5 * DAY] = 200
    scores = scored(values)[1][:, 0]
    assert scores[5 * DAY] > 1.3 * np.max(scores[3 * DAY : 5 * DAY])


def test_what_a_series_does_often_is_strange_only_once():
    noise = np.random.default_rng(5).normal(100, 3, (12 * DAY, 2))
    noise[DAY // 2 :: DAY // 3, 0] += 150  # three times a day, in one series
    noise[-1] += 150  # and in both at the end
    often, never = scored(noise)[1][-1]
    assert often < LOUD + 0.05 < LOUD + 0.4 < never  # above LOUD thirty count as one


def test_a_fault_moves_what_is_expected_only_slowly():
    values = load(7 * DAY)
    clean = scored(values)[0]
    values[4 * DAY + 100 : 4 * DAY + 136] += 100  # three hours of a Friday
    spoilt = scored(values)[0]
    noon, next_time = np.datetime64("2026-01-12T12:00"), np.datetime64("2026-01-12T09:30")
    assert spoilt.expect(noon)[0][0] == pytest.approx(clean.expect(noon)[0][0], abs=2)
    assert spoilt.expect(next_time)[0][0] == pytest.approx(clean.expect(next_time)[0][0], abs=8)


def test_expected_follows_the_day():
    detector, _ = scored(load(6 * DAY))
    noon, midnight = np.datetime64("2026-01-11T12:00"), np.datetime64("2026-01-11T00:00")
    assert detector.expect(noon)[0][0] == pytest.approx(200, abs=8)
    assert detector.expect(midnight)[0][0] == pytest.approx(100, abs=8)


def test_constant_series_is_calm_and_its_first_change_is_not():
    values = np.full((400, 1), 7.0)
    values[390:] = 9.0
    scores = scored(values)[1]
    assert np.nanmax(scores[:390]) == 0
    assert scores[390, 0] > 4


def test_what_never_was_negative_is_not_expected_to_be():
    errors = np.random.default_rng(2).poisson(0.5, (3 * DAY, 1)) * 0.1
    errors[0] = 0.3  # all else is kept relative to it
    detector, _ = scored(errors)
    assert detector.expect(times(3 * DAY + 1)[-1])[1][0] == 0


def test_a_large_level_loses_no_precision():
    values = load(3 * DAY)
    values[-1] += 100
    small, large = scored(values)[1], scored(values + 1e6)[1]
    np.testing.assert_allclose(large[DAY:], small[DAY:], rtol=0.01, atol=0.02)


def test_a_series_takes_at_most_two_kilobytes():
    state = Rare(10).state()
    assert sum(array.nbytes for array in state.values()) <= 10 * 2_000
