"""When limits are crossed: disks, logs, quotas and certificates as they come in operation."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.crossings import WAYS, answers
from models.forecast import forecast

START = np.datetime64("2026-03-02T00:00:00", "s")
DAY = 86_400
HORIZON = 14 * DAY
HERE = Path(__file__).parent.parent


def hours(days):
    """`days` of hourly times, and how many days each lies after the first."""
    passed = np.arange(int(days * 24)) / 24
    return START + (passed * DAY).astype("m8[s]"), passed


def noise(n, size=0.3, seed=0):
    return np.random.default_rng(seed).normal(0, size, n)


def filling(days=21, slope=2.0):
    """A disk that fills by `slope` percent a day."""
    times, passed = hours(days)
    return times, 10 + slope * passed + noise(len(passed))


def asked(times, values, limit, **told):
    return forecast(times, values, limit, horizon_seconds=HORIZON, **told)


def days_of(found):
    return found.seconds / DAY


def test_a_disk_that_fills_is_full_when_its_trend_says_so():
    found = asked(*filling(), 62.0)  # at 52 by now, two a day
    lower, middle, upper = days_of(found)[1:4]
    assert found.state == "crosses"
    assert middle == pytest.approx(5, abs=0.4)
    assert lower <= 5 <= upper < lower + 2
    assert found.chance > 0.95


def test_a_log_that_is_rotated_each_night_never_fills_its_disk():
    times, passed = hours(21)
    found = asked(times, 40 + 20 * (passed % 1) + noise(len(passed)), 75.0)
    assert found.state == "holds"
    assert found.chance < 0.2
    assert found.cleaned_first > 0.9
    assert (found.n_resets, str(found.last_reset)) == (20, "2026-03-22T00:00:00")


def test_a_log_that_is_no_longer_rotated_fills_it():
    times, passed = hours(21)
    grown = np.where(passed < 18, passed % 1, passed - 17)
    found = asked(times, 40 + 20 * grown + noise(len(passed)), 160.0)
    assert found.state == "crosses"
    assert days_of(found)[2] == pytest.approx(2, abs=0.5)
    assert np.isnan(found.cleaned_first)


def test_a_cleanup_that_leaves_more_each_time_is_not_trusted_for_ever():
    times, passed = hours(28)
    left = 2.0 * np.floor(passed) + 8 * (passed % 1)
    found = asked(times, left + noise(len(passed), 0.1), 75.0)
    assert found.state == "crosses"
    assert days_of(found)[2] == pytest.approx(6, abs=2)


def test_room_that_was_made_once_does_not_hide_how_fast_it_fills():
    times, used = filling()
    purged = used - 25 * (times >= START + 12 * DAY)
    found = asked(times, purged, 37.0)
    assert days_of(found)[2] == pytest.approx(5, abs=0.5)
    assert (found.n_resets, str(found.last_reset)) == (1, "2026-03-14T00:00:00")
    assert np.isnan(found.cleaned_first), "once is no habit"


def test_data_that_came_and_went_was_no_cleanup():
    times, used = filling()
    guest = (times >= START + 9 * DAY) & (times < START + 12 * DAY)
    found = asked(times, used + 25 * guest, 62.0)
    assert days_of(found)[2] == pytest.approx(5, abs=0.5)
    assert found.n_resets == 0


def test_what_grows_in_nightly_steps_grows():
    times, passed = hours(21)
    found = asked(times, 10 + 2 * np.floor(passed) + noise(len(passed), 0.05), 59.5)
    assert days_of(found)[2] == pytest.approx(4.5, abs=0.6)


def test_room_made_among_nightly_steps_is_a_reset():
    times, passed = hours(21)
    used = 30 + 2 * np.floor(passed) - 25 * (passed >= 14.5) + noise(len(passed), 0.05)
    found = asked(times, used, 54.5)
    assert days_of(found)[2] == pytest.approx(4.5, abs=0.6)
    assert str(found.last_reset) == "2026-03-16T12:00:00"


def test_a_counter_that_began_anew_goes_on_from_there():
    times, used = filling()
    anew = np.where(times < START + 15 * DAY, used, used - used[15 * 24])
    found = asked(times, anew, 22.0)
    assert days_of(found)[2] == pytest.approx(5, abs=0.6)


def test_a_raised_quota_is_reached_later():
    before, after = (asked(*filling(), limit) for limit in (62.0, 72.0))
    assert days_of(after)[2] - days_of(before)[2] == pytest.approx(5, abs=0.5)


def test_days_left_of_a_certificate_run_out():
    times, passed = hours(10)
    found = asked(times, 20 - passed, 3.0, direction="down")
    assert days_of(found)[2] == pytest.approx(17 - passed[-1], abs=0.1)
    assert (found.now, found.limit) == (pytest.approx(20 - passed[-1]), 3.0)
    assert (np.diff(found.fan.quantiles) >= 0).all(), "lower ones stand first"


@pytest.mark.parametrize("size", [0.0, 0.5], ids=["constant", "noisy"])
def test_a_flat_series_never_crosses(size):
    times, passed = hours(21)
    found = asked(times, 50 + noise(len(passed), size), 55.0)
    assert found.state == "holds"
    assert found.chance < 0.1
    assert np.isinf(found.seconds[2])


def test_jobs_that_come_and_go_each_night_are_no_growth():
    times, passed = hours(21)
    busy = ((passed % 1) > 0.1) & ((passed % 1) < 0.4)
    found = asked(times, 50 + 20 * busy + noise(len(passed)), 90.0)
    assert found.state == "holds"


def test_with_a_daily_rhythm_it_is_a_peak_that_crosses():
    times, passed = hours(21)
    swing = 6 * np.sin(2 * np.pi * (passed - 0.5))  # highest at 18:00
    found = asked(times, 10 + passed + swing + noise(len(passed), 0.1), 42.0)
    at = times[-1] + found.seconds[2].astype("m8[s]")
    assert 15 <= (at - at.astype("M8[D]")).astype(int) / 3600 <= 20


def test_growth_in_proportion_is_told_from_a_line():
    times, passed = hours(28)
    doubling = 10 * 2 ** (passed / 7)
    found = asked(times, doubling + noise(len(passed), 0.1), 320.0)
    assert days_of(found)[2] == pytest.approx(7, abs=0.5), "a line would say 11"


def test_bad_points_change_nothing():
    times, used = filling()
    order = np.random.default_rng(1).permutation(2 * len(times))
    bad = np.where(np.arange(len(times)) % 2, np.nan, np.inf)
    twice = np.concatenate([times + 60, times])[order], np.concatenate([bad, used])[order]
    clean, found = asked(times, used, 62.0), asked(*twice, 62.0)
    assert found.seconds.tolist() == clean.seconds.tolist()


def test_of_points_of_one_time_the_last_counts():
    times, used = filling()
    doubled = np.concatenate([times, times]), np.concatenate([used + 500, used])
    assert asked(*doubled, 62.0).seconds.tolist() == asked(times, used, 62.0).seconds.tolist()


def test_wild_points_move_nothing():
    times, used = filling()
    wild = used + 40 * (np.random.default_rng(2).random(len(used)) < 0.02)
    wild[-1] = used[-1]
    assert days_of(asked(times, wild, 62.0))[2] == pytest.approx(5, abs=0.6)


def test_points_that_come_as_they_like_do():
    times, used = filling()
    some = np.random.default_rng(3).random(len(times)) < 0.3
    assert days_of(asked(times[some], used[some], 62.0))[2] == pytest.approx(5, abs=0.8)


@pytest.mark.parametrize(
    ("n", "why"),
    [(0, "no point yet"), (1, "only 1 points"), (17, "only 17 points"), (20, "too short")],
)
def test_a_past_that_is_too_short_says_so(n, why):
    times, used = filling()
    found = asked(times[:n], used[:n], 90.0)
    assert found.state == "unknown"
    assert why in found.why
    assert np.isnan(found.chance)
    assert np.isnan(found.seconds).all()


def test_a_short_past_tells_of_the_near_future_alone():
    times, used = filling(days=3, slope=8.0)
    soon, late = (asked(times, used, limit) for limit in (42.0, 400.0))
    assert days_of(soon)[2] == pytest.approx(1, abs=0.3)
    assert late.state == "unknown"
    assert "3.0 days of past say nothing of more than 9.0 days ahead" in late.why


def test_a_series_that_stopped_is_not_carried_on():
    times, used = filling()
    found = asked(times, used, 62.0, at=times[-1] + 3 * DAY)
    assert (found.state, found.why) == ("unknown", "no point since 2026-03-22T23:00:00Z")
    assert asked(times, used, 40.0, at=times[-1] + 3 * DAY).state == "unknown", "it may be below"
    waited = asked(times, used, 62.0, at=times[-1] + DAY)
    assert days_of(waited)[2] == pytest.approx(4, abs=0.5), "a day has passed"


def test_what_came_later_than_the_moment_asked_about_is_not_seen():
    times, used = filling()
    at, later = START + 15 * DAY, times > START + 15 * DAY
    found = asked(times, np.where(later, 0.0, used), 62.0, at=at)
    assert found.seconds.tolist() == asked(times[~later], used[~later], 62.0).seconds.tolist()


def test_what_has_crossed_has():
    found = asked(*filling(), 40.0)
    assert (found.state, found.chance, found.seconds.tolist()) == ("over", 1.0, [0.0] * 5)


@pytest.mark.parametrize(
    ("limit", "horizon", "wanted"),
    [(np.nan, DAY, "limit must be a finite number, got nan"), (9.0, 0, "horizon_seconds must be")],
)
def test_questions_that_mean_nothing_are_refused(limit, horizon, wanted):
    with pytest.raises(ValueError, match=wanted):
        forecast(*filling(), limit, horizon_seconds=horizon)


def test_a_restart_gives_the_same_numbers():
    code = "from tests.test_forecast import *; print(asked(*filling(), 62.0).seconds.tolist())"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=HERE)
    assert again.stdout.strip() == str(asked(*filling(), 62.0).seconds.tolist())


def test_on_simulated_growth_it_holds_what_it_says_and_beats_a_line():
    found = list(answers(seeds=[200]))
    ours = [one for one in found if one.way == WAYS[0]]
    crossing = [one for one in ours if np.isfinite(one.case.crosses_in)]
    calm = [one for one in ours if not np.isfinite(one.case.crosses_in)]
    assert not any(one.crosses for one in calm), "nobody is woken for a sawtooth"
    assert 0.6 < np.mean([one.held[0] for one in crossing]) < 1
    lines = [one.off for one in found if one.way != WAYS[0] and np.isfinite(one.case.crosses_in)]
    assert np.median([one.off for one in crossing]) < 0.5 * np.median(lines)
