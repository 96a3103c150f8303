import numpy as np
import pytest

from models.budget import episode_peaks, threshold_for

WEEK = 2016


def exponential(n_weeks, n_series=5, seed=0):
    return np.random.default_rng(seed).exponential(1.0, (n_weeks * WEEK, n_series))


def alerts_per_week(scores, threshold):
    return len(episode_peaks(np.where(scores >= threshold, scores, 0), 12)) / (len(scores) / WEEK)


@pytest.mark.parametrize("budget", [0.5, 1, 4])
def test_future_of_the_same_kind_keeps_to_the_budget(budget):
    rates = [
        alerts_per_week(exponential(20, seed=100 + seed), threshold_for(
            exponential(4, seed=seed), 300, budget).value)
        for seed in range(12)
    ]  # fmt: skip
    assert budget / 4 < np.mean(rates) < 1.25 * budget


def test_history_itself_never_tops_the_budget():
    found = threshold_for(exponential(4), 300, 4)
    assert found.realised_per_week <= 4


def test_smaller_budget_has_higher_threshold():
    values = [threshold_for(exponential(4), 300, budget).value for budget in (0.1, 0.5, 1, 2, 20)]
    assert values == sorted(values, reverse=True)


def test_long_storm_counts_once():
    scores = np.full((WEEK, 1), 0.1)
    scores[500:560, 0] = np.linspace(5, 9, 60)
    assert (episode_peaks(scores, 12) > 1).sum() == 1


def test_two_storms_an_hour_apart_count_twice():
    scores = np.zeros((100, 1))
    scores[[10, 40], 0] = 5, 4
    np.testing.assert_array_equal(episode_peaks(scores, 12), [5, 4])


def test_unknown_scores_are_no_history():
    scores = exponential(4)
    scores[: 3 * WEEK] = np.nan
    assert threshold_for(scores, 300, 1).n_weeks == 1.0


def test_nothing_known_gives_no_threshold():
    assert np.isnan(threshold_for(np.full((50, 2), np.nan), 300, 1).value)


def test_budget_out_of_range():
    with pytest.raises(ValueError, match="budget must be above 0 alerts a week, got 0"):
        threshold_for(np.zeros((5, 1)), 300, 0)
