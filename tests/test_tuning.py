"""An encoder tuned on a desk's own labels: on most tickets, while the others keep it honest."""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from features.embedding import Encoder
from models.blend import Blend
from models.matrix import ITIL
from models.priority import Priority
from models.triage import Triage
from pipelines.dataset import Dataset
from pipelines.encoder import encoder, tuned_encoder, weights
from pipelines.split import Split
from pipelines.train import Recipe, fit, recipe_of_champion, tune

ROOT = Path(__file__).parent.parent
SAID = {
    "network": ["vpn drops", "wifi slow in room", "cannot reach the share", "proxy error on port"],
    "printing": ["printer jam on floor", "toner empty", "scanner blurs page", "no colour in tray"],
    "account": ["password expired", "locked out since", "new starter needs login", "reset pin for"],
}


def tickets(n: int) -> Dataset:
    """Tickets of three kinds in turn, no two alike; every tenth has no label, a few no body."""
    rng = random.Random(0)
    kinds = [list(SAID)[row % 3] for row in range(n)]
    titles = [f"{rng.choice(SAID[kind])} {row}" for row, kind in enumerate(kinds)]
    bodies = [f"since {row % 24}:00" if row % 4 else "" for row in range(n)]
    labels = [None if row % 10 == 0 else kind for row, kind in enumerate(kinds)]
    return Dataset({"title": titles, "body": bodies}, {"kind": labels})


def parted(n: int = 60, *, ordered: bool = False) -> Split:
    data = tickets(n + 12)
    return Split(data.take(range(n)), data.take(range(n, n + 12)), ordered, "file", ())


@pytest.fixture(scope="module")
def tuned():
    """A tuning, whose two passes take longer to begin than to make, and what it said."""
    said = []
    parts, recipe = parted(), Recipe(targets=("kind",), budget=3)
    return tune(parts, recipe, lambda *told: said.append(told)), said


# which tickets it learns from


@pytest.mark.parametrize("ordered", [True, False], ids=["the latest", "drawn"])
def test_a_ticket_that_is_held_out_is_not_among_those_tuned_on(monkeypatch, ordered):
    asked = {}

    def remember(fields, labels, **_):
        asked.update(fields=fields, labels=labels)

    monkeypatch.setattr("pipelines.train.tuned_encoder", remember)
    parts = parted(ordered=ordered)
    spared = tune(parts, Recipe(targets=("kind",), budget=1)).spared
    titles = parts.train.fields["title"]
    kept = {title for title, alone in zip(titles, spared, strict=True) if alone}
    assert 12 <= len(kept) <= 13, "a fifth"
    assert not kept & set(asked["fields"]["title"])
    assert None not in asked["labels"]["kind"]
    assert spared[-12:].all() == ordered


def test_calibration_and_promise_come_from_spared_tickets_alone():
    """Features that give the label away, but for the spared: the blend must not trust them."""
    rng = np.random.default_rng(0)
    truth, spared = rng.integers(0, 2, 400), np.arange(400) % 5 == 0
    told = np.where(spared, rng.integers(0, 2, 400), truth)
    x = np.eye(2, dtype=np.float32)[told]
    labels = np.array(["no", "yes"], dtype=object)[truth].tolist()
    fitted = Blend.learn({"words": x}, labels, ordered=False, spared=spared)
    assert fitted.held.tolist() == spared.tolist()
    assert fitted.share == pytest.approx(0.2)
    assert fitted.probabilities.max() < 0.7, "half of these tickets contradict it"
    naive = Blend.learn({"words": x}, labels, ordered=False)
    assert naive.probabilities.max() > 0.8, "what would be believed if all were held out"


def test_a_target_whose_spared_tickets_are_all_there_is_is_learnt_without_a_promise():
    x = np.eye(2, dtype=np.float32)[[0, 1] * 10]
    spared = np.arange(20) >= 1
    fitted = Blend.learn({"words": x}, ["a", "b"] * 10, ordered=True, spared=spared)
    assert not fitted.held.any()


def test_the_floor_of_a_first_priority_stands_on_spared_tickets():
    """Known by heart, impact is right but on the spared half: there it is noise."""
    rng = np.random.default_rng(0)
    truth, spared = rng.integers(0, 2, 2000), np.arange(2000) % 5 == 0
    told = np.where(spared, rng.integers(0, 2, 2000), truth)
    levels = np.array(["1 - High", "3 - Low"], dtype=object)[truth].tolist()
    labels, x = {"impact": levels, "urgency": levels}, {"words": np.eye(2, dtype="f4")[told]}
    found = Priority.learn(ITIL, x, labels, ordered=True, spared=spared)
    assert found.floor.n_holdout == 200, "the other half of the 400 calibrates"
    assert found.floor.threshold < 0.5, "half of the first priorities look like the lowest"


# tuning itself


def test_it_tells_how_far_it_is(tuned):
    _, said = tuned
    steps = [done for done, _, _ in said]
    assert steps == list(range(1, len(said) + 1))
    assert {total for _, total, _ in said} == {len(said)}
    assert said[-1][2].startswith("pass ")
    assert "loss" in said[-1][2]
    assert "minutes left" in said[-1][2]


def test_kinds_stand_further_apart_than_before_on_tickets_that_it_has_not_seen(tuned, encoder_home):
    found, _ = tuned
    train = parted().train
    rows = [at for at in np.flatnonzero(found.spared) if train.labels["kind"][at]]
    kinds = np.array([train.labels["kind"][row] for row in rows])
    titles = [train.fields["title"][row] for row in rows]
    same = (kinds[:, None] == kinds) & ~np.eye(len(rows), dtype=bool)

    def apart(reader: Encoder) -> float:
        vectors = reader.embed(titles)
        similar = vectors @ vectors.T
        return float(similar[same].mean() - similar[kinds[:, None] != kinds].mean())

    assert apart(found.encoder) > apart(encoder(encoder_home)) + 0.1


def test_a_model_carries_its_own_encoder_and_the_minutes_it_took(tuned, tmp_path, encoder_home):
    found, _ = tuned
    parts = parted()
    model = fit(parts, Recipe(targets=("kind",), budget=3), tmp_path, tuned=found)
    assert list(tmp_path.iterdir()) == [], "nothing is kept but in the model"
    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    loaded = Triage.load(folder)
    assert loaded.meaning is not None
    assert loaded.meaning.encoder.minutes == 3
    assert loaded.meaning.encoder.id == found.encoder.id != encoder(encoder_home).id
    given = model.predict_proba(parts.test.fields)["kind"]
    np.testing.assert_array_equal(loaded.predict_proba(parts.test.fields)["kind"], given)


def test_a_successor_is_tuned_as_long(tuned, monkeypatch):
    parts = parted()
    champion = fit(parts, Recipe(targets=("kind",), budget=3), Path("unused"), tuned=tuned[0])
    monkeypatch.setattr("pipelines.train.pointer", lambda *_: "served")
    monkeypatch.setattr("pipelines.train.served", lambda *_: champion)

    class Place:
        class settings:
            home, desk = Path("unused"), "it"

    assert recipe_of_champion(Place).budget == 3


# too little, or nobody there any more


def test_a_budget_that_is_too_small_is_one_sentence_with_the_one_that_is_not():
    data = tickets(60)
    wanted = r"a budget of 0\.1 minutes is too little .* 60 tickets even once: it takes \d+ here$"
    with pytest.raises(ValueError, match=wanted):
        tuned_encoder(data.fields, data.labels, minutes=0.1)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"budget": -1}, "a budget is a number of minutes, 0 or more, got -1"),
        ({"budget": float("nan")}, "a budget is a number of minutes, 0 or more, got nan"),
        ({"budget": 5, "encoder": False}, "drop --no-encoder"),
    ],
    ids=["negative", "no number", "no encoder"],
)
def test_a_budget_that_makes_no_sense_is_refused(given, told):
    with pytest.raises(ValueError, match=told):
        Recipe(targets=("kind",), **given)


def test_it_ends_with_whoever_asked_for_it_and_leaves_nothing(tmp_path):
    """Asked for by a process that is not its parent, as the parent's successor is not."""
    folder, data = tmp_path / "half", tickets(6)
    folder.mkdir()
    task = {"fields": data.fields, "labels": data.labels, "minutes": 5, "seed": 0, "asker": 2**22}
    command = [sys.executable, "-m", "pipelines.encoder_tune", str(weights()), str(folder)]
    given = json.dumps(task)
    done = subprocess.run(command, input=given, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (1, "")
    assert not folder.exists()


def test_what_goes_wrong_there_is_told_here_in_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr("pipelines.encoder.weights", lambda: tmp_path)
    with pytest.raises(RuntimeError, match=r"could not be tuned: .*; or leave out --budget$"):
        tuned_encoder({"title": ["vpn"]}, {"kind": ["a"]}, minutes=5)
