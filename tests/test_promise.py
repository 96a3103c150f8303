"""What is promised of labels that stand unseen, and of the sets that are shown for the others."""

import numpy as np
import pytest

from benchmarks.promise import Kept, Row
from models.conformal import LEVEL, Sets, conformal
from models.promise import Promise, enough, fewest, lower_bound, promised, shared, threshold

CLASSES = np.array(["fax", "mail", "vpn"], dtype=object)


def answers(rng, n, power=1.5, shares=(0.1, 0.45, 0.45)):
    """Probabilities (n, 3) of an overconfident model, so that calibration cannot save it."""
    top = rng.beta(6, 1, n) * 2 / 3 + 1 / 3
    guess = rng.choice(3, n, p=shares)
    probabilities = np.repeat((1 - top)[:, None] / 2, 3, axis=1)
    probabilities[np.arange(n), guess] = top
    right = rng.random(n) < top**power
    return probabilities, np.where(right, guess, (guess + rng.integers(1, 3, n)) % 3)


def alone(promise, probabilities):
    autos = np.array([promise.of(label).auto for label in CLASSES])
    return probabilities.max(axis=1) >= autos[probabilities.argmax(axis=1)]


def test_all_promises_of_a_target_are_kept_at_once():
    """Of 200 desks whose promise is 90 %, at confidence 90 %, about 20 may be let down."""
    rng = np.random.default_rng(3)
    later, truth = answers(rng, 40_000)
    guess = later.argmax(axis=1)
    broken, whole, covered, n_own = 0, 0, [], []
    for _ in range(200):
        found = promised(CLASSES, *answers(rng, 900), precision=0.9)
        taken = alone(found, later)
        kept = [(guess == truth)[taken & (guess == code)] for code in range(3)]
        short = [bool(len(one) and one.mean() < 0.9) for one in kept]
        broken += any(short)
        whole += bool(taken.any() and (guess == truth)[taken].mean() < 0.9)
        covered.append(taken.mean())
        n_own.append(len(found.own))
    assert broken <= 30, "20 and two and a half standard errors"
    assert whole <= broken
    assert min(n_own) == 2, "fax has too few tickets"
    assert np.mean(covered) > 0.2, "to promise nothing would be easy"


def test_of_many_classes_that_are_just_too_bad_none_may_pass_by_luck():
    """Eight chances of one in ten would let down more than half of the desks."""
    rng = np.random.default_rng(4)
    classes = np.array(list("abcdefgh"), dtype=object)
    guess = np.repeat(np.arange(8), 300)
    broken = 0
    for _ in range(200):
        probabilities = np.eye(8)[guess] * rng.uniform(0.85, 0.95, (2400, 1)) + 0.005
        truth = np.where(rng.random(2400) < 0.899, guess, (guess + 1) % 8)
        found = promised(classes, probabilities, truth, precision=0.9)
        assert len(found.own) == 8
        broken += any(np.isfinite(one.auto) for one in found.own.values())
    assert broken <= 30, "20 and two and a half standard errors"


def test_a_class_with_many_tickets_is_not_carried_by_the_others():
    """Mail is mostly wrong. Beside four times as many that are right, nobody would notice."""
    truth = np.repeat([0, 1, 2, 2], [700, 120, 100, 80])
    guess = np.repeat([0, 1, 1, 2], [700, 120, 100, 80])
    found = promised(CLASSES, np.eye(3)[guess] * 0.7 + 0.1, truth, precision=0.85)
    assert found.own["mail"].auto == np.inf
    assert found.own["fax"].auto == pytest.approx(0.8)


def test_small_classes_share_a_threshold_found_on_all_of_them():
    truth = np.arange(1500) % 30
    classes = np.array([f"{code:02}" for code in range(30)], dtype=object)
    found = promised(classes, np.eye(30)[truth] * 0.7 + 0.01, truth)
    assert (len(found.own), found.rest.n_auto) == (0, 1500), "50 tickets each are too few"
    assert len(found.missing) == 30
    assert set(found.missing.values()) == {enough(0.95, shared(0.9, 4)) - 50}


def test_what_is_missing_counts_tickets_that_are_not_held_out_too():
    truth = np.arange(90) % 3
    whole, fifth = (
        promised(CLASSES, np.eye(3)[truth], truth, share=share).missing["vpn"] for share in (1, 0.2)
    )
    assert fifth == 5 * whole


def test_a_class_that_has_what_was_missing_gets_its_own():
    counts = np.array([400, 20, 20])
    few = promised(CLASSES, np.repeat(np.eye(3), counts, axis=0), np.repeat(range(3), counts))
    counts[1] += few.missing["mail"]
    more = promised(CLASSES, np.repeat(np.eye(3), counts, axis=0), np.repeat(range(3), counts))
    assert (set(few.own), set(more.own)) == ({"fax"}, {"fax", "mail"})


@pytest.mark.parametrize("precision", [0.8, 0.95, 0.99])
def test_enough_tickets_bear_half_of_the_errors(precision):
    n = enough(precision, 0.9)
    n_right = n - int(np.ceil(n * (1 - precision) / 2))
    assert lower_bound(n_right, n, 0.9) >= precision
    assert n > fewest(precision, 0.9)


def test_equal_probabilities_are_decided_alike():
    found = threshold(np.full(200, 0.8), np.arange(200) < 199, 0.9, 0.9)
    assert (found.auto, found.n_auto, found.coverage) == (0.8, 200, 1)


def test_an_early_error_does_not_end_it_all():
    right = np.ones(2000, bool)
    right[:20] = False  # the surest are wrong, and no test that starts with them can pass
    assert threshold(np.linspace(1, 0.97, 2000), right, 0.95, 0.9).n_auto == 2000


def test_looking_at_many_thresholds_finds_no_luck():
    """Whichever threshold looks best, it promises too much in a third of the cases."""
    rng = np.random.default_rng(5)
    surest_first = np.linspace(1, 0.85, 1000)
    found = [threshold(surest_first, rng.random(1000) < 0.899, 0.9, 0.9) for _ in range(300)]
    assert sum(np.isfinite(one.auto) for one in found) <= 42, "30 and two and a half errors"


def test_a_model_that_is_always_wrong_promises_nothing():
    found = promised(CLASSES, np.eye(3)[np.zeros(500, int)], np.ones(500, int))
    assert (found.own["fax"].auto, found.own["fax"].n_auto) == (np.inf, 0)


def test_nothing_held_out_promises_nothing_and_survives_saving(tmp_path):
    found = promised(CLASSES, np.zeros((0, 3)), np.zeros(0, int))
    assert (found.rest.auto, found.rest.coverage, found.sets.floor) == (np.inf, 0, 0)
    found.save(tmp_path)
    assert Promise.load(tmp_path) == found


@pytest.mark.parametrize("precision", [0, 1, 95])
def test_precision_out_of_range(precision):
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\), got"):
        promised(CLASSES, np.zeros((0, 3)), np.zeros(0, int), precision=precision)


# sets


def test_sets_hold_the_right_label_as_often_as_they_say():
    """Exactly so on average, for any model: here for one that is overconfident."""
    rng = np.random.default_rng(1)
    later, truth = answers(rng, 4000, power=3)
    inside = []
    for _ in range(300):
        given, known = answers(rng, 99, power=3)
        members = conformal(given[np.arange(99), known]).members(later)
        inside.append(members[np.arange(4000), truth].mean())
    assert np.mean(inside) == pytest.approx(LEVEL, abs=0.01)


def test_sets_are_judged_on_the_tickets_that_they_are_shown_for():
    """The surest half stands alone: counted in, it would let the others' sets be too small."""
    rng = np.random.default_rng(2)
    given, truth = answers(rng, 6000, power=1)
    found = promised(CLASSES, given, truth, precision=0.95)
    later, wanted = answers(rng, 40_000, power=1)
    shown = ~alone(found, later)
    members = found.sets.members(later[shown])
    assert 0.1 < shown.mean() < 0.9
    assert members[np.arange(shown.sum()), wanted[shown]].mean() == pytest.approx(LEVEL, abs=0.02)


def test_a_set_is_never_empty():
    members = Sets(0.9, 0.8, 50).members(np.array([[0.4, 0.3, 0.3], [0.2, 0.0, 0.8]]))
    assert members.tolist() == [[True, False, False], [False, False, True]]


@pytest.mark.parametrize("level", [0, 1, 90])
def test_level_out_of_range(level):
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), got"):
        conformal(np.zeros(0), level)


# the benchmark


def test_a_promise_is_broken_where_luck_does_not_explain_it():
    fine, short, none = (
        Kept(200, n, right, 1, 9, 5, 12) for n, right in ((100, 92), (100, 89), (0, 0))
    )
    row = Row("desk", "group", 0.95, (fine, short, none))
    assert row.n_broken == 1
    assert row.share("n_auto", "n") == pytest.approx(1 / 3)
    assert row.share("n_right", "n_auto") == pytest.approx(0.905), "of the two that decided"
    assert row.share("n_inside", "n", "n_auto") == pytest.approx((5 / 100 * 2 + 5 / 200) / 3)
