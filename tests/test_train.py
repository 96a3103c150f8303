import csv
import io
import pickle
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.published import open_published, pointer
from data.settings import Settings
from models.triage import Triage
from pipelines import models
from pipelines.dataset import from_file
from pipelines.encoder import forget
from pipelines.split import Split, split
from pipelines.train import Recipe, fit, load, train
from pipelines.workspace import workspace

NAME = "ticket-it"
WORDS = {
    "network": ["vpn drops", "wifi slow in room", "cannot reach the share", "proxy error on port"],
    "printing": ["printer jam on floor", "toner empty", "scanner blurs page", "no colour in tray"],
    "account": ["password expired", "locked out since", "new starter needs login", "reset pin for"],
}


def write_tickets(path, n=240, seed=0):
    """Tickets of three kinds; in every tenth the desk's label is simply wrong."""
    rng = random.Random(seed)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["created_at", "title", "body", "category", "impact"])
        for row in range(n):
            kind = rng.choice(list(WORDS))
            label = rng.choice(list(WORDS)) if row % 10 == 0 else kind
            body = f"since {rng.randrange(24)}:00 on desk {rng.randrange(900)}"
            at = f"2026-01-{1 + row * 28 // n:02}T09:00:00Z"
            impact = "high" if "share" in (title := rng.choice(WORDS[kind])) else "low"
            out.writerow([at, title, body, label, impact])
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    home = tmp_path_factory.mktemp("train") / "home"
    with workspace(Settings(home=home, desk="it")) as place:
        yield place


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    file = write_tickets(tmp_path_factory.mktemp("tickets") / "tickets.csv")
    return Recipe(targets=("category", "impact"), file=file, encoder=False)


@pytest.fixture(scope="module")
def reports(place, recipe):
    """Two trainings: the second, of another seed, is the @challenger."""
    other = replace(recipe, targets=("category",), by="stratified", seed=1)
    return [train(place, recipe), train(place, other)]


@pytest.fixture
def registry(place, reports):
    """The registry with version 1 served, as each story begins."""
    registry = place.registry()
    shutil.rmtree(place.settings.home / "models", ignore_errors=True)
    models.promote(registry, place.settings.home, NAME, "1")
    return registry


def artifacts(place, number):
    run_id = place.registry().version(NAME, number).run_id
    return place.settings.home / "mlflow-artifacts" / run_id / "artifacts"


def test_what_was_measured_is_told_and_kept(place, reports):
    report = reports[0]
    figures = report.measured["category"].evaluation
    assert (report.how, report.n_train, report.version.number) == ("time", 192, "1")
    assert figures.majority_accuracy < 0.6 < figures.accuracy
    kept = report.version.metrics
    assert kept["category/accuracy"] == pytest.approx(figures.accuracy)
    assert kept["impact/majority_accuracy"] > 0.5
    assert kept["category/network/recall"] == figures.per_class["network"].recall
    assert [row[0] for row in report.rows()] == ["category", "impact"]
    assert f"{figures.accuracy:.3f} ± {figures.accuracy_se:.3f}" in report.rows()[0]
    assert "category: 0 of 3 classes have a promise of their own" in " ".join(report.notes)


def test_a_training_leaves_pictures_tables_and_where_it_came_from(place, reports):
    folder = artifacts(place, "1")
    assert sorted(path.name for path in (folder / "figures").iterdir()) == [
        f"{target}_{what}.png"
        for target in ("category", "impact")
        for what in ("confusion", "coverage", "learning", "reliability")
    ]
    table = list(
        csv.DictReader(io.StringIO((folder / "tables/category_per_class.csv").read_text()))
    )
    assert sum(int(row["n"]) for row in table) == reports[0].n_test
    assert {row["auto_threshold"] for row in table} == {"inf"}, (
        "38 held-out tickets promise nothing"
    )
    assert {float(row["auto_coverage"]) for row in table} == {0}
    assert all(int(row["missing"]) > 1000 for row in table), "a fifth of them would be held out"
    run = place.registry().client.get_run(reports[0].version.run_id)
    assert run.data.params["source"] == "tickets.csv"
    assert len(run.data.params["data_hash"]) == 129
    assert run.info.status == "FINISHED"


def test_the_registered_model_is_the_one_that_was_measured(place, reports, tmp_path):
    folder = place.registry().fetch(NAME, "1", tmp_path / "model")
    model = Triage.load(folder)
    assert model.targets == ("category", "impact")
    assert model.features.columns == ("title", "body")
    labels = model.decide(model.predict_proba({"title": ["toner empty"], "body": [""]}))
    assert labels["category"].labels.tolist() == ["printing"]


def test_a_training_reads_what_texts_mean_and_tells_how_far_it_is(encoder_home, recipe):
    said = []
    parts = split(from_file(recipe.file, recipe.text, recipe.targets).take(range(120)))
    model = fit(
        parts, replace(recipe, encoder=True), encoder_home, report=lambda *now: said.append(now)
    )
    assert model.meaning is not None
    assert said == [(n, 192) for n in (50, 96, 146, *[192] * 5)], (
        "96 titles, 96 bodies, and the names of two targets' classes in either place"
    )
    assert Path(encoder_home, "vectors").exists()
    forget(encoder_home)
    assert not Path(encoder_home, "vectors").exists()


def test_without_the_weights_the_way_out_is_named(tmp_path, recipe, monkeypatch):
    monkeypatch.setattr("pipelines.encoder.PACKAGE", "no_such_package")
    parts = split(from_file(recipe.file, recipe.text, recipe.targets))
    with pytest.raises(LookupError, match=r"no_such_package is not installed.*--no-encoder"):
        fit(parts, replace(recipe, encoder=True), tmp_path)


def test_no_name_of_a_few_people_can_be_read_in_a_model(place, tmp_path):
    """Ann writes her name fifty times and Bob hers once; three people write of the zebra."""
    rng, path = random.Random(0), tmp_path / "named.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["title", "category", "caller_id"])
        for row in range(240):
            kind = rng.choice(list(WORDS))
            who, said = f"p{row}@example.com", ""
            if row < 51:
                who, said = ("ann" if row else "bob"), f"Wjykowska {row}"
            elif row < 54:
                said = "zebra"
            out.writerow([f"{rng.choice(WORDS[kind])} {said}", kind, who])
    recipe = Recipe(("category",), ("title",), path, by="stratified", encoder=False)
    tickets = load(place, recipe)
    (tmp_path / "model").mkdir()
    fit(Split(tickets, tickets, False, "", ()), recipe, tmp_path).save(tmp_path / "model")
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("model/**/*.*")).lower()
    assert b"printer jam" in kept
    assert b"zebra" in kept
    for part in (b"wjyko", b"kowsk", b"example.com", b"p200"):
        assert part not in kept


def test_the_derived_priority_is_measured_and_its_matrix_checked(place, tmp_path):
    path = tmp_path / "levels.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["title", "impact", "urgency", "priority"])
        for row in range(200):
            hit, soon = row % 2, row // 2 % 2
            texts = ["everybody", "just me"][hit], ["at once", "some day"][soon], row
            levels = ["High", "Low"][hit], ["1", "3"][soon]
            out.writerow(["{} {} {}".format(*texts), *levels, f"P{1 + 2 * hit + 2 * soon}"[:2]])
    recipe = Recipe(("impact", "urgency"), ("title",), path, encoder=False)
    with workspace(replace(place.settings, desk="levels")) as other:
        notes = train(other, recipe).notes
    assert any("priority, derived from impact and urgency:" in note for note in notes)
    assert any("more are needed to promise 95% of them" in note for note in notes)
    wrong = replace(place.settings, desk="levels", priority_matrix=str(tmp_path / "none.json"))
    with workspace(wrong) as other, pytest.raises(ValueError, match="FOREWARN_PRIORITY_MATRIX"):
        train(other, recipe)


def test_training_again_on_the_same_tickets_is_the_same_version(place, recipe, reports):
    assert train(place, recipe).version.number == "1"
    assert len(place.registry().versions(NAME)) == 2
    place.registry().set_alias(NAME, "challenger", "2")


def test_promotion_serves_the_challenger_and_rollback_what_was_before(place, registry):
    home = place.settings.home
    assert models.promote(registry, home, NAME).version == "2"
    assert models.promote(registry, home, NAME).previous == ("1",), "twice is once"
    assert registry.by_alias(NAME, "champion").number == "2"
    assert open_published(home, NAME).run_id == registry.version(NAME, "2").run_id
    assert [row[:1] + row[2:4] for row in models.rows(registry, home, NAME)] == [
        ["2", "@challenger, @champion", "yes"],
        ["1", "", ""],
    ]
    assert models.rollback(registry, home, NAME).version == "1"
    assert registry.by_alias(NAME, "champion").number == "1"
    with pytest.raises(LookupError, match="nothing to roll 'ticket-it' back to: only version 1"):
        models.rollback(registry, home, NAME)


def test_rollback_works_where_the_old_folder_is_damaged(place, registry):
    home = place.settings.home
    models.promote(registry, home, NAME, "2")
    (home / "models" / NAME / "1" / "triage.json").write_text("{}")
    assert models.rollback(registry, home, NAME).version == "1"
    assert models.served(home, NAME).targets == ("category", "impact")


def test_a_promotion_killed_before_the_pointer_is_mended_by_another(place, registry):
    registry.set_alias(NAME, "champion", "2")
    assert pointer(place.settings.home, NAME).version == "1"
    assert models.promote(registry, place.settings.home, NAME).version == "2"
    assert pointer(place.settings.home, NAME).previous == ("1",)


class Malicious:
    """Unpickling this makes the file that it names."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


def as_pickle(folder, mark):
    (folder / "text.npz").write_bytes(pickle.dumps(Malicious(mark)))


def as_object_array(folder, mark):
    with np.load(folder / "text.npz") as archive:
        arrays = dict(archive)
    arrays[next(iter(arrays))] = np.array([Malicious(mark)], dtype=object)
    np.savez(folder / "text.npz", **arrays)


def as_extra_pickle(folder, mark):
    (folder / "model.pkl").write_bytes(pickle.dumps(Malicious(mark)))


def as_no_model(folder, mark):
    (folder / "triage.json").unlink()


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (as_pickle, "text.npz"),
        (as_object_array, "text.npz"),
        (as_extra_pickle, "model.pkl has no place in a model"),
        (as_no_model, "triage.json"),
    ],
    ids=["pickle for npz", "object array", "extra pickle", "no model"],
)
def test_a_planted_file_is_refused_and_the_champion_stays(place, registry, tmp_path, plant, told):
    folder, kept = artifacts(place, "2") / "model", tmp_path / "kept"
    shutil.copytree(folder, kept)
    try:
        plant(folder, tmp_path / "mark")
        with pytest.raises(ValueError, match=told):
            models.promote(registry, place.settings.home, NAME, "2")
    finally:
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
    assert not (tmp_path / "mark").exists(), "nothing was unpickled"
    assert open_published(place.settings.home, NAME).version == "1"
    assert registry.by_alias(NAME, "champion").number == "1"


def test_a_version_that_is_not_there_is_said(place, registry):
    with pytest.raises(LookupError, match=r"no version 7 of 'ticket-it'.* there are: 2, 1"):
        models.promote(registry, place.settings.home, NAME, "7")
    with pytest.raises(LookupError, match="no model 'ticket-hr' has been trained yet"):
        models.promote(registry, place.settings.home, "ticket-hr")
    with pytest.raises(LookupError, match="none is served yet"):
        models.rollback(registry, place.settings.home, "ticket-hr")


def test_a_training_is_told_on_one_page_that_repeats_no_ticket(place, reports):
    run = place.settings.home / "mlflow-artifacts" / reports[0].version.run_id
    page = (run / "artifacts" / "report.html").read_text()
    for target, one in reports[0].measured.items():
        assert f"<h2>{target}</h2>" in page
        assert f"{one.evaluation.accuracy:.3f} ± {one.evaluation.accuracy_se:.3f}" in page
        assert all(f"<td>{label}</td>" in page for label in one.evaluation.per_class)
    assert page.count("data:image/png;base64,") == 4 * len(reports[0].measured)
    assert "<h3>By language</h3>" in page
    assert not any(text in page for kind in WORDS.values() for text in kind)
