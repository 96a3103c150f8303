import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.triage import banking77, run
from features.text import MAX_CHARACTERS, MAX_LETTERS, TextFeatures, letter_grams
from models.classifier_checks import desk
from models.conformal import Sets
from models.decided import decided
from models.promise import Promise, Threshold
from models.triage import Triage

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("FOREWARN_DATA", ROOT.parent / "shared" / "data"))
BANKING = DATA / "tickets" / "banking77_test.csv.gz"


def trained(n=600, **options):
    fields, groups = desk(n)
    urgent = [
        "yes" if "since" in body else None if "help" in body else "no" for body in fields["body"]
    ]
    return Triage(**options).fit(fields, {"group": groups, "urgent": urgent}, ordered=True)


@pytest.fixture(scope="module")
def model():
    return trained()


@pytest.fixture
def saved(model, tmp_path):
    model.save(tmp_path)
    return tmp_path


def test_several_targets_are_learnt_at_once(model):
    fields, groups = desk(60, seed=8)
    decided = model.decide(model.predict_proba(fields))
    assert model.targets == tuple(decided) == ("group", "urgent")
    assert (decided["group"].labels == np.array(groups, dtype=object)).mean() > 0.95
    assert model.classes["urgent"].tolist() == ["no", "yes"]


def test_a_ticket_without_a_label_teaches_nothing_about_that_target():
    fields, groups = desk(300)
    some = [group if row % 3 else None for row, group in enumerate(groups)]
    kept = [row for row in range(300) if row % 3]
    model = Triage().fit(fields, {"group": some}, ordered=True)
    assert model.promises["group"].n_holdout == round(len(kept) * 0.2)


def test_what_cannot_be_read_is_left_to_a_person(model):
    decided = model.decide(model.predict_proba({"title": ["", "zzz 日本"]}))["group"]
    assert decided.decision.tolist() == ["abstain", "abstain"]
    assert decided.labels.tolist() == [None, None]
    assert np.all(decided.probability > 0), "the best guess keeps its probability"


def promise_of(floor, **own):
    autos = {label: Threshold(auto, 200, 190, 185) for label, auto in own.items()}
    rest = Threshold(0.9, 90, 60, 60)
    return Promise(0.95, 0.9, rest, autos, {}, Sets(0.9, floor, 50))


def test_each_class_goes_by_its_own_threshold_or_by_that_of_the_rest():
    classes = np.array(["mail", "vpn", "wifi"], dtype=object)
    given = np.array([[0.7, 0.2, 0.1], [0.1, 0.7, 0.2], [0.0, 0.1, 0.9], [0.0, 0.11, 0.89]])
    found = decided(classes, given, promise_of(0.15, mail=0.7, vpn=0.8))
    assert found.decision.tolist() == ["auto", "suggest", "auto", "suggest"]
    assert found.threshold.tolist() == [0.7, 0.8, 0.9, 0.9]
    assert found.prediction_sets == [("mail",), ("vpn", "wifi"), ("wifi",), ("wifi",)]


@pytest.mark.parametrize(
    ("given", "decision", "members"),
    [
        ([0.3, 0.2, 0.2, 0.2, 0.1, 0.0, 0.0], "suggest", tuple("abcde")),
        ([0.25, 0.15, 0.15, 0.15, 0.15, 0.15, 0.0], "abstain", None),
        ([0.05, 0.05, 0.09, 0.05, 0.05, 0.05, 0.05], "suggest", ("c",)),
    ],
    ids=["five labels help", "six are a crowd", "no label is likely, the best guess stands"],
)
def test_a_set_is_shown_as_long_as_it_helps(given, decision, members):
    classes = np.array(list("abcdefg"), dtype=object)
    found = decided(classes, np.array([given]), promise_of(0.1))
    assert (found.decision[0], found.prediction_sets[0]) == (decision, members)
    assert found.labels[0] == (None if members is None else members[0])


def test_a_set_of_all_labels_is_shown_only_with_a_guess_likelier_right_than_wrong():
    classes, given = (
        np.array(list("abc"), dtype=object),
        np.array([[0.5, 0.3, 0.2], [0.49, 0.31, 0.2]]),
    )
    assert decided(classes, given, promise_of(0.0)).decision.tolist() == ["suggest", "abstain"]


def test_too_few_tickets_promise_nothing():
    promise = trained(n=100).promises["group"]  # 20 are held out, hundreds are wanted
    assert (promise.n_holdout, promise.rest.auto, dict(promise.own)) == (20, np.inf, {})
    assert min(promise.missing.values()) > 500, "in tickets, of which a fifth is held out"


def test_the_latest_tickets_are_held_out_when_they_are_ordered():
    fields, groups = desk(1500)
    turned = groups[:1200] + [{"access": "network"}.get(one, "access") for one in groups[1200:]]
    for labels, kept in ((groups, True), (turned, False)):
        promise = Triage().fit(fields, {"group": labels}, ordered=True).promises["group"]
        assert np.isfinite(promise.of("access").auto) == kept


def test_without_times_each_ticket_is_held_out_once():
    fields, groups = desk(150)
    promise = Triage().fit(fields, {"group": groups}, ordered=False).promises["group"]
    assert promise.n_holdout == 150
    assert promise.rest.n_right > 140, "by models that have not seen it"


def test_fitting_again_forgets_what_was():
    fields, groups = desk(60)
    model = Triage().fit(fields, {"group": groups}, ordered=False)
    assert model.fit(fields, {"team": groups}, ordered=False).targets == ("team",)


def test_a_target_of_one_class_is_named():
    fields, groups = desk(30)
    with pytest.raises(ValueError, match=r"target 'region': .*at least two classes"):
        Triage().fit(fields, {"group": groups, "region": ["emea"] * 30}, ordered=False)


def test_a_target_of_another_length_is_named():
    fields, _ = desk(30)
    with pytest.raises(ValueError, match="target 'group' has 2 labels for 30 tickets"):
        Triage().fit(fields, {"group": ["a", "b"]}, ordered=False)


def test_labels_that_are_not_text_are_named():
    fields, _ = desk(30)
    with pytest.raises(
        ValueError, match="target 'priority': labels must be str, got float and int"
    ):
        Triage().fit(fields, {"priority": [1, 2.0, "P3"] * 10}, ordered=False)


def test_no_target_is_refused():
    with pytest.raises(ValueError, match="at least one target"):
        Triage().fit(desk(30)[0], {}, ordered=False)


@pytest.mark.parametrize("precision", [0, 1, 95])
def test_precision_out_of_range(precision):
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\), got"):
        Triage(precision=precision)


# what is saved


def threshold(**changed):
    return Threshold(0.9, 8, 8, 8)._asdict() | changed


def sets(**changed):
    return Sets(0.9, 0.1, 8)._asdict() | changed


def test_loaded_model_decides_the_same(model, saved):
    fields, _ = desk(60, seed=8)
    loaded = Triage.load(saved)
    assert loaded.promises == model.promises
    wanted = model.decide(model.predict_proba(fields))
    for target, found in loaded.decide(loaded.predict_proba(fields)).items():
        for one, other in zip(found[:4], wanted[target][:4], strict=True):
            np.testing.assert_array_equal(one, other)
        assert found.prediction_sets == wanted[target].prediction_sets


@pytest.mark.parametrize("name", ["../out", "text.json", "a/b", ".", "Größe (cm)", "CON:"])
def test_any_target_name_stays_inside_the_folder(name, tmp_path):
    fields, groups = desk(60)
    folder = tmp_path / "model"
    folder.mkdir()
    Triage().fit(fields, {name: groups}, ordered=False).save(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert Triage.load(folder).targets == (name,)


def test_same_tickets_give_the_same_files(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        trained(n=90).save(tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "first") for path in tmp_path.glob("first/**/*.*"))
    assert len(files) == 9
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


class Planted:
    """Unpickling it would make the file that `touched` names."""

    def __init__(self, touched):
        self.touched = touched

    def __reduce__(self):
        return open, (str(self.touched), "w")


def archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("file", ["text.npz", "group/head.npz"])
def test_a_planted_pickle_is_refused_and_does_nothing(saved, file):
    touched = saved / "touched"
    objects = np.array([Planted(touched)], dtype=object)
    for content in (pickle.dumps(Planted(touched)), archive(coef=objects, intercept=objects)):
        (saved / file).write_bytes(content)
        with pytest.raises(ValueError, match=file):
            Triage.load(saved)
        assert not touched.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda kept: kept.pop("coef"), r"missing \['coef'\]"),
        (lambda kept: kept.update(more=kept["coef"]), r"not wanted \['more'\]"),
        (lambda kept: kept.update(coef=kept["coef"][:-1]), "coef is float32 of shape"),
        (lambda kept: kept.update(coef=kept["coef"].astype(float)), "coef is float64 of shape"),
        (lambda kept: kept.update(coef=kept["coef"] * np.nan), "not finite"),
    ],
    ids=["missing", "extra", "shape", "type", "nan"],
)
def test_arrays_that_do_not_fit_are_refused(saved, change, said):
    path = saved / "group" / "head.npz"
    with np.load(path) as kept:
        arrays = dict(kept)
    change(arrays)
    path.write_bytes(archive(**arrays))
    with pytest.raises(ValueError, match=rf"group/head\.npz.*{said}"):
        Triage.load(saved)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("triage.json", {"format": 99}, "format is 99, wanted 6 or 7; train again"),
        ("triage.json", {"format": 2}, "format is 2, wanted 6 or 7; train again"),
        ("triage.json", {"targets": "group"}, "targets is str, wanted list"),
        ("triage.json", {"targets": ["group", "group"]}, "names something twice"),
        ("triage.json", {"targets": ["other"]}, "other/head.json cannot be read"),
        ("text.json", {"words": []}, "words is float32 of shape"),
        ("text.json", {"more": 1}, r"not wanted \['more'\]"),
        ("group/head.json", {"temperature": 0.0}, "temperature must be above 0"),
        ("group/head.json", {"classes": ["a"]}, "coef is float32 of shape"),
        ("group/head.json", {"classes": [1, 2, 3]}, "must be a list of strings"),
        ("group/promise.json", {"own": []}, "own is list, wanted dict"),
        ("group/promise.json", {"rest": {"auto": 0.9}}, r"promise\.json: 'rest' has \['auto'\]"),
        ("group/promise.json", {"rest": threshold(auto=2.0)}, "auto of 'rest' cannot be true"),
        ("group/promise.json", {"rest": threshold(auto=True)}, "auto of 'rest' cannot be true"),
        ("group/promise.json", {"rest": threshold(n_right=9)}, "counts of 'rest' cannot be true"),
        ("group/promise.json", {"own": {"vpn": 3}}, "threshold of 'vpn' cannot be true"),
        ("group/promise.json", {"missing": {"vpn": -1}}, "missing of 'vpn' cannot be true"),
        ("group/promise.json", {"missing": {}}, "speaks of other classes"),
        ("group/promise.json", {"sets": sets(floor=-0.1)}, "floor or n of sets cannot be true"),
        ("group/promise.json", {"sets": sets(n=True)}, "floor or n of sets cannot be true"),
    ],
)
def test_json_that_does_not_fit_is_refused(saved, file, change, said):
    path = saved / file
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=said):
        Triage.load(saved)


@pytest.mark.parametrize("file", ["triage.json", "text.npz", "group/head.json", "group/head.npz"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"PK\x03\x04", None])
def test_a_broken_file_is_named(saved, file, content):
    if content is None:
        (saved / file).unlink()
    else:
        (saved / file).write_bytes(content)
    with pytest.raises(ValueError, match=file):
        Triage.load(saved)


def test_serving_needs_no_training_library(saved):
    program = (
        "import sys; from pathlib import Path; from models.triage import Triage;"
        f"model = Triage.load(Path({str(saved)!r}));"
        "model.decide(model.predict_proba({'title': ['vpn'], 'body': ['']}));"
        "print(sorted({'sklearn', 'pandas', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


# what is read


def test_what_stands_behind_the_limit_is_not_read():
    features = TextFeatures(min_authors=1).fit({"body": ["printer jam", "vpn down"]})
    long = "printer " + "x" * MAX_CHARACTERS
    rows = features.transform({"body": [long, long + " vpn down"]})
    assert (rows[[0]] != rows[[1]]).nnz == 0


def test_of_a_long_word_only_the_beginning_is_spelt_out():
    key = "k" * MAX_LETTERS
    assert letter_grams(key + "zzz") == letter_grams(key)


def test_one_spelling_for_each_letter():
    features = TextFeatures(min_authors=1).fit({"body": ["DÉFAUT ﬁchier"]})
    rows = features.transform({"body": ["défaut fichier", "de\u0301faut ﬁchier"]})
    assert rows.toarray()[0] == pytest.approx(rows.toarray()[1])
    assert rows.sum() > 0


def test_words_and_letters_weigh_the_same():
    fields, _ = desk(50)
    features = TextFeatures().fit(fields)
    lengths = np.sqrt((features.transform(fields) ** 2).sum(axis=1))
    np.testing.assert_allclose(lengths, np.sqrt(2), rtol=1e-5)


def test_the_commonest_terms_are_kept():
    features = TextFeatures(min_authors=1, max_terms=1).fit({"body": ["a vpn", "vpn b", "c vpn"]})
    assert features.terms("words") == ("vpn",)


def test_texts_without_a_common_word_are_refused():
    with pytest.raises(
        ValueError, match="no word was written by 3 people: 2 texts of body came from 2"
    ):
        TextFeatures().fit({"body": ["?", "!"]})


def test_unknown_columns_are_named():
    features = TextFeatures(min_authors=1).fit({"body": ["vpn"]})
    with pytest.raises(ValueError, match=r"wanted a text column of \['body'\], got \['title'\]"):
        features.transform({"title": ["vpn"]})


# on real tickets


@pytest.mark.skipif(not BANKING.exists(), reason=f"{BANKING} is absent; FOREWARN_DATA names it")
def test_banking77_is_told_apart_honestly():
    (row,) = run("banking77", [banking77(DATA)])
    figures = row.measured.evaluation
    assert (row.n_train, figures.n) == (9_999, 3_073), "repeated texts are dropped"
    assert figures.accuracy >= 0.905
    assert figures.ece <= 0.03
    assert row.measured.coverage > 0.7
    assert row.measured.auto_precision > 0.94
