import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.published import open_published, publish
from features.embedding import Meaning
from models.blend import Blend, join
from models.classifier_checks import CHECKS
from models.logistic import Logistic
from models.triage import Triage
from pipelines.encoder import encoder
from pipelines.models import check_plain

ROOT = Path(__file__).parent.parent

FOODS = (
    "apple bread cheese soup rice pasta salad pizza steak chicken carrot tomato banana cake honey"
    " butter noodle sausage omelette pancake grape lemon potato onion biscuit"
)
VEHICLES = (
    "car truck bicycle train tram motorbike bus van scooter lorry taxi aeroplane helicopter ferry"
    " ship boat tractor ambulance jeep limousine submarine canoe yacht locomotive minivan"
)


PLAIN = {"weights": {"words": 1.0}, "temperature": 1.0, "offset": 0.0}


def talk():
    """Texts whose telling word stands in no other: words know nothing, meaning knows all."""
    pairs = zip(FOODS.split(), VEHICLES.split(), strict=True)
    named = [
        (word, kind) for pair in pairs for word, kind in zip(pair, ("food", "vehicle"), strict=True)
    ]
    rng = np.random.default_rng(5)
    named = [named[at] for at in rng.permutation(len(named))]
    return {"body": [f"please tell me about the {word}" for word, _ in named]}, [
        k for _, k in named
    ]


@pytest.fixture(scope="module")
def reader(encoder_home):
    return encoder(encoder_home)


@pytest.fixture(scope="module")
def model(reader):
    fields, labels = talk()
    return Triage(encoder=reader).fit(fields, {"kind": labels}, ordered=True)


@pytest.fixture
def saved(model, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    return folder


class OneTarget:
    """Triage of one target, as the contract has it."""

    def __init__(self, triage):
        self.triage = triage

    @property
    def classes_(self):
        return self.triage.classes["only"]

    def fit(self, fields, labels):
        self.triage.fit(fields, {"only": labels}, ordered=False)
        return self

    def predict_proba(self, fields):
        return self.triage.predict_proba(fields)["only"]

    def save(self, folder):
        self.triage.save(folder)

    @classmethod
    def load(cls, folder):
        return cls(Triage.load(folder))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check, reader):
    try:
        check(lambda: OneTarget(Triage(encoder=reader)))
    except ValueError as error:
        raise AssertionError(str(error)) from error


def test_meaning_decides_where_words_know_nothing(model):
    assert "meaning" in model.blends["kind"].views
    asked = {"body": ["please tell me about the cucumber", "please tell me about the hovercraft"]}
    decided = model.decide(model.predict_proba(asked))["kind"]
    assert decided.labels.tolist() == ["food", "vehicle"]


def test_each_column_is_read_apart(reader):
    meaning = Meaning(reader).fit({"title": ["vpn"], "body": [""]})
    title, body, none = meaning.transform({"title": ["vpn", "", ""], "body": ["", "vpn", ""]})
    half = reader.n_dimensions
    np.testing.assert_array_equal(title[:half], body[half:])
    assert np.linalg.norm(title) == pytest.approx(np.sqrt(0.5))
    assert not none.any()
    assert meaning.n_features == 2 * half


def test_words_decide_where_meaning_knows_nothing(reader):
    rng = np.random.default_rng(0)
    labels = [["a", "b"][at % 2] for at in range(200)]
    codes = {"a": ["x17q", "z93k"], "b": ["x71q", "z39k"]}
    fields = {"body": [f"code {rng.choice(codes[label])} seen" for label in labels]}
    model = Triage(encoder=reader).fit(fields, {"only": labels}, ordered=False)
    guesses = model.classes["only"][model.predict_proba(fields)["only"].argmax(axis=1)]
    assert "words" in model.blends["only"].views
    assert guesses.tolist() == labels


def test_loaded_model_decides_the_same(model, saved):
    loaded = Triage.load(saved)
    asked = {"body": ["please tell me about the plum", "", "please tell me about the sledge"]}
    np.testing.assert_array_equal(
        loaded.predict_proba(asked)["kind"], model.predict_proba(asked)["kind"]
    )
    assert loaded.promises == model.promises


def test_a_published_model_brings_its_encoder_along(saved, tmp_path):
    check_plain(saved)
    publish(tmp_path, "ticket-it", "1", "run", saved)
    loaded = Triage.load(open_published(tmp_path, "ticket-it").folder)
    assert loaded.targets == ("kind",)
    path = tmp_path / "models" / "ticket-it" / "1" / "encoder.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(ValueError, match=r"encoder\.onnx was changed"):
        open_published(tmp_path, "ticket-it")


def test_where_words_suffice_no_encoder_is_kept(reader, tmp_path):
    labels = ["network", "printing"] * 50
    fields = {"body": ["vpn down", "printer jam"] * 50}
    people = [f"person {number}" for number in range(100)]
    model = Triage(encoder=reader)
    model.fit(fields, {"group": labels}, ordered=False, authors=people)
    words = join({"words": np.eye(2)}, np.arange(2))
    model.blends = {"group": Blend(model.blends["group"].heads, words, words)}
    model.save(tmp_path)
    assert not list(tmp_path.glob("*.onnx"))
    assert json.loads((tmp_path / "triage.json").read_text())["format"] == 6


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("kind/blend.json", {"joined": PLAIN | {"weights": {}}}, "wanted some of"),
        ("kind/blend.json", {"joined": PLAIN | {"weights": {"smell": 1.0}}}, "wanted some of"),
        (
            "kind/blend.json",
            {"joined": PLAIN | {"weights": {"meaning": -1.0}}},
            "number above 0",
        ),
        (
            "kind/blend.json",
            {"joined": PLAIN | {"weights": {"meaning": True}}},
            "number above 0",
        ),
        (
            "kind/blend.json",
            {"joined": PLAIN | {"temperature": 0.0}},
            "must be above 0",
        ),
        ("kind/blend.json", {"fast": PLAIN | {"weights": {"meaning": 1.0}}}, "wanted some of"),
        ("cascade.json", {"thresholds": {"kind": 2.0}}, "must lie in"),
        ("cascade.json", {"thresholds": {}}, "wanted \\['kind'\\]"),
        ("meaning.json", {"columns": "body"}, "columns is str, wanted list"),
        ("encoder.json", {"n_dimensions": 7}, "cannot read a text"),
        ("triage.json", {"format": 2}, "format is 2, wanted 6 or 7; train again"),
    ],
)
def test_json_that_does_not_fit_is_refused(saved, file, change, said):
    path = saved / file
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=said):
        Triage.load(saved)


def test_serving_needs_no_training_library(saved):
    program = (
        "import sys; from pathlib import Path; from models.triage import Triage;"
        f"model = Triage.load(Path({str(saved)!r}));"
        "model.decide(model.predict_proba({'body': ['tell me about the plum']}));"
        "print(sorted({'sklearn', 'pandas', 'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


# weights


def views(n=2000, seed=0, flip=0.1):
    """Two views that see the truth through noise of their own, and one that sees nothing."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    given = {}
    for view in ("words", "meaning"):
        seen = np.where(rng.random(n) < flip, rng.integers(0, 3, n), truth)
        given[view] = np.eye(3)[seen] * 0.85 + 0.05
    given["noise"] = rng.dirichlet([1, 1, 1], n)
    return given, truth


def test_views_that_err_apart_are_joined_and_noise_is_left_out():
    given, truth = views()
    joined = join(given, truth)
    assert set(joined.weights) == {"words", "meaning"}
    assert joined.weights["words"] == pytest.approx(joined.weights["meaning"], abs=0.1)


def test_what_is_joined_means_what_it_says():
    joined = join(*views())
    given, truth = views(seed=1)
    probabilities = joined.probabilities(given)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    right = probabilities.argmax(axis=1) == truth
    assert probabilities.max(axis=1).mean() == pytest.approx(right.mean(), abs=0.02)
    likelihoods = [
        np.log(one[np.arange(len(truth)), truth]).mean()
        for one in (probabilities, given["words"], given["meaning"])
    ]
    assert likelihoods[0] > max(likelihoods[1:]) + 0.05


def test_one_view_speaks_for_itself():
    given, truth = views()
    words = {"words": given["words"]}
    np.testing.assert_array_equal(join(words, truth).probabilities(words), given["words"])


def test_without_a_ticket_every_view_counts_the_same():
    given = {"words": np.zeros((0, 2)), "meaning": np.zeros((0, 2))}
    assert join(given, np.zeros(0, int)).weights == {"words": 0.5, "meaning": 0.5}


@pytest.mark.parametrize("ordered", [True, False], ids=["by time", "by class"])
def test_a_ticket_is_judged_by_what_has_not_seen_it(ordered):
    """Each ticket has a feature of its own and a label by chance: only memory could be right."""
    labels = np.random.default_rng(0).choice(["a", "b"], 400)
    fitted = Blend.learn({"words": np.eye(400, dtype=np.float32)}, labels.tolist(), ordered=ordered)
    right = fitted.probabilities.argmax(axis=1) == fitted.truth
    assert len(right) == (80 if ordered else 400)
    assert right.mean() < 0.7, "0.5 and no more than luck"
    known = fitted.blend.predict_proba({"words": np.eye(400, dtype=np.float32)}).argmax(axis=1)
    assert (fitted.blend.classes[known] == labels).all(), "of what it has seen it knows all"


@pytest.mark.parametrize("ordered", [True, False], ids=["by time", "by class"])
def test_a_class_that_was_not_learnt_before_it_was_held_out_counts_as_an_error(ordered):
    labels = ["a", "b", "c"] * 20 + ["new"]
    x = np.eye(4, dtype=np.float32)[[0, 1, 2] * 20 + [3]]
    fitted = Blend.learn({"words": x}, labels, ordered=ordered)
    assert fitted.blend.classes.tolist() == ["a", "b", "c", "new"]
    right = fitted.probabilities.argmax(axis=1) == fitted.truth
    assert right.tolist() == [True] * (len(right) - 1) + [False]
    assert np.isfinite(fitted.probabilities).all()


def test_the_logistic_head_does_not_stop_early():
    """On vectors of length 1 a loose tolerance ends the search near its start, silently."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(20, 64))
    labels = [f"{at % 20:02}" for at in range(1000)]
    x = centres[[int(label) for label in labels]] + rng.normal(size=(1000, 64)) * 1.5
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    x[:, 0] += 0.7  # what all texts share
    head = Logistic().fit(x, labels)
    chances = np.exp(head.scores(x))
    slope = x.T @ (chances - np.eye(20)[[int(label) for label in labels]]) * head.penalty
    assert np.abs(slope + head.coef).max() < 0.5, "the gradient is near 0; with 2e-3 it is 8"
