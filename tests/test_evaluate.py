import numpy as np
import pytest
from sklearn.metrics import classification_report, confusion_matrix, f1_score

from models.evaluate import confusion, coverage_precision, evaluate, reliability, worst_pairs

CLASSES = np.array(["access", "network", "printing"], dtype=object)


def drawn(n, seed=0):
    """Probabilities and labels that were drawn from them: perfectly calibrated."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([0.5, 0.5, 0.5], n)
    return probabilities, CLASSES[[rng.choice(3, p=row) for row in probabilities]]


def test_figures_agree_with_scikit_learn():
    probabilities, labels = drawn(500)
    found = evaluate(CLASSES, probabilities, labels)
    guesses = CLASSES[probabilities.argmax(axis=1)]
    wanted = classification_report(labels, guesses, output_dict=True)
    assert found.accuracy == pytest.approx(wanted["accuracy"])
    assert found.macro_f1 == pytest.approx(f1_score(labels, guesses, average="macro"))
    for name, score in found.per_class.items():
        row = wanted[name]
        assert score == pytest.approx(
            (row["precision"], row["recall"], row["f1-score"], row["support"])
        )
    np.testing.assert_array_equal(
        confusion(CLASSES, probabilities, labels).counts, confusion_matrix(labels, guesses)
    )


def test_labels_drawn_from_the_probabilities_are_calibrated():
    assert evaluate(CLASSES, *drawn(20_000)).ece < 0.01


def test_overconfidence_is_the_calibration_error():
    sure = np.tile([0.98, 0.01, 0.01], (100, 1))
    found = evaluate(CLASSES, sure, ["access"] * 60 + ["network"] * 40)
    assert found.ece == pytest.approx(0.98 - 0.6)
    assert found.accuracy_se == pytest.approx((0.6 * 0.4 / 100) ** 0.5)


def test_majority_is_the_commonest_label():
    found = evaluate(CLASSES, np.eye(3), ["network", "network", "printing"])
    assert found.majority_accuracy == pytest.approx(2 / 3)
    assert found.accuracy == pytest.approx(2 / 3)


def test_tickets_without_a_label_are_left_out():
    found = evaluate(CLASSES, np.eye(3), ["access", None, ""])
    assert (found.n, found.accuracy) == (1, 1)


def test_a_class_the_model_never_saw_is_a_wrong_answer():
    found = evaluate(CLASSES, np.eye(3), ["access", "network", "telephony"])
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.per_class["telephony"].recall == 0
    assert np.isnan(found.per_class["telephony"].precision), "it was never predicted"


def test_reliability_bins_hold_every_ticket_once():
    probabilities, labels = drawn(300)
    bins = reliability(CLASSES, probabilities, labels)
    assert (bins[0].low, bins[-1].high, len(bins)) == (0, 1, 15)
    assert sum(each.n for each in bins) == 300
    assert all(each.low <= each.probability <= each.high for each in bins if each.n)
    assert np.isnan(bins[0].accuracy), "nobody is less sure than one in three"


def test_a_certain_guess_falls_into_the_last_bin():
    assert reliability(CLASSES, np.eye(3), list(CLASSES))[-1].n == 3


def test_coverage_curve_ends_at_the_accuracy():
    probabilities, labels = drawn(1000)
    curve = coverage_precision(CLASSES, probabilities, labels)
    assert curve.coverage[-1] == 1
    assert curve.precision[-1] == evaluate(CLASSES, probabilities, labels).accuracy
    assert np.all(np.diff(curve.threshold) < 0)
    assert np.all(np.diff(curve.coverage) > 0)
    assert len(curve.threshold) == 200


def test_coverage_curve_counts_equal_probabilities_together():
    same = np.tile([0.6, 0.2, 0.2], (4, 1))
    curve = coverage_precision(CLASSES, same, ["access", "access", "network", "printing"])
    assert [each.tolist() for each in curve] == [[0.6], [1.0], [0.5]]


def test_worst_pairs_leave_right_answers_out():
    guesses = np.eye(3)[[0, 0, 0, 1, 2, 2]]
    labels = ["access", "network", "network", "network", "printing", "access"]
    pairs = worst_pairs(confusion(CLASSES, guesses, labels))
    assert pairs == [("network", "access", 2), ("access", "printing", 1)]


def test_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"wanted probabilities of shape \(2, 3\).*got \(3, 3\)"):
        evaluate(CLASSES, np.eye(3), ["access", "network"])


def test_nothing_to_evaluate_against_is_said():
    with pytest.raises(ValueError, match="none of the 3 tickets has a label"):
        evaluate(CLASSES, np.eye(3), [None, "", None])
