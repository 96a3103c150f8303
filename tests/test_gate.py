import csv
import random
import re
import zlib

import numpy as np
import pytest
from typer.testing import CliRunner

from data.published import pointer
from data.settings import Settings
from models.compare import Answers, compare
from models.triage import Triage
from pipelines import gate, models
from pipelines.measure import cpu_ms
from pipelines.train import Recipe, train
from pipelines.workspace import model_name, workspace

THINGS = {
    "network": ["vpn drops", "wifi slow", "share cannot be reached", "proxy error"],
    "printing": ["printer jam", "toner empty", "scanner blurs", "no colour"],
    "account": ["password expired", "locked out", "new login", "pin reset"],
}


def write_tickets(path, n, seed, labelled=lambda rng, kind: kind):
    """Tickets of three kinds; in every tenth the label is simply wrong."""
    rng = random.Random(seed)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["title", "category"])
        for row in range(n):
            kind = rng.choice(list(THINGS))
            said = f"{rng.choice(THINGS[kind])} in room {rng.randrange(90_000)}"
            wrong = rng.choice(list(THINGS))
            out.writerow([said, wrong if row % 10 == 0 else labelled(rng, kind)])
    return path


SPOKEN = {
    "en": {
        "network": "the wifi in the meeting room is so slow that nobody can work with it",
        "printing": "the printer beside the kitchen has jammed and does not take any paper",
        "account": "my password has expired and I would like to have another one please",
    },
    "de": {
        "network": "das WLAN im Besprechungsraum ist so langsam, dass niemand arbeiten kann",
        "printing": "der Drucker neben der Küche klemmt und nimmt kein Papier mehr an",
        "account": "mein Kennwort ist abgelaufen und ich hätte bitte gerne ein neues davon",
    },
}


def write_bilingual(path, n, seed, labelled=lambda rng, kind, language: kind):
    """Every third ticket is German, every fifth of either mislabelled."""
    rng = random.Random(seed)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["title", "category"])
        for row in range(n):
            kind, language = rng.choice(list(THINGS)), "en" if row % 3 else "de"
            said = f"{SPOKEN[language][kind]}, {rng.randrange(90_000)}"
            wrong = rng.choice(list(THINGS))
            out.writerow([said, labelled(rng, kind, language) if row % 5 else wrong])
    return path


def german_by_lot(rng, kind, language):
    return kind if language == "en" else rng.choice(list(THINGS))


def never_printing(rng, kind):
    return rng.choice(["network", "account"]) if kind == "printing" else kind


def by_lot(rng, kind):
    return rng.choice(["network", "network", "printing"])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tickets")
    return {
        "good": write_tickets(folder / "good.csv", 300, seed=0),
        "broken": write_tickets(folder / "broken.csv", 300, seed=1, labelled=never_printing),
        "blind": write_tickets(folder / "blind.csv", 300, seed=2, labelled=by_lot),
        "later": write_tickets(folder / "later.csv", 200, seed=3),
        "blind later": write_tickets(folder / "blind_later.csv", 200, seed=4, labelled=by_lot),
        "bilingual": write_bilingual(folder / "two.csv", 300, seed=6),
        "bilingual later": write_bilingual(folder / "two_later.csv", 240, seed=7),
        "no German": write_bilingual(folder / "no_german.csv", 300, 8, german_by_lot),
        "few": write_tickets(folder / "few.csv", 12, seed=5, labelled=by_lot),
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("gate") / "home"


@pytest.fixture
def place(home, request):
    """One installation for all the stories, and a desk for each."""
    desk = f"desk{zlib.crc32(request.node.name.encode())}"
    with workspace(Settings(home=home, desk=desk)) as place:
        yield place


def name(place):
    return model_name(place.settings.desk)


def recipe(files, learn, test, seed=0):
    by_words = {"seed": seed, "encoder": False}
    return Recipe(("category",), ("title",), files[learn], files[test], **by_words)


def test_a_model_that_knows_nothing_is_refused_and_the_reason_says_so(place, files):
    report = train(place, recipe(files, "blind", "blind later"), promoted=True)
    assert not report.promoted
    assert "category is no better than always saying 'network'" in report.refused
    assert re.search(r"of \d+ test tickets against", report.refused)
    assert pointer(place.settings.home, name(place)) is None
    assert (
        place.registry().version(name(place), "1").notes[gate.GATE].startswith("refused: category")
    )


def test_a_refused_model_is_served_by_force_and_the_reason_is_kept(place, files):
    registry, home = place.registry(), place.settings.home
    train(place, recipe(files, "blind", "blind later"))
    with pytest.raises(gate.Refused, match="--force"):
        models.promote(registry, home, name(place))
    told = []
    models.promote(registry, home, name(place), force="for the tests of the page", tell=told.append)
    assert pointer(home, name(place)).version == "1"
    assert "no better than" in told[0]
    assert registry.version(name(place), "1").notes[gate.FORCED] == "for the tests of the page"


def test_few_test_tickets_are_a_warning_and_no_refusal(place, files):
    report = train(place, recipe(files, "blind", "few"), promoted=True)
    assert report.promoted
    assert any("so few tickets cannot show more" in note for note in report.notes)


def test_a_worse_challenger_is_refused_and_the_reason_names_the_broken_class(place, files):
    assert train(place, recipe(files, "good", "later"), promoted=True).promoted
    report = train(place, recipe(files, "broken", "later"), promoted=True)
    assert not report.promoted
    assert "category 'printing' is found in 0% of its" in report.refused
    assert "'network' is found" not in report.refused
    assert "category is worse than version 1" in report.refused
    assert pointer(place.settings.home, name(place)).version == "1"
    assert place.registry().by_alias(name(place), "champion").number == "1"
    with pytest.raises(gate.Refused, match="'printing'"):
        models.promote(place.registry(), place.settings.home, name(place), "2")


def test_a_challenger_that_is_worse_in_one_language_is_refused_and_the_reason_names_it(
    place, files
):
    assert train(place, recipe(files, "bilingual", "bilingual later"), promoted=True).promoted
    report = train(place, recipe(files, "no German", "bilingual later"), promoted=True)
    assert re.search(
        r"category is right on \d+% of the 80 tickets in 'de', version 1 on 8\d%", report.refused
    )
    assert "'en'" not in report.refused
    registry, home = place.registry(), place.settings.home
    rows = gate.judge(registry, home, name(place), "2").language_rows()
    assert [row[:3] for row in rows] == [["category", "de", "80"], ["category", "en", "160"]]


def test_a_language_of_few_tickets_or_alone_is_not_compared():
    truth = np.array(["a", "b"] * 60, dtype=object)
    sure = np.ones(len(truth))
    before = Answers(truth, sure)
    for few in (0, gate.ENOUGH - 1):
        languages = np.array(["fr"] * few + ["en"] * (len(truth) - few), dtype=object)
        wrong = np.where(languages == "fr", "?", truth)
        found = compare(truth, before, Answers(wrong, sure), languages=languages)
        assert "tickets in" not in "; ".join(gate.reasons("1", {"category": found})[0])


def timed(place, number, before, after):
    """As if that version had been measured so beside version 1."""
    run = place.registry().version(name(place), number).run_id
    kept = place.settings.home / "mlflow-artifacts" / run / "artifacts" / "tables" / "cpu.csv"
    kept.write_text(f"version,before,after\n1,{before},{after}\n")


def test_a_judgement_asks_the_registry_for_its_versions_once(place, files, monkeypatch):
    train(place, recipe(files, "good", "later"), promoted=True)
    train(place, recipe(files, "broken", "later"))
    registry, asked = place.registry(), []
    versions = registry.versions
    monkeypatch.setattr(registry, "versions", lambda name: asked.append(name) or versions(name))
    gate.judge(registry, place.settings.home, name(place), "2")
    assert len(asked) == 1


def test_a_challenger_that_takes_much_longer_is_refused_and_served_by_force(place, files):
    train(place, recipe(files, "good", "later"), promoted=True)
    train(place, recipe(files, "good", "later", seed=1))
    timed(place, "2", 4.0, 11.0)
    registry, home = place.registry(), place.settings.home
    told = r"a ticket takes it 11\.0 ms of CPU, version 1 4\.0"
    with pytest.raises(gate.Refused, match=told):
        models.promote(registry, home, name(place), "2")
    assert models.promote(registry, home, name(place), "2", force="worth it").version == "2"


@pytest.mark.parametrize(
    ("before", "after", "slower"),
    [(4.0, 11.0, True), (4.0, 7.9, False), (20.0, 30.0, False), (0.5, 5.4, False)],
    ids=["much slower", "not twice", "10 ms but not twice", "twice but not 5 ms"],
)
def test_slower_is_twice_as_slow_and_five_milliseconds(before, after, slower):
    assert gate.Pace(before, after).slower == slower


class Slow(Triage):
    """A model that takes the clock's seconds and has nothing to say."""

    def __init__(self, clock, *seconds):
        super().__init__()
        self.clock, self.seconds = clock, list(seconds)

    def answer(self, fields, tier=None):
        self.clock.append(self.clock[-1] + self.seconds.pop(0))


def test_the_time_of_a_ticket_is_the_mean_without_what_a_first_one_loads():
    clock = [0.0]
    quick, slow = Slow(clock, 60, *[0.002] * 3), Slow(clock, 60, 0.001, 0.009, 0.005)
    took = cpu_ms([quick, slow], {"title": ["a", "b", "c"]}, clock=lambda: clock[-1])
    assert took == pytest.approx([2.0, 5.0])


def test_a_challenger_that_is_as_good_is_served(place, files):
    train(place, recipe(files, "good", "later"), promoted=True)
    report = train(place, recipe(files, "good", "later", seed=1), promoted=True)
    assert report.promoted, report.refused
    versions = [place.registry().version(name(place), number) for number in ("1", "2")]
    found = gate.paired(place.registry(), *versions)["category"]
    assert found.n > 190
    assert found.accuracy_before == pytest.approx(found.accuracy_after, abs=0.02)


def test_tickets_that_the_served_model_has_learnt_are_not_compared(place, files):
    train(place, recipe(files, "later", "good"), promoted=True)
    train(place, recipe(files, "good", "later"))
    verdict = gate.judge(place.registry(), place.settings.home, name(place), "2")
    assert verdict.baselines["category"].n == 200
    assert not verdict.comparisons
    assert "no tickets that both were tested on" in verdict.warnings[0]


def test_two_challengers_are_compared_by_the_tickets_that_both_were_tested_on(place, files):
    for learn in ("good", "broken"):
        train(place, recipe(files, learn, "later"))  # nothing is served yet
    models.promote(place.registry(), place.settings.home, name(place), "1")
    with pytest.raises(gate.Refused, match="'printing' is found in 0%"):
        models.promote(place.registry(), place.settings.home, name(place), "2")


def test_no_words_of_a_ticket_are_kept_with_a_version(place, files):
    train(place, recipe(files, "good", "later"), promoted=True)
    train(place, recipe(files, "broken", "later"))
    run = place.registry().version(name(place), "2").run_id
    tables = place.settings.home / "mlflow-artifacts" / run / "artifacts" / "tables"
    names = {"answers.csv", "champion_answers.csv", "learnt.csv", "cpu.csv"}
    names |= {"category_per_class.csv", "category_states.csv"}
    assert {path.name for path in tables.iterdir()} == names
    for path in tables.iterdir():
        assert not any(word in path.read_text() for word in ("toner", "printer", "room"))


def test_the_command_line_compares_refuses_and_obeys_force(place, files):
    from pipelines.__main__ import app

    train(place, recipe(files, "good", "later"), promoted=True)
    train(place, recipe(files, "broken", "later"))
    given = ["--home", str(place.settings.home), "--desk", place.settings.desk, "models"]
    told = CliRunner().invoke(app, [*given, "compare"])
    assert told.exit_code == 0, told.output
    assert "Against it: category 'printing' is found in 0%" in told.output
    assert "CPU a ticket: " in told.output
    refused = CliRunner().invoke(app, [*given, "promote"])
    assert isinstance(refused.exception, gate.Refused)
    forced = CliRunner().invoke(app, [*given, "promote", "--force", "we know"])
    assert forced.exit_code == 0, forced.output
    assert pointer(place.settings.home, name(place)).version == "2"


def answers(truth, share_right, rng, probability=0.9):
    """A model that is right on that share of the tickets, and says what it says for sure."""
    other = np.roll(np.unique(truth), 1)[np.searchsorted(np.unique(truth), truth)]
    label = np.where(rng.random(len(truth)) < share_right, truth, other)
    return Answers(label, np.full(len(truth), probability))


def refused(target, truth, before, after):
    return gate.reasons("1", {target: compare(truth, before, after)})[0]


def test_equal_models_are_seldom_refused():
    """Many classes, and no class is worse but by luck: 5 % overall, 5 % over all the classes."""
    rng = np.random.default_rng(0)
    truth = np.array([f"class {n}" for n in range(40)] * 15, dtype=object)
    n = sum(
        bool(refused("category", truth, *(answers(truth, 0.9, rng) for _ in range(2))))
        for _ in range(60)
    )
    assert n <= 9  # of 60 at 10 %: more with a chance of 8 %, and the tests are stricter than that


def test_the_first_priority_is_a_question_of_its_own():
    """What may be chance among forty classes is none where a ticket cannot wait."""
    truth = np.array([f"P{n}" for n in range(1, 41)] * 20, dtype=object)
    before = Answers(truth, np.ones(len(truth)))
    fallen = truth.copy()
    fallen[np.flatnonzero(truth == "P1")[:6]] = "P2"
    after = Answers(fallen, np.ones(len(truth)))
    told = "; ".join(refused("priority", truth, before, after))
    assert "priority 'P1' is found in 70% of its 20 tickets, by version 1 in 100%" in told
    assert "is found" not in "; ".join(refused("category", truth, before, after))


def test_a_challenger_whose_probabilities_lie_is_refused():
    rng = np.random.default_rng(0)
    truth = np.array(["a", "b", "c"] * 200, dtype=object)
    honest = answers(truth, 0.8, rng, 0.8)
    boasting = Answers(honest.label, np.full(len(truth), 0.99))
    assert "have become less true" in refused("category", truth, honest, boasting)[0]
    assert not refused("category", truth, boasting, honest)
