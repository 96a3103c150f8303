"""What every detector promises. `tests/test_detectors.py` holds each one to it."""

import copy
from collections.abc import Callable

import numpy as np

from models.detector import Detector

Make = Callable[[int], Detector]
"""Makes a detector of so many series, for half-hourly steps."""

STEP_SECONDS = 1800
TIMES = np.datetime64("2026-01-05T00:00:00") + np.arange(700) * np.timedelta64(STEP_SECONDS, "s")
KNOWN = 400  # steps after which each detector must have begun to score


def history(n_series: int = 4) -> np.ndarray:
    """Two weeks of calm counts, whole numbers, since some detectors take nothing else."""
    return np.random.default_rng(7).poisson(20, size=(len(TIMES), n_series)).astype(float)


def run(detector: Detector, values: np.ndarray, first: int = 0) -> np.ndarray:
    """Score each row, then learn it; the scores, of the shape of `values`."""
    scores = np.empty_like(values)
    for step, row in enumerate(values):
        scores[step] = detector.score(TIMES[first + step], row)
        detector.learn(TIMES[first + step], row)
    return scores


def _same(state: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert state.keys() == other.keys()
    for name, array in state.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def check_follows_the_protocol(make: Make) -> None:
    assert isinstance(make(1), Detector)


def check_scoring_and_expecting_change_nothing(make: Make) -> None:
    detector = make(4)
    run(detector, history())
    before = copy.deepcopy(detector.state())
    detector.score(TIMES[0], history()[0])
    detector.expect(TIMES[5])
    _same(detector.state(), before)


def check_what_is_skipped_teaches_nothing(make: Make) -> None:
    detector, at = make(4), TIMES[-1] + np.timedelta64(STEP_SECONDS, "s")
    run(detector, history())
    before = detector.expect(at)
    detector.skip(at, np.array([True, False, True, False]))
    np.testing.assert_array_equal(detector.expect(at), before)


def check_input_is_left_alone(make: Make) -> None:
    values = history()
    kept = values.copy()
    run(make(4), values)
    np.testing.assert_array_equal(values, kept)


def check_scores_are_positive_or_unknown(make: Make) -> None:
    scores = run(make(4), history())
    assert np.all((scores >= 0) | np.isnan(scores))
    assert np.isnan(scores[0]).all(), "nothing is known before the first point"
    first = int(np.argmin(np.isnan(scores[:, 0])))
    assert first <= KNOWN, "the detector never begins to score"
    assert np.isnan(scores[:first]).all(), "all series came alike, so all begin together"
    assert not np.isnan(scores[first:]).any(), "once known, a point that came has a score"


def check_no_point_has_no_score(make: Make) -> None:
    detector, values = make(4), history()
    run(detector, values[:KNOWN])
    row = values[KNOWN].copy()
    row[1] = np.nan
    np.testing.assert_array_equal(
        np.isnan(detector.score(TIMES[KNOWN], row)), [False, True, False, False]
    )


def check_lasting_spike_ranks_first(make: Make) -> None:
    values = history()
    values[600:604, 2] += 60
    scores = run(make(4), values)
    step, series = np.unravel_index(np.nanargmax(scores), scores.shape)
    assert 600 <= step < 606
    assert series == 2


def check_series_do_not_touch_each_other(make: Make) -> None:
    if make(1).common:
        return
    together = run(make(4), history())
    alone = run(make(1), history()[:, [3]])
    np.testing.assert_allclose(together[:, [3]], alone)


def check_missing_point_is_skipped(make: Make) -> None:
    detector, values = make(4), history()
    run(detector, values)
    before = copy.deepcopy(detector.state())
    detector.learn(TIMES[-1] + STEP_SECONDS, np.full(4, np.nan))
    _same(detector.state(), before)


def check_series_with_gap_leaves_others_alone(make: Make) -> None:
    values = history()
    gapped = values.copy()
    gapped[100:150, 0] = np.nan
    if make(4).common:
        return
    np.testing.assert_allclose(run(make(4), gapped)[:, 1:], run(make(4), values)[:, 1:])


def check_infinite_point_is_no_point(make: Make) -> None:
    detector, values = make(4), history()
    run(detector, values[:KNOWN])
    before = copy.deepcopy(detector.state())
    detector.learn(TIMES[KNOWN], np.full(4, np.inf))
    _same(detector.state(), before)


def check_state_is_plain_arrays_of_its_own(make: Make) -> None:
    detector = make(4)
    run(detector, history()[:KNOWN])
    state = detector.state()
    assert all(array.dtype != object for array in state.values())
    kept = copy.deepcopy(state)
    run(detector, history()[KNOWN:], KNOWN)
    _same(state, kept)


def check_restored_goes_on_the_same(make: Make) -> None:
    first, second, values = make(4), make(4), history()
    run(first, values[:KNOWN])
    second.restore(first.state())
    rest = values[KNOWN:]
    np.testing.assert_array_equal(run(first, rest, KNOWN), run(second, rest, KNOWN))


def check_foreign_state_is_refused(make: Make) -> None:
    try:
        make(4).restore({"seen": np.zeros(4)})
    except ValueError:
        return
    raise AssertionError("restore took a state that lacks nearly everything")


def check_resize_keeps_what_was_known(make: Make) -> None:
    if make(1).common:
        return
    grown, still, values = make(2), make(4), history()
    run(grown, values[:KNOWN, :2])
    run(still, values[:KNOWN])
    grown.resize(4)
    rest = values[KNOWN : KNOWN + 20]
    late, usual = run(grown, rest, KNOWN), run(still, rest, KNOWN)
    np.testing.assert_array_equal(late[:, :2], usual[:, :2])
    assert np.isnan(late[0, 2:]).all(), "a new series knows nothing yet"


def check_what_is_missing_is_what_it_takes_until_a_score(make: Make) -> None:
    detector, values = make(2), history(2)
    wanted = int(detector.missing[0])
    for step in range(wanted + 1):
        known = np.isfinite(detector.score(TIMES[step], values[step])).all()
        assert known == (step == wanted)
        detector.learn(TIMES[step], values[step])
    assert not detector.missing.any()


def check_one_column_judges_alone_as_it_does_among_others(make: Make) -> None:
    among, values = make(4), history()
    run(among, values[:KNOWN])
    alone = make(1).restore(among.column(2))
    at, row = TIMES[KNOWN], values[KNOWN]
    np.testing.assert_allclose(alone.score(at, row[2:3]), among.score(at, row)[2:3], rtol=1e-5)
    mine, all_of = np.stack(alone.expect(at)), np.stack(among.expect(at))
    np.testing.assert_allclose(mine, all_of[:, 2:3], rtol=1e-5)


def check_expectation_lies_in_its_band(make: Make) -> None:
    detector, values = make(4), history()
    assert np.isnan(detector.expect(TIMES[0])).all(), "nothing is known before the first point"
    run(detector, values)
    expected, lower, upper = detector.expect(TIMES[-1] + STEP_SECONDS)
    assert np.all((lower <= expected) & (expected <= upper))
    assert np.all((expected > 10) & (expected < 30)), "counts of 20 are expected to be near 20"


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]
