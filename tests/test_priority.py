"""Priority from impact and urgency, and the watch on the first priority."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.priority import derived_exactly
from models.matrix import ITIL, Matrix, join
from models.priority import Floor, Priority, floor
from models.triage import Triage
from pipelines.dataset import Dataset
from pipelines.priority import matrix_for, read_matrix, told

DATA = Path(os.environ.get("FOREWARN_DATA", Path(__file__).parents[2] / "shared" / "data"))
EVENTS = DATA / "tickets" / "uci_incident_event_log.csv.gz"
LEVELS = {"impact": ["3 - All", "1 - One"], "urgency": ["High", "Low"]}
RIGHT = LEVELS | {"priority": [["P1", "P2"], ["P2", "P3"]]}


def desk(n=900, seed=0):
    """Who is hit stands in the title, how soon it must be mended in the body."""
    rng = np.random.default_rng(seed)
    impact, urgency = rng.choice(["1 - High", "2 - Medium", "3 - Low"], (2, n), p=[0.6, 0.2, 0.2])
    hit = {"1": "whole company", "2": "our department", "3": "just me"}
    soon = {"1": "right now", "2": "this week", "3": "whenever possible"}
    fields = {
        "title": [f"{hit[level[0]]} case {rng.integers(40)}" for level in impact],
        "body": [f"mend it {soon[level[0]]} room {rng.integers(40)}" for level in urgency],
    }
    return fields, {"impact": impact.tolist(), "urgency": urgency.tolist()}


@pytest.fixture(scope="module")
def model():
    fields, labels = desk()
    return Triage(matrix=ITIL).fit(fields, labels, ordered=True)


@pytest.fixture
def saved(model, tmp_path):
    model.save(tmp_path)
    return tmp_path


# the matrix


@pytest.mark.skipif(not EVENTS.exists(), reason=f"{EVENTS} is absent; FOREWARN_DATA names it")
def test_a_real_log_has_the_priority_that_the_matrix_says_in_every_row():
    found = derived_exactly(DATA)
    assert (found.n, found.n_right) == (141_712, 141_712)


@pytest.mark.parametrize(
    ("impact", "urgency", "wanted"),
    [
        ("1 - High", "1 - High", "P1"),
        ("high", "2", "P2"),
        ("1", "3 - Low", "P3"),
        ("2 - Medium", "MEDIUM", "P3"),
        ("3.0", "P3", "P4"),
    ],
)
def test_levels_are_understood_as_desks_spell_them(impact, urgency, wanted):
    assert ITIL.of(impact, urgency) == wanted


@pytest.mark.parametrize("label", ["4", "critical", "", "1 - Low", "High 2"])
def test_a_level_that_is_none_or_two_is_refused(label):
    with pytest.raises(ValueError, match=f"impact '{label}' is none of '1 - High'"):
        ITIL.of(label, "1")


def test_a_desk_says_which_way_its_numbers_go(tmp_path):
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(RIGHT | {"impact": ["3 - Größe", "1 - One"]}), encoding="utf-8")
    matrix = read_matrix(path)
    assert (matrix.of("3", "high"), matrix.of("GRÖSSE", "Low")) == ("P1", "P2")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"priority": [["P1", "P2"]]}, "priority is 1 rows, wanted 2, one for each impact"),
        ({"priority": "P1"}, "priority is str, wanted 2"),
        (
            {"priority": [["P1", "P2"], ["P2"]]},
            r"row 2 \(impact '1 - One'\) is 1 columns, wanted 2",
        ),
        (
            {"priority": [["P1", None], ["P2", "P3"]]},
            r"row 1 \(impact '3 - All'\) column 2 \(urgency 'Low'\) is None, wanted a label such",
        ),
        ({"urgency": ["High", "1 - high"]}, "urgency 'High' and '1 - high' mean the same"),
        ({"urgency": []}, "urgency is empty"),
        ({"urgency": [1, 2]}, "urgency must be a list of strings"),
        ({"more": 1}, "wanted an object of impact, urgency and priority, no more"),
    ],
)
def test_a_matrix_that_is_wrong_is_told_where(tmp_path, change, said):
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(RIGHT | change))
    with pytest.raises(ValueError, match=rf"matrix\.json: .*{said}"):
        read_matrix(path)


@pytest.mark.parametrize(
    ("content", "said"), [(b"{", "is not JSON"), (b"\xff", "is not JSON"), (None, "cannot be read")]
)
def test_a_matrix_that_cannot_be_read_is_named_with_its_setting(tmp_path, content, said):
    path = tmp_path / "matrix.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"FOREWARN_PRIORITY_MATRIX: .*matrix\.json {said}"):
        read_matrix(path)


def test_a_label_that_the_desks_own_matrix_lacks_stops_the_training(tmp_path):
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(RIGHT))
    labels = {"impact": ["all", "2"], "urgency": ["high", None]}
    with pytest.raises(ValueError, match=r"matrix\.json: impact '2' is none of '3 - All'"):
        matrix_for(str(path), labels)
    assert matrix_for("", labels)[0] is None, "without a file of its own the desk is told"
    assert matrix_for("", labels | {"priority": ["P1"]}) == (None, ()), "it is learnt itself"


def test_joined_probabilities_are_a_distribution_over_the_cells():
    rng = np.random.default_rng(0)
    impact, urgency = rng.dirichlet([1, 1, 1], 50), rng.dirichlet([1, 1], 50)
    cells = ITIL.cells(["1", "2", "3"], ["1", "3"])
    joined = join(impact, urgency, cells, 4)
    np.testing.assert_allclose(joined.sum(axis=1), 1)
    np.testing.assert_allclose(joined[:, 0], impact[:, 0] * urgency[:, 0])
    np.testing.assert_allclose(joined[:, 1], impact[:, 1] * urgency[:, 0])


# the floor


def test_the_floor_is_kept_on_later_tickets():
    """Of 400 desks whose floor has confidence 90 %, about 40 may be let down."""
    rng = np.random.default_rng(1)
    broken, flagged = 0, []
    for _ in range(400):
        first = rng.random(1200) < 0.08
        found = floor(np.where(first, rng.beta(3, 2, 1200), rng.beta(1, 6, 1200)), first)
        assert found.n_missing == 0
        broken += (rng.beta(3, 2, 10_000) >= found.threshold).mean() < 0.95
        flagged.append(found.n_flagged / 1200)
    assert broken <= 55, "40 and two and a half standard errors"
    assert np.mean(flagged) < 0.7, "to flag everything would be easy"


def test_too_few_of_the_first_priority_flag_nothing_and_say_how_many_more():
    for n, missing in ((0, 45), (44, 1), (45, 0)):
        found = floor(np.full(300, 0.5), np.arange(300) < n)
        assert (found.n_first, found.n_missing) == (n, missing)
        assert np.isinf(found.threshold) == (missing > 0)


def test_equal_risks_are_flagged_alike():
    found = floor(np.full(100, 0.3), np.arange(100) < 60)
    assert (found.threshold, found.n_caught, found.n_flagged) == (0.3, 60, 100)


# with a model


def test_the_model_derives_what_it_never_learnt(model):
    fields, labels = desk(300, seed=5)
    derived = model.priorities(model.predict_proba(fields))
    truth = np.array([ITIL.of(*pair) for pair in zip(*labels.values(), strict=True)])
    assert (derived.labels == truth).mean() > 0.95
    assert derived.flagged[truth == "P1"].mean() >= 0.95
    assert derived.flagged.mean() < 0.6
    both = zip(derived.impact, derived.urgency, derived.cell, strict=True)
    assert all(ITIL.of(impact, urgency) == cell for impact, urgency, cell in both)


def test_a_model_that_learns_priority_itself_derives_none():
    fields, labels = desk(120)
    labels["priority"] = ["a", "b"] * 60
    model = Triage(matrix=ITIL).fit(fields, labels, ordered=True)
    assert model.priorities(model.predict_proba(fields)) is None


def test_what_was_saved_derives_the_same(model, saved):
    fields, _ = desk(60, seed=5)
    loaded = Triage.load(saved)
    assert loaded.priority == model.priority
    given = model.predict_proba(fields)
    for one, other in zip(loaded.priorities(given), model.priorities(given), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_floor_survives_saving(model, saved):
    none = replace(model.priority, floor=floor(np.zeros(0), np.zeros(0, bool)))
    none.save(saved)
    loaded = Priority.load(saved, model.classes)
    assert loaded == none
    assert loaded.derive(model.classes, model.predict_proba(desk(9)[0])).flagged is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda kept: kept.pop("matrix"), r"missing \['matrix'\]"),
        (lambda kept: kept["matrix"].pop("impact"), "wanted an object of impact"),
        (
            lambda kept: kept["matrix"].update(impact=["a", "b", "c"]),
            "is not of this model: impact",
        ),
        (lambda kept: kept["floor"].update(threshold="0.1"), "threshold is str, wanted float"),
        (lambda kept: kept["floor"].update(threshold=-1.0), "out of range"),
        (lambda kept: kept["floor"].update(n_caught=10**6), "wanted 0 <= n_caught"),
    ],
)
def test_a_saved_priority_that_is_not_what_it_should_be_is_refused(saved, change, said):
    path = saved / "priority.json"
    kept = json.loads(path.read_text())
    change(kept)
    path.write_text(json.dumps(kept))
    with pytest.raises(ValueError, match=rf"priority\.json.*{said}"):
        Triage.load(saved)


def test_how_well_it_was_derived_is_told(model):
    fields, labels = desk(300, seed=5)
    given = model.predict_proba(fields)
    right, watch = told(model, Dataset(fields, labels), given)
    assert "of 300 tickets right, the commonest 0.433" in right
    assert "test tickets of P1 were" in watch
    written = {"priority": ["4 - Low"] * 299 + [None]}
    right, _ = told(model, Dataset(fields, labels, beside=written), given)
    assert "of 299 tickets right, the commonest 1.000" in right, "the desk's own column counts"


def test_a_matrix_is_plain_data():
    assert Matrix.parsed(Path("m"), RIGHT) == Matrix(
        ("3 - All", "1 - One"), ("High", "Low"), (("P1", "P2"), ("P2", "P3"))
    )
    assert isinstance(floor(np.zeros(0), np.zeros(0, bool)), Floor)
