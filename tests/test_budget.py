"""A budget of false alerts a week, kept day by day."""

from dataclasses import replace

import numpy as np
import pytest

from models.budget import Budget
from models.tail import PRIORS, Record, Tail, level_for
from models.watch import Change

START = np.datetime64("2026-01-05", "s")
STEP, DAY_STEPS = 1800, 48  # half hours, so that months pass quickly
PRIOR = Tail(3.0, 1.0, 1.0)


def at(step):
    return START + int(step) * np.timedelta64(STEP, "s")


def alert(series, opened_at, score, closed_at=None):
    what = "opened" if closed_at is None else "closed"
    nothing = dict.fromkeys(("observed", "expected", "lower", "upper"), np.nan)
    return Change(what, series, opened_at, opened_at, closed_at, score, **nothing)


class Desk:
    """A budget fed with scores; every score at or above the threshold is an alert."""

    def __init__(self, per_week=1.0, n_series=5, **given):
        self.budget = Budget(per_week, n_series, STEP, **given)
        self.step, self.opened, self.values = 0, [], []

    def lives(self, scores, hears=None):
        for row in scores:
            if self.budget.is_due(at(self.step)):
                self.values.append(self.budget.settle(at(self.step)).value)
            over = np.flatnonzero((row >= self.values[-1]) & ~self.budget.young)
            new = [alert(int(series), at(self.step), row[series]) for series in over]
            self.budget.take(at(self.step), row, new)
            for one in new if hears else []:
                hears(self.budget, replace(one, closed_at=one.opened_at))
            self.opened += [(self.step, one.series) for one in new]
            self.step += 1
        return self


def calm(n_days, n_series=5, seed=0):
    return np.random.default_rng(seed).exponential(1.0, (n_days * DAY_STEPS, n_series))


def blames(budget, change):
    budget.blame(change.series, change.opened_at)


def forgives(budget, change):
    budget.forgive(change.series, change.opened_at, change.closed_at)


@pytest.mark.parametrize("per_week", [0.5, 1, 4])
def test_the_weeks_to_come_keep_to_the_budget(per_week):
    n_weeks, n = 12, 0
    for seed in range(4):
        desk = Desk(per_week, prior=PRIOR).lives(calm(7 * (n_weeks + 2), seed=seed))
        n += sum(step >= 14 * DAY_STEPS for step, _ in desk.opened)
    assert 0.5 < n / (4 * n_weeks * per_week) < 1.5


def test_a_desk_that_grows_wilder_gets_a_higher_threshold_and_its_budget_again():
    desk = Desk(1.0, prior=PRIOR).lives(calm(42)).lives(1.5 * calm(70, seed=1))
    late = sum(step >= 56 * DAY_STEPS for step, _ in desk.opened)
    assert desk.values[-1] > desk.values[41] + 1
    assert 2 <= late <= 14  # in eight weeks


def test_with_a_prior_there_is_a_threshold_as_soon_as_a_series_is_old_enough():
    desk = Desk(prior=PRIORS["rare"]).lives(0 * calm(4))
    assert np.isnan(desk.values[:2]).all()
    assert 2.5 < desk.values[2] < 5


def test_without_a_prior_two_more_days_of_scores_are_waited_for():
    desk = Desk().lives(calm(5))
    assert [bool(np.isnan(value)) for value in desk.values] == [True, True, True, True, False]


def test_the_first_days_of_a_series_say_nothing_of_its_old_age():
    wild = calm(30)
    wild[: 2 * DAY_STEPS] *= 10
    assert Desk(prior=PRIOR).lives(wild).values[2:] == Desk(prior=PRIOR).lives(calm(30)).values[2:]


def test_one_bad_week_does_not_make_a_desk_deaf():
    quiet, bad = calm(70), calm(70)
    bad[35 * DAY_STEPS : 42 * DAY_STEPS : 12] += 12
    usual, after = Desk(prior=PRIOR).lives(quiet), Desk(prior=PRIOR).lives(bad, blames)
    assert after.values[42] > usual.values[42]
    assert after.values[-1] < usual.values[-1] + 2


def test_alerts_that_were_true_do_not_use_the_budget_up():
    faults = calm(56)
    faults[14 * DAY_STEPS :: 2 * DAY_STEPS, 0] += 9
    usual = Desk(prior=PRIOR).lives(calm(56)).values[-1]
    assert Desk(prior=PRIOR).lives(faults, forgives).values[-1] < usual + 1
    assert Desk(prior=PRIOR).lives(faults, blames).values[-1] > usual + 1.5


def test_what_is_far_beyond_chance_counts_only_once_somebody_calls_it_false():
    desk = Desk(prior=PRIOR).lives(calm(28))
    before = desk.values[-1]
    far = 0 * calm(2)
    far[10, 0] = before + 9
    assert desk.lives(far).values[-1] < before + 0.1
    aimed = desk.budget.state()["made_up"][0]
    desk.budget.blame(0, at(28 * DAY_STEPS + 10))
    assert desk.budget.state()["made_up"][0] < aimed


def test_a_strict_budget_counts_the_far_alert_too():
    desks = [Desk(prior=PRIOR, strict=strict).lives(calm(28)) for strict in (False, True)]
    for desk in desks:
        far = 0 * calm(3)
        far[10, 0] = desk.values[-1] + 9
        desk.lives(far)
    lenient, strict = (desk.budget.state()["excused"].any() for desk in desks)
    assert lenient
    assert not strict


def test_a_strict_budget_is_not_spent_for_its_own_sake():
    quiet = 0 * calm(42)
    quiet[:: 7 * DAY_STEPS, 0] = 3
    lenient, strict = (Desk(prior=PRIOR, strict=strict).lives(quiet) for strict in (False, True))
    assert strict.budget.state()["made_up"][0] <= 0 < lenient.budget.state()["made_up"][0]


def test_verdicts_may_be_told_again_and_again():
    desk = Desk(prior=PRIOR).lives(calm(28))
    step, series = desk.opened[0]
    assert desk.budget.forgive(series, at(step), at(step + 1))
    state = desk.budget.state()
    assert not desk.budget.forgive(series, at(step), at(step + 1))
    assert all(np.array_equal(state[name], known, equal_nan=True)
               for name, known in desk.budget.state().items())  # fmt: skip


def test_realised_alerts_are_told_beside_the_weeks_they_came_in():
    desk = Desk(4.0, prior=PRIOR).lives(calm(44))
    told = desk.budget.threshold
    assert told.n_weeks == pytest.approx(41 / 7)
    past = sum(step < 43 * DAY_STEPS for step, _ in desk.opened)
    assert told.realised_per_week == pytest.approx(past / told.n_weeks)


def test_a_restart_goes_on_as_if_nothing_had_happened():
    scores = calm(40)
    whole = Desk(prior=PRIOR).lives(scores)
    desk = Desk(prior=PRIOR).lives(scores[:1000])
    desk.budget = Budget(1.0, 0, STEP, prior=PRIOR).restore(desk.budget.state())
    np.testing.assert_array_equal(desk.lives(scores[1000:]).values, whole.values)


def test_series_that_come_later_share_the_budget():
    desk = Desk(prior=PRIOR, n_series=2).lives(calm(21, 2))
    few = desk.values[-1]
    desk.budget.resize(20)
    assert desk.lives(calm(28, 20, seed=1)).values[-1] > few + 1


def test_an_episode_counts_once_as_long_as_the_watch_would_hold_it():
    storm = 0 * calm(4, 1)
    storm[2 * DAY_STEPS + 4 : 2 * DAY_STEPS + 24, 0] = np.linspace(5, 9, 20)
    storm[2 * DAY_STEPS + 40, 0] = 4
    budget = Budget(1.0, 1, STEP)
    for step, row in enumerate(storm):
        budget.take(at(step), row)
    budget.settle(at(len(storm)))
    np.testing.assert_array_equal(budget.state()["peak"], [9, 4])


def test_smaller_budget_has_higher_threshold():
    peaks = np.random.default_rng(0).exponential(1.0, 800)
    record = Record(peaks, np.arange(800) % 8, np.repeat([5.0, 0.0], [8, 5]))
    values = [level_for(record, 5, budget, None).value for budget in (0.1, 0.5, 1, 2, 20)]
    assert values == sorted(values, reverse=True)


def test_a_state_that_lacks_something_is_refused():
    with pytest.raises(ValueError, match="budget's state lacks age"):
        Budget(1.0, 1, STEP).restore({})


def test_budget_out_of_range():
    with pytest.raises(ValueError, match="budget must be above 0 alerts a week, got 0"):
        Budget(0, 1, STEP)
