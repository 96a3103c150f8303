"""A desk that has just begun: hardly a label, or none, and the names of its classes."""

import json
import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from data.published import open_published
from data.settings import Settings
from features.text import spoken
from models.blend import Blend, Names
from models.head import evened
from models.learning import Point, learning_curve, twice
from models.logistic import Logistic
from models.promise import FEWEST, promised
from models.triage import Triage
from pipelines.classes import read_classes
from pipelines.encoder import encoder
from pipelines.gate import judge
from pipelines.measure import promise_notes
from pipelines.train import Recipe, train
from pipelines.workspace import workspace

KINDS = ("email_delivery", "printer", "vpn_connection", "password_reset")
TOLD = {
    "email_delivery": ["my mails do not arrive", "outlook sends nothing", "the inbox stays empty"],
    "printer": ["paper jam again", "it prints blank pages", "the toner is empty"],
    "vpn_connection": ["the tunnel drops at home", "remote access fails", "cannot dial in"],
    "password_reset": ["I am locked out", "forgot my login", "the account wants a new secret"],
}
ASKED = [("no mail has come since noon", "email_delivery"), ("the printer eats paper", "printer")]


def clouds(n, k=3, width=0.5, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, k, n)
    x = np.eye(8)[codes] + rng.normal(0, width, (n, 8))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x.astype(np.float32), [f"class {code}" for code in codes]


@pytest.fixture(scope="module")
def reader(encoder_home):
    return encoder(encoder_home)


def begun(reader, n=0, columns=("title",)):
    """A model of `n` labelled tickets a class, and all the names."""
    told = [(text, kind) for kind in KINDS for text in TOLD[kind][:n]]
    fields = {column: [text for text, _ in told] for column in columns}
    labels = {"kind": [kind for _, kind in told]}
    return Triage(encoder=reader).fit(fields, labels, ordered=False, classes={"kind": KINDS})


@pytest.mark.parametrize("k", [2, 3, 6])
def test_without_names_it_is_the_regression_that_everybody_knows(k):
    x, labels = clouds(200, k)
    codes = np.unique(labels, return_inverse=True)[1]
    weights = evened(codes)
    known = LogisticRegression(C=5.0, class_weight=weights, tol=1e-6, max_iter=2000).fit(x, codes)
    asked = clouds(50, k, seed=1)[0]
    ours = np.exp(Logistic().fit(x, labels).scores(asked))
    np.testing.assert_allclose(ours, known.predict_proba(asked), atol=2e-3)


def units_off():
    """A ticket for each of three classes that is nearly as like the next class as its own."""
    off = 0.75 * np.eye(8)[:3] + 0.66 * np.roll(np.eye(8)[:3], 1, axis=0)
    return off.astype(np.float32)


def test_a_name_tells_its_class_until_tickets_know_better():
    x, labels = clouds(400, width=0.2)
    turned = np.roll(np.eye(8, dtype=np.float32)[:3], 1, axis=0)  # the names of other classes
    asked, truth = clouds(100, width=0.2, seed=1)

    def right(n, prior):
        head = Logistic().fit(x[:n], labels[:n], prior)
        return np.mean(head.classes[head.scores(asked).argmax(axis=1)] == truth)

    odd = units_off()
    head = Logistic().fit(odd, ["class 0", "class 1", "class 2"], np.eye(8, dtype=np.float32)[:3])
    assert np.mean(head.classes[head.scores(asked).argmax(axis=1)] == truth) > 0.97
    assert right(400, turned) > 0.95, "many tickets overrule a name that misleads"


def test_tickets_without_a_label_teach_where_labels_are_few():
    loose, (asked, truth) = clouds(600, width=0.15, seed=2)[0], clouds(300, width=0.15, seed=3)
    labels, prior = ["class 0", "class 1", "class 2"], np.zeros((3, 8), dtype=np.float32)
    right: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(0, 0.4, (3, 8))
        few = np.eye(8)[:3] + noise
        few = (few / np.linalg.norm(few, axis=1, keepdims=True)).astype(np.float32)
        for helped in right:
            head = Logistic().fit(few, labels, prior, loose if helped else None)
            guess = head.classes[head.scores(asked).argmax(axis=1)]
            right[helped].append(np.mean(guess == np.array(truth, dtype=object)))
    assert np.mean(right[True]) > np.mean(right[False]) + 0.005


@pytest.mark.parametrize("columns", [("title",), ("title", "body")], ids=["one column", "two"])
def test_before_the_first_label_the_names_suggest_and_nothing_is_auto(reader, columns):
    model = begun(reader, columns=columns)
    fields = {column: [text for text, _ in ASKED] for column in columns}
    said = model.answer(fields).decided["kind"]
    assert said.labels.tolist() == [kind for _, kind in ASKED]
    assert set(said.decision) == {"suggest"}
    assert np.isinf(said.threshold).all()


def test_a_model_of_names_is_loaded_as_it_was_saved(reader, tmp_path):
    model = begun(reader)
    model.save(tmp_path)
    loaded = Triage.load(tmp_path)
    assert loaded.promises == model.promises
    asked = {"title": [text for text, _ in ASKED]}
    np.testing.assert_array_equal(
        loaded.predict_proba(asked)["kind"], model.predict_proba(asked)["kind"]
    )


def test_a_class_without_a_ticket_is_suggested_beside_those_that_have_some(reader):
    told = [(text, kind) for kind in KINDS[:3] for text in TOLD[kind] * 4]
    fields, labels = {"title": [text for text, _ in told]}, {"kind": [kind for _, kind in told]}
    model = Triage(encoder=reader).fit(fields, labels, ordered=False, classes={"kind": KINDS})
    said = model.answer({"title": ["please reset my password"]}).decided["kind"]
    assert (said.labels[0], said.decision[0]) == ("password_reset", "suggest")
    promise = model.promises["kind"]
    assert [promise.state(kind) for kind in KINDS] == ["usable"] * 3 + ["learning"]
    assert promise.n_more("password_reset") == FEWEST


def test_one_ticket_a_class_is_held_out_from_its_name(reader):
    model = begun(reader, n=1)
    promise = model.promises["kind"]
    assert promise.n_holdout == 0, "no class of one ticket has part in a promise"
    assert model.blends["kind"].joined.weights == {"meaning": 1.0}


@pytest.mark.parametrize(
    ("more", "reading", "said"),
    [(["7"], True, "'7'"), (["fax"], False, "'fax'")],
    ids=["a code says nothing", "nobody reads names"],
)
def test_a_class_that_nothing_is_known_of_is_refused(reader, more, reading, said):
    fields = {"title": [f"{what} on desk {row}" for row in range(9) for what in ("jam", "mail")]}
    model = Triage(encoder=reader if reading else None)
    with pytest.raises(ValueError, match=f"target 'kind': no ticket has the label {said}"):
        model.fit(fields, {"kind": ["a b", "mail"] * 9}, ordered=False, classes={"kind": more})


def test_a_target_of_one_class_is_still_told(reader):
    with pytest.raises(ValueError, match=r"target 'kind': all 9 .*at least two classes"):
        Triage(encoder=reader).fit({"title": ["jam"] * 9}, {"kind": ["print"] * 9}, ordered=False)


def test_a_class_of_few_labels_is_never_auto():
    classes = np.array(["fax", "mail"], dtype=object)
    truth = np.repeat([0, 1], 400)
    found = promised(classes, np.eye(2)[truth] * 0.8 + 0.1, truth, n_labels=[FEWEST - 1, 400])
    assert found.state("fax") == "learning"
    assert math.isinf(found.of("fax").auto)
    assert found.state("mail") == "promised"
    assert (found.n_more("fax"), found.n_more("mail")) == (1, 0)
    assert "next usable would be 'fax' with 1 more" in " ".join(promise_notes({"kind": found}))


# how it grows


def test_the_curve_rises_and_tells_what_more_would_bring():
    x, labels = clouds(1600, k=3, width=0.6)
    points = learning_curve({"meaning": x}, labels, ordered=False)
    assert [point.n for point in points] == [160, 320, 640, 1280]
    assert points[-1].accuracy > points[0].accuracy - points[0].se
    assert all(0 < point.se < 0.05 for point in points)


def test_no_curve_is_drawn_of_few_tickets():
    x, labels = clouds(70)
    assert learning_curve({"meaning": x}, labels, ordered=False) == ()
    assert twice(()) is None


def test_hope_never_falls_below_what_is():
    assert twice([Point(n, 0.9 - n / 1e4, 0.01) for n in (100, 200, 400)]) == pytest.approx(0.86)


# the way from a file of names to a served model


def test_a_desk_without_a_label_is_served_by_its_names(encoder_home, tmp_path):
    file = tmp_path / "classes.json"
    file.write_text(json.dumps({"kind": KINDS}))
    recipe = Recipe(("kind",), ("title",), classes=read_classes(file, ("kind",)))
    with workspace(Settings(home=encoder_home, desk="begun")) as place:
        report = train(place, recipe, promoted=True)
        assert report.promoted, report.refused
        assert (report.n_train, dict(report.measured)) == (0, {})
        assert "no label yet" in " ".join(report.notes)
        registry, name = place.registry(), report.version.name
        folder = open_published(encoder_home, name).folder
        again = registry.log_training(name, folder, params={}, metrics={}, data_hash="other")
        against = judge(registry, encoder_home, name, again.number).against
        assert against == ("it was tested on no ticket, and version 1 is served",)


@pytest.mark.parametrize(
    ("content", "said"),
    [("[", "is not JSON"), ('{"kind": "fax"}', "wanted lists"), ('{"team": ["a"]}', "'team'")],
)
def test_a_file_of_classes_that_is_none_is_refused(tmp_path, content, said):
    file = tmp_path / "classes.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=said):
        read_classes(file, ("kind",))


def test_names_fill_folds_that_have_lost_their_class():
    x, labels = clouds(3, width=0.0)
    names = Names(("class 0", "class 1", "class 2"), {"meaning": np.eye(8, dtype=np.float32)[:3]})
    fitted = Blend.learn({"meaning": x}, labels, ordered=False, names=names)
    assert fitted.held.all()
    assert (fitted.probabilities.argmax(axis=1) == fitted.truth).all()


@pytest.mark.parametrize("label", ["", "P2", "12-7"])
def test_a_code_is_no_name(label):
    assert spoken(label) == ""
