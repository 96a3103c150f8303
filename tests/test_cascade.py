"""Where a fast tier is sure enough of a ticket, the encoder need not read it."""

import numpy as np
import pytest

from models.blend import Blend
from models.cascade import Cascade, good_enough
from models.triage import Triage
from pipelines.encoder import encoder

MIXED = {"body": ["report of the garage, number 7", "something about a helicopter"]}


class Counting:
    """What an encoder keeps its vectors by; it counts the texts that are read."""

    def __init__(self):
        self.n = 0

    def __call__(self, texts, make):
        self.n += len(texts)
        return make(texts)


@pytest.fixture(scope="module")
def reader(encoder_home):
    return encoder(encoder_home)


@pytest.fixture(scope="module")
def model(reader):
    """Most tickets say what they are by a word, some by meaning; words are the fast tier."""
    rng = np.random.default_rng(3)
    foods = ["apple", "bread", "cheese", "soup", "rice", "pasta", "salad", "pizza", "steak"]
    cars = ["truck", "bicycle", "train", "tram", "bus", "van", "scooter", "lorry", "taxi"]
    rows = [(f"order of the kitchen, number {n}", "food") for n in range(120)]
    rows += [(f"report of the garage, number {n}", "vehicle") for n in range(120)]
    rows += [(f"something about a {word}", "food") for word in foods]
    rows += [(f"something about a {word}", "vehicle") for word in cars]
    rows = [rows[at] for at in rng.permutation(len(rows))]
    fields = {"body": [text for text, _ in rows]}
    labels = {"kind": [kind for _, kind in rows]}
    model = Triage(encoder=reader).fit(fields, labels, ordered=False)
    words = Triage().fit(fields, labels, ordered=False).blends["kind"]
    whole = model.blends["kind"]
    model.blends["kind"] = Blend(whole.heads | words.heads, whole.joined, words.joined)
    assert whole.reads
    sure, unsure = model.predict_proba(MIXED, "fast")["kind"].max(axis=1)
    assert sure > unsure
    model.cascade = Cascade({"kind": float(sure + unsure) / 2})
    return model


@pytest.fixture
def counting(model):
    keep, model.meaning.encoder.keep = model.meaning.encoder.keep, Counting()
    yield model.meaning.encoder.keep
    model.meaning.encoder.keep = keep


def test_only_tickets_that_the_fast_tier_does_not_settle_are_read(model, counting):
    found = model.answer(MIXED)
    assert found.read.tolist() == [False, True]
    assert counting.n == 1
    guess = model.classes["kind"][found.probabilities["kind"].argmax(axis=1)]
    assert guess.tolist() == ["vehicle", "vehicle"]


def test_one_tier_can_be_asked_for_all(model, counting):
    assert not model.answer(MIXED, "fast").read.any()
    assert counting.n == 0
    assert model.answer(MIXED, "full").read.all()
    assert counting.n == 2


def test_each_ticket_has_the_probabilities_of_its_tier(model):
    mixed = model.predict_proba(MIXED)["kind"]
    for row, tier in enumerate(("fast", "full")):
        np.testing.assert_allclose(mixed[row], model.predict_proba(MIXED, tier)["kind"][row], 1e-6)


def test_saved_and_loaded_it_asks_the_same_tiers(model, tmp_path):
    model.save(tmp_path)
    loaded = Triage.load(tmp_path)
    assert loaded.cascade == model.cascade
    found = loaded.answer(MIXED)
    assert found.read.tolist() == [False, True]
    np.testing.assert_allclose(
        found.probabilities["kind"], model.predict_proba(MIXED)["kind"], atol=1e-6
    )


def test_words_are_told_by_the_tier_that_answered(model):
    said = model.explain({"body": MIXED["body"][:1]}, {"kind": "vehicle"})
    assert "garage" in [one.word for one in said["kind"]]
    again = model.explain({"body": MIXED["body"][1:]}, {"kind": "vehicle"}, again=True)
    assert again["kind"][0].word == "helicopter"


# the threshold


def said(n=4000, seed=0):
    """A fast tier that errs below .7, a full one that never does."""
    rng = np.random.default_rng(seed)
    truth, sure = rng.integers(0, 2, n), rng.uniform(0.5, 1, n)
    right = rng.random(n) < np.where(sure > 0.7, 1, 0.6)
    guess = np.where(right, truth, 1 - truth)
    fast = np.where(np.eye(2, dtype=bool)[guess], sure[:, None], 1 - sure[:, None])
    return fast, np.eye(2)[truth], truth


def test_predict_fasts_are_believed_down_to_where_they_err():
    assert good_enough(*said()) == pytest.approx(0.7, abs=0.01)


def test_the_loss_that_was_allowed_is_kept_on_other_tickets():
    lost = []
    for seed in range(40):
        least = good_enough(*said(seed=seed), loss=0.02)
        fast, full, truth = said(seed=100 + seed)
        mixed = np.where(fast.max(axis=1, keepdims=True) >= least, fast, full)
        lost.append(1 - (mixed.argmax(axis=1) == truth).mean())
    assert np.mean(lost) <= 0.02
    assert np.mean(lost) > 0.01, "and it is made use of"


def test_predict_fasts_that_are_never_worse_are_always_believed():
    fast, full, truth = said()
    assert good_enough(full, fast, truth) == full.max(axis=1).min()


def test_a_wrong_surest_guess_is_never_believed():
    fast = np.array([[0.9, 0.1], [0.8, 0.2]])
    assert good_enough(fast, fast[:, ::-1], np.array([1, 1])) == np.inf


def test_without_a_held_out_ticket_nothing_is_believed():
    assert good_enough(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, dtype=int)) == np.inf
