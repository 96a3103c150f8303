"""The learners of a blend, and the folds that weigh them."""

import json

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from models import neighbours
from models.blend import FAST, HEADS, Blend, Joined
from models.discriminant import SHRUNK, Discriminant
from models.head import Head
from models.logistic import Logistic
from models.neighbours import Neighbours

N_FEATURES = 16


def units(centres, n, seed=0, noise=0.15):
    """`n` vectors of length 1 around each centre."""
    rng = np.random.default_rng(seed)
    around = np.repeat(np.asarray(centres, dtype=float), n, axis=0)
    x = around + rng.normal(size=(len(around), around.shape[1])) * noise
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def scattered(n=40, seed=0):
    """Two classes, each in six places that lie among the other's."""
    places = np.random.default_rng(1).normal(size=(12, N_FEATURES)) / 4
    labels = ["card", "loan"] * 6
    return units(places, n, seed, noise=0.1), [one for one in labels for _ in range(n)]


def accuracy(head, x, labels):
    return np.mean(head.classes[head.scores(x).argmax(axis=1)] == np.array(labels, dtype=object))


# neighbours


def test_neighbours_know_a_class_that_lies_in_many_places():
    few, many = np.zeros((4, 2)), np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], dtype=float)
    centres, labels = np.hstack([many, few]), ["card", "card", "loan", "loan"]
    train, told = units(centres, 50), np.repeat(labels, 50).tolist()
    test = units(centres, 50, seed=1)
    assert accuracy(Neighbours().fit(train, told), test, told) > 0.95
    assert accuracy(Logistic().fit(train, told), test, told) < 0.7, "no straight border tells it"


def test_loaded_neighbours_score_the_same(tmp_path):
    x, labels = scattered()
    head = Neighbours().fit(x, labels)
    head.save(tmp_path)
    loaded = Neighbours.load(tmp_path, N_FEATURES)
    np.testing.assert_array_equal(loaded.scores(x), head.scores(x))


def test_of_neighbours_equally_far_none_is_preferred():
    """Ten are near, and of forty equally far only ten more would find room."""
    near, far = units(np.eye(N_FEATURES)[:1], 10), np.zeros((40, N_FEATURES), np.float32)
    far[:, 0], far[:, 1] = 0.8, 0.6
    x, labels = np.vstack([near, far]), ["card"] * 10 + ["card"] * 20 + ["loan"] * 20
    asked = np.eye(N_FEATURES, dtype=np.float32)[:1]
    first = Neighbours().fit(x, labels).scores(asked)
    turned = Neighbours().fit(x[::-1], labels[::-1]).scores(asked)
    np.testing.assert_allclose(first, turned, atol=1e-5)


def test_a_text_that_says_nothing_has_no_neighbours():
    x, labels = scattered()
    (scores,) = Neighbours().fit(x, labels).scores(np.zeros((1, N_FEATURES), np.float32))
    assert scores[0] == scores[1]


def test_of_many_tickets_some_are_remembered(monkeypatch):
    x, labels = scattered()
    monkeypatch.setattr(neighbours, "LIMIT", 100)
    first, second = (Neighbours(seed=3).fit(x, labels) for _ in range(2))
    assert first.kept.shape == (100, N_FEATURES)
    np.testing.assert_array_equal(first.kept, second.kept)
    assert accuracy(first, x, labels) > 0.9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda kept: kept.update(codes=kept["codes"] + 1), "one of the classes for each"),
        (lambda kept: kept.update(codes=kept["codes"] - 1), "one of the classes for each"),
        (lambda kept: kept.update(codes=kept["codes"][:-1]), "one of the classes for each"),
        (lambda kept: kept.update(vectors=kept["vectors"][:, :-1]), "vectors is int8 of shape"),
        (lambda kept: kept.update(vectors=kept["vectors"][:0], codes=kept["codes"][:0]), "one of"),
    ],
    ids=["above", "below", "fewer", "narrower", "none"],
)
def test_neighbours_that_do_not_fit_are_refused(tmp_path, change, said):
    Neighbours().fit(*scattered()).save(tmp_path)
    with np.load(tmp_path / "head.npz") as kept:
        arrays = dict(kept)
    change(arrays)
    np.savez(tmp_path / "head.npz", **arrays)
    with pytest.raises(ValueError, match=rf"head\.npz.*{said}"):
        Neighbours.load(tmp_path, N_FEATURES)


@pytest.mark.parametrize("scale", [0.0, -1.0, 1])
def test_a_scale_that_is_none_is_refused(tmp_path, scale):
    Neighbours().fit(*scattered()).save(tmp_path)
    path = tmp_path / "head.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"scale": scale}))
    with pytest.raises(ValueError, match=r"head\.json: scale"):
        Neighbours.load(tmp_path, N_FEATURES)


# small classes


def test_the_discriminant_is_the_known_one():
    x, _ = scattered()
    labels = np.resize(["a", "b", "b", "c", "c", "c"], len(x)).tolist()
    known = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRUNK).fit(x, labels)
    wanted = known.predict_log_proba(x)
    np.testing.assert_allclose(Discriminant().fit(x, labels).scores(x), wanted, atol=1e-3)


def test_vectors_that_are_all_the_same_break_nothing():
    x = np.tile(np.eye(N_FEATURES, dtype=np.float32)[0], (6, 1))
    scores = Discriminant().fit(x, ["a", "a", "a", "b", "b", "c"]).scores(x)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("learner", [Head, Logistic, Discriminant])
def test_a_small_class_that_lies_close_to_a_large_one_is_named(learner):
    """Where all tickets weigh alike, four in ten of its tickets are found."""
    centres = np.eye(N_FEATURES)[:2] + 2 * np.eye(N_FEATURES)[2]
    x = np.vstack([units(centres[:1], 400, noise=0.5), units(centres[1:], 20, 1, noise=0.5)])
    test = units(centres[1:], 200, seed=2, noise=0.5)
    found = accuracy(learner().fit(x, ["often"] * 400 + ["rare"] * 20), test, ["rare"] * 200)
    assert 0.6 < found < 0.9


# what was not learnt


def test_what_is_measured_out_of_fold_was_not_learnt():
    """Labels drawn by lot: a model that has seen them names them all, one that has not, half."""
    x = units(np.eye(N_FEATURES), 20, noise=1.0)
    labels = np.random.default_rng(0).choice(["a", "b"], len(x)).tolist()
    fitted = Blend.learn({"words": x, "meaning": x}, labels, ordered=False)
    assert fitted.probabilities.shape == (len(x), 2)
    right = fitted.probabilities.argmax(axis=1) == fitted.truth
    assert right.mean() == pytest.approx(0.5, abs=0.1)
    assert fitted.probabilities.max(axis=1).mean() == pytest.approx(0.5, abs=0.1), "and it says so"


def test_every_head_comes_back_as_it_was_saved(tmp_path):
    x, labels = scattered()
    xs = {"words": x, "glance": x, "meaning": x}
    heads = {name: learner().fit(x, labels) for name, (_, learner) in HEADS.items()}
    blend = Blend(heads, Joined(dict.fromkeys(HEADS, 0.2)), Joined(dict.fromkeys(FAST, 0.5)))
    blend.save(tmp_path, alone=False)
    loaded = Blend.load(tmp_path, dict.fromkeys(xs, N_FEATURES))
    assert loaded.views == ("words", "glance", "meaning")
    np.testing.assert_array_equal(loaded.predict_proba(xs), blend.predict_proba(xs))
    np.testing.assert_array_equal(loaded.predict_fast(xs), blend.predict_fast(xs))
