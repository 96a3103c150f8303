"""Tickets of a kind that nobody has labelled yet."""

import json

import numpy as np
import pytest

from api.answers import scored
from models.novelty import FILE, Novelty
from models.triage import Triage
from pipelines.encoder import encoder
from pipelines.score import predicted

THINGS = {
    "printing": ["printer", "toner", "scanner", "paper jam", "colour print", "tray"],
    "network": ["vpn", "wifi", "proxy", "file share", "cable", "firewall"],
}
SAID = ["{} does not work", "please look at the {}", "{} is slow today", "trouble with {} again",
        "the {} failed this morning", "need help with my {}", "{} broken since noon",
        "cannot use the {} any more", "error when I use {}", "is the {} down?"]  # fmt: skip
ODD = ["how long do I boil an egg", "my cat has eaten a lemon", "who won the football in 1966"]


def tickets():
    kinds = [(kind, thing) for kind, things in THINGS.items() for thing in things]
    return [(said.format(thing), kind) for said in SAID for kind, thing in kinds]


@pytest.fixture(scope="module")
def model(encoder_home):
    texts, labels = zip(*tickets(), strict=True)
    fitted = Triage(encoder=encoder(encoder_home))
    return fitted.fit({"title": texts}, {"kind": labels}, ordered=False)


def test_what_is_like_nothing_learnt_is_left_to_a_person(model):
    found = model.answer({"title": [*ODD, "the printer is jammed"]}).decided["kind"]
    assert found.unknown.tolist() == [True] * 3 + [False]
    assert found.decision[:3].tolist() == ["abstain"] * 3
    assert found.labels.tolist() == [None] * 3 + ["printing"]
    assert found.prediction_sets[:3] == [None] * 3


def test_the_reason_is_told_to_those_who_ask(model):
    odd, known = scored(model, {"title": [ODD[0], "vpn is slow today"]})
    assert odd.targets["kind"]["reason"] == "unknown"
    assert known.targets["kind"]["reason"] is None
    *_, away = next(iter(predicted(model, {"title": [ODD[0]]})))
    assert away == "yes"


def test_few_tickets_of_known_kinds_are_called_unknown():
    """On new tickets of a cloud that was learnt: the share asked for, as it is over many draws."""
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(10):
        x = rng.normal(0, 1, (2500, 8)).astype(np.float32) + 1
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        codes = (x[:, 0] > 0.3).astype(int)
        sure = np.column_stack([1 - codes, codes]) * 0.8 + 0.1
        novelty = Novelty(share=0.02).fit(x[:500], {"kind": (codes[:500], sure[:500])})
        shares.append(novelty.unknown(x[500:], {"kind": sure[500:]})["kind"].mean())
    assert np.mean(shares) == pytest.approx(0.02, abs=0.01)


def test_too_few_tickets_call_nothing_unknown():
    x = np.eye(4, dtype=np.float32)[[0, 1] * 20]
    codes, sure = np.array([0, 1] * 20), np.eye(2)[[0, 1] * 20]
    novelty = Novelty().fit(x, {"kind": (codes, sure)})
    assert not novelty.unknown(np.eye(4, dtype="f4")[[3]], {"kind": sure[:1]})["kind"].any()


def test_a_saved_model_knows_the_same_tickets(model, tmp_path):
    model.save(tmp_path)
    loaded = Triage.load(tmp_path)
    asked = {"title": [*ODD, "wifi broken since noon"]}
    assert loaded.answer(asked).decided["kind"].unknown.tolist() == [True, True, True, False]


def test_a_saved_model_keeps_apart_what_each_of_its_targets_knows(tmp_path):
    """Targets out of the alphabet's order, with different numbers of classes."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (400, 8)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    codes = {"urgency": (x[:, 0] > 0).astype(int), "impact": (x[:, 1] * 2).astype(int) % 3}
    sure = {"urgency": np.eye(2)[codes["urgency"]], "impact": np.eye(3)[codes["impact"]]}
    told = {target: (codes[target], 0.8 * sure[target] + 0.1) for target in codes}
    novelty = Novelty().fit(x, told)
    novelty.save(tmp_path)
    loaded = Novelty.load(tmp_path, 8, {"urgency": 2, "impact": 3})
    some = {target: probabilities[:9] for target, (_, probabilities) in told.items()}
    before, after = novelty.score(x[:9], some), loaded.score(x[:9], some)
    for target in told:
        assert after[target].tolist() == pytest.approx(before[target].tolist(), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"targets": {}}, "targets"),
        ({"scale": "wide"}, "scale"),
        ({"targets": {"kind": {"middle": [0.0], "width": [1.0] * 3, "threshold": 1.0}}}, "3"),
        ({"targets": {"kind": {"middle": [0.0] * 3, "width": [0.0] * 3, "threshold": 1.0}}}, "0"),
        ({"targets": {"kind": 7}}, "object"),
    ],
    ids=["no targets", "no number", "too few", "no width", "no object"],
)
def test_a_damaged_file_is_named(model, tmp_path, change, wanted):
    model.save(tmp_path)
    kept = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(kept | change))
    with pytest.raises(ValueError, match=rf"novelty\.json.*{wanted}"):
        Triage.load(tmp_path)
