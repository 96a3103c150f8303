from types import SimpleNamespace

import numpy as np
import pytest

from features.robust import mad
from models.rare import Rare
from models.replay import replay
from models.surge import Surge
from models.watch import Watch

START = np.datetime64("2026-01-05T00:00:00")
NAN = float("nan")
STEP = np.timedelta64(300, "s")


def times(n_steps):
    return START + np.arange(n_steps) * np.timedelta64(300, "s")


class Told:
    """A detector whose score is the value itself, so that a story can be told in scores."""

    missing = np.zeros(1)

    def score(self, at, values):
        return values.copy()

    def expect(self, at):
        return np.zeros((3, 1))

    def learn(self, at, values):
        return self

    def state(self):
        return {}

    def column(self, series):
        return {}

    def restore(self, state):
        return self

    def resize(self, n_series):
        return self


def told(*scores):
    watch = Watch(Told(), 4.0, 1, 300)
    seen = replay(watch, times(len(scores)), np.array(scores, float)[:, None])
    return [(c.what, round((c.peak_at - START) / STEP), c.score) for c in seen.changes]


def test_episode_opens_grows_and_closes():
    story = told(0, 5, 4.5, 7, 3, *[0] * 13)
    assert story == [("opened", 1, 5.0), ("updated", 3, 7.0), ("closed", 3, 7.0)]


def test_closing_says_when_the_score_was_last_high():
    watch = Watch(Told(), 4.0, 1, 300)
    seen = replay(watch, times(20), np.array([5, 3.5, 3, 3] + [0.0] * 16)[:, None])
    closed = seen.changes[-1]
    assert (closed.what, closed.closed_at) == ("closed", times(20)[3])
    assert seen.alerting[:, 0].sum() == 15


def test_short_lull_keeps_one_episode():
    assert [what for what, *_ in told(5, *[0] * 11, 5, *[0] * 13)] == ["opened", "closed"]


def test_soon_after_closing_only_something_stranger_opens():
    quiet = [0] * 14
    assert [what for what, *_ in told(5, *quiet, 5, 0)] == ["opened", "closed"]
    assert [what for what, *_ in told(5, *quiet, 6, 0)] == ["opened", "closed", "opened"]


def test_later_the_same_opens_again():
    assert [what for what, *_ in told(5, *[0] * 30, 5)] == ["opened", "closed", "opened"]


def test_unknown_score_opens_nothing():
    assert told(NAN, NAN) == []


def test_unknown_threshold_opens_nothing():
    watch = Watch(Told(), NAN, 1, 300)
    assert replay(watch, times(3), np.full((3, 1), 99.0)).changes == []


def test_silence_closes_an_episode():
    assert [what for what, *_ in told(5, *[NAN] * 13)] == ["opened", "closed"]


def test_time_does_not_go_back():
    watch = Watch(Told(), 4.0, 1, 300)
    watch.step(START, np.zeros(1))
    with pytest.raises(ValueError, match="steps must go forward in time"):
        watch.step(START, np.zeros(1))


def test_values_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"values must have shape \(1,\), got \(2,\)"):
        Watch(Told(), 4.0, 1, 300).step(START, np.zeros(2))


@pytest.fixture(scope="module")
def story():
    """Three days of two series, the first of which trembles for an hour on the third day."""
    values = np.random.default_rng(1).normal(50, 2, (864, 2))
    values[700:712, 0] += 40
    return SimpleNamespace(times=times(864), values=values)


def watching():
    return Watch(Rare(2), 3.6, 2, 300)


def test_alert_carries_what_its_chart_draws(story):
    watch = watching()
    replay(watch, story.times[:720], story.values[:720])
    recent = watch.recent(0)
    assert len(recent.times) == 144
    np.testing.assert_allclose(recent.observed, story.values[576:720, 0], rtol=1e-6)
    outside = recent.observed > recent.upper
    assert outside[-20:-8].all()
    assert outside[:-20].mean() < 0.05


def test_recent_is_empty_before_the_first_step():
    assert len(watching().recent(1).times) == 0


@pytest.mark.parametrize("cut", [300, 705, 715], ids=["calm", "in the episode", "fading"])
def test_restored_watch_goes_on_as_if_nothing_had_happened(story, cut, tmp_path):
    through = replay(watching(), story.times, story.values)
    first = watching()
    before = replay(first, story.times[:cut], story.values[:cut])
    np.savez(tmp_path / "state.npz", **first.state())
    second = Watch(Rare(2), 99.0, 2, 300)
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        second.restore(dict(state))
    after = replay(second, story.times[cut:], story.values[cut:])
    assert before.changes + after.changes == through.changes
    assert through.changes[0].what == "opened"
    np.testing.assert_array_equal(second.recent(0), replayed_recent(story))


def replayed_recent(story):
    watch = watching()
    replay(watch, story.times, story.values)
    return watch.recent(0)


def test_foreign_state_is_refused():
    with pytest.raises(ValueError, match=r"state lacks watch\."):
        watching().restore({})


def test_new_series_joins_without_disturbing_the_old(story):
    watch = Watch(Rare(1), 3.6, 1, 300)
    replay(watch, story.times[:705], story.values[:705, :1])
    watch.resize(2)
    assert watch.alerting.tolist() == [True, False]
    late = replay(watch, story.times[705:], story.values[705:])
    assert [change.what for change in late.changes if change.series == 0][-1] == "closed"


def test_causal_threshold_is_unknown_for_two_days(story):
    seen = replay(watching(), story.times, story.values, budget_per_week=1)
    assert np.isnan(seen.thresholds[: 2 * 288]).all()
    assert not seen.alerting[: 2 * 288].any()
    assert not np.isnan(seen.scores[-1]).any()


def test_progress_is_told_step_by_step(story):
    told = []
    replay(watching(), story.times[:3], story.values[:3], progress=lambda *at: told.append(at))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_surges_are_watched_like_metrics():
    counts = np.random.default_rng(2).poisson(1.0, (2 * 2016, 1)).astype(float)
    counts[-30:-20] += 5
    seen = replay(Watch(Surge(1), 15.0, 1, 300), times(2 * 2016), counts)
    assert seen.changes[0].what == "opened"
    assert seen.changes[0].opened_at >= times(2 * 2016)[-30]


def hours(*numbers):
    return START + (np.array(numbers) * 60).astype("timedelta64[m]")


def test_mad_leaves_missing_values_out():
    np.testing.assert_allclose(
        mad(np.array([[1.0, np.nan], [2, np.nan], [np.nan, np.nan]]))[0], 0.7413
    )


def test_a_series_that_opens_again_and_again_flaps_and_is_told_once():
    once = [5.0] + [0.0] * 35  # an episode of an hour, and two hours without one
    watch = Watch(Told(), 4.0, 1, 300)
    scores = np.array(once * 8 + [0.0] * 80)
    seen = replay(watch, times(len(scores)), scores[:, None])
    opened = [change for change in seen.changes if change.what == "opened"]
    assert [change.flapping for change in opened] == [False, False, False, True]
    closed = seen.changes[-1]
    last_high = times(len(scores))[36 * 7]
    assert (closed.what, closed.closed_at) == ("closed", last_high)
    assert not watch.flapping(times(len(scores))[-1] + np.timedelta64(1, "D"))[0]


def test_an_episode_says_when_the_one_before_was_and_how_long_it_is_outside():
    watch = Watch(Told(), 4.0, 1, 300)
    scores = np.array([0, 5.0, *[0.0] * 40, 2.0, 3.0, 6.0])
    seen = replay(watch, times(len(scores)), scores[:, None])
    first, second = (change for change in seen.changes if change.what == "opened")
    assert (first.last_seen, second.last_seen) == (None, times(2)[1])
    assert (first.n_outside, second.n_outside) == (1, 3)


def test_what_a_detector_knew_when_it_judged_is_kept(story):
    seen = replay(watching(), story.times, story.values)
    opened = next(change for change in seen.changes if change.what == "opened")
    alone = Rare(1).restore(dict(opened.before))
    value = story.values[np.searchsorted(story.times, opened.opened_at), :1]
    again = alone.score(opened.opened_at, value)
    np.testing.assert_allclose(again, [opened.score], rtol=1e-9)


def test_what_is_muted_is_drawn_and_neither_learnt_nor_told(story):
    muted, plain = watching(), watching()
    wild = story.values[:720].copy()
    gone = wild.copy()
    gone[690:, 0] = NAN
    for step, at in enumerate(story.times[:720]):
        mask = np.array([step >= 690, False])
        assert not muted.step(at, wild[step], mask)
        plain.step(at, gone[step])
    for name, known in plain.detector.state().items():
        np.testing.assert_array_equal(muted.detector.state()[name], known)
    np.testing.assert_allclose(muted.recent(0).observed[-20:], wild[-20:, 0], rtol=1e-6)
