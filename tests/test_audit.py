import csv
import gzip
import os
import random
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.duplicates import nearly_same
from pipelines.audit import CONFLICT, COPY, LABEL, LEAK, NEAR_LEAK, Question, audit, write

REFERENCE = Path(os.environ.get("FOREWARN_DATA", Path(__file__).parents[2] / "shared" / "data"))

THINGS = {
    "network": ["vpn drops", "wifi is slow", "cannot reach the share", "proxy refuses the port"],
    "printing": ["printer jams", "toner is empty", "scanner blurs pages", "tray lacks paper"],
    "account": ["password expired", "account is locked", "login is refused", "pin needs a reset"],
}


def ticket(rng, kind):
    """A ticket's text: its beginning tells the kind, the rest nothing."""
    rest = " ".join(f"{rng.choice('bcdfgklmnprst')}{rng.choice('aeiou')}{n}" for n in range(8))
    return f"{rng.choice(THINGS[kind])} in room {rng.randrange(900)}, {rest} {rng.random():.6f}"


def tickets(n, seed=0):
    """Rows of text, category, and a number that the text says nothing about."""
    rng = random.Random(seed)
    kinds = [rng.choice(list(THINGS)) for _ in range(n)]
    return [[ticket(rng, kind), kind, rng.choice("123")] for kind in kinds]


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["text", "category", "impact"], *rows])
    return path


def asked(file, *targets, **more):
    return audit(Question(file, targets or ("category",), ("text",), **more))


def test_copies_and_leaks_are_named_by_their_lines(tmp_path):
    train, test = tickets(60), tickets(30, seed=1)
    train[9][0] = f"  {train[3][0].upper()} "  # rows 9 and 3 stand on lines 11 and 5
    test[4] = train[7]
    test[6][0] = train[8][0].replace("in room", "in the room")
    files = write_csv(tmp_path / "a.csv", train), write_csv(tmp_path / "b.csv", test)
    found = asked(files[0], test=files[1])
    places = {
        reason: [(one.file, one.line, one.other_file, one.other_line) for one in found.of(reason)]
        for reason in (COPY, LEAK, NEAR_LEAK)
    }
    assert places == {
        COPY: [("a.csv", 11, "a.csv", 5)],
        LEAK: [("b.csv", 6, "a.csv", 9)],
        NEAR_LEAK: [("b.csv", 8, "a.csv", 10)],
    }
    assert (found.n_train, found.n_test, found.how) == (60, 30, "file")


def test_without_a_test_file_leaks_go_by_the_split_of_a_training(tmp_path):
    rows = tickets(100)
    for row in rows[50:]:
        row[0] = rows[0][0]  # half of the tickets say the same
    found = asked(write_csv(tmp_path / "a.csv", rows))
    assert (found.how, found.n_train + found.n_test) == ("stratified", 100)
    assert found.n_test == pytest.approx(20, abs=2)
    assert len(found.of(LEAK)) + len(found.of(COPY)) == 50
    assert len(found.of(LEAK)) > 5


def test_a_text_labelled_two_ways_is_a_conflict_on_both_lines(tmp_path):
    rows = tickets(40)
    rows[30] = [rows[2][0], "network" if rows[2][1] != "network" else "account", "1"]
    found = asked(write_csv(tmp_path / "a.csv", rows))
    assert sorted(one.line for one in found.of(CONFLICT, "category")) == [4, 32]


def test_planted_wrong_labels_are_found(tmp_path):
    rows, rng = tickets(600), random.Random(5)
    planted = sorted(rng.sample(range(len(rows)), 60))
    for row in planted:
        rows[row][1] = rng.choice([kind for kind in THINGS if kind != rows[row][1]])
    found = asked(write_csv(tmp_path / "a.csv", rows)).of(LABEL, "category")
    named = {one.line - 2 for one in found}
    assert len(named & set(planted)) >= 0.8 * len(planted)
    assert len(named & set(planted)) >= 0.8 * len(named)
    assert all(one.fits in THINGS and one.fits != one.label for one in found)
    assert found[0].probability == min(one.probability for one in found)


def test_a_label_that_the_text_says_nothing_about_has_no_signal(tmp_path):
    found = asked(write_csv(tmp_path / "a.csv", tickets(400)), "category", "impact")
    told, blind = found.targets["category"].signal, found.targets["impact"].signal
    assert told.found
    assert (told.p, told.accuracy) == (0.005, pytest.approx(1, abs=0.02))
    assert not blind.found
    assert blind.accuracy < blind.majority + 0.1
    assert not found.of(LABEL, "impact"), "with no signal every label would look wrong"


def test_too_few_tickets_say_nothing_either_way(tmp_path):
    found = asked(write_csv(tmp_path / "a.csv", tickets(9)))
    assert found.targets["category"].signal is None


def test_small_classes_are_told_how_many_tickets_they_lack(tmp_path):
    rows = [*tickets(90), *[[f"fax {n} is dead", "fax", "1"] for n in range(5)]]
    files = write_csv(tmp_path / "a.csv", rows), write_csv(tmp_path / "b.csv", tickets(9, seed=3))
    one = asked(files[0], test=files[1]).targets["category"]
    assert one.missing["fax"] > 100  # that are held out, before any could stand alone
    assert one.counts["fax"] == 5


def test_no_two_nearly_same_texts_are_missed():
    """Against comparing all pairs, on texts of one to thirty words."""
    rng = np.random.default_rng(0)
    texts = []
    for _ in range(150):
        words = rng.integers(0, 60, rng.integers(1, 30))
        texts += [" ".join(map(str, words)), " ".join(map(str, [*words, rng.integers(60)]))]
    sets = [set(text.split()) for text in texts]
    expected = np.full(len(texts), -1)
    for row, own in enumerate(sets):
        earlier = [at for at in range(row) if expected[at] < 0]
        near = [at for at in earlier if len(own & sets[at]) >= 0.9 * len(own | sets[at])]
        expected[row] = near[0] if near else -1
    assert (expected >= 0).sum() > 50
    assert nearly_same(texts).tolist() == expected.tolist()


def test_the_file_of_findings_names_lines_and_holds_no_text(tmp_path):
    rows = [*tickets(40), ["my name is Ada Lovelace", "account", "1"]] * 2
    found = asked(write_csv(tmp_path / "a.csv", rows))
    write(found.findings, tmp_path / "found.csv")
    told = (tmp_path / "found.csv").read_text()
    assert "Lovelace" not in told
    written = list(csv.DictReader(told.splitlines()))
    assert len(written) == len(found.findings) == 41
    assert [int(row["line"]) for row in written] == sorted(int(row["line"]) for row in written)


def test_the_command_prints_the_verdict_and_writes_the_file(tmp_path):
    from pipelines.__main__ import app

    file, out = write_csv(tmp_path / "a.csv", tickets(200)), tmp_path / "found.csv"
    given = ["--text", "text", "--target", "category", "--target", "impact", "--out", str(out)]
    done = CliRunner().invoke(app, ["--home", str(tmp_path), "audit", str(file), *given])
    assert done.exit_code == 0, done.output
    assert out.exists()
    wrong = CliRunner().invoke(app, ["audit", str(file), "--text", "title"])
    assert "no column title" in str(wrong.exception)


@pytest.fixture
def reference():
    folder = REFERENCE / "tickets"
    if not folder.exists():
        pytest.skip(f"no reference data in {folder}; FOREWARN_DATA names it")
    return folder


def test_the_known_copies_of_the_bank_questions_are_listed(reference, tmp_path):
    """Every tenth ticket is enough to judge labels by; the copies are looked for in all."""
    from models.duplicates import same
    from pipelines.dataset import from_file

    parts = [
        from_file(reference / f"banking77_{part}.csv.gz", ["text"], ["category"]).texts()
        for part in ("train", "test")
    ]
    twins = same(parts[0] + parts[1])
    n = len(parts[0])
    assert (twins[:n] >= 0).sum() == 4
    assert ((twins[n:] >= 0) & (twins[n:] < n)).sum() == 7


@pytest.mark.parametrize("target", ["Ticket Type", "Ticket Priority"])
def test_random_labels_have_no_signal(reference, tmp_path, target):
    with gzip.open(reference / "SYNTHETIC_kaggle_customer_support_tickets.csv.gz", "rt") as file:
        rows = [[row["Ticket Description"], row[target]] for row in csv.DictReader(file)][:800]
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["text", "category"], *rows])
    assert not asked(path).targets["category"].signal.found
