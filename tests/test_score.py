import copy
import csv
import json
import math

import numpy as np
import pytest

from data.published import publish
from data.settings import Settings
from models.conformal import Sets
from models.priority import Derived
from models.promise import Promise, Threshold
from models.triage import Answers, Triage
from pipelines.score import load_model, score_file
from pipelines.workspace import workspace

TEXTS = ["toner empty", "vpn down", "printer jam", "vpn slow"]


@pytest.fixture(scope="module")
def model():
    fields = {"title": TEXTS * 30, "body": (["please help"] * 4 + ["since today"] * 4) * 15}
    return Triage().fit(fields, {"group": ["print", "net"] * 60}, ordered=False)


def write(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_a_ticket_in_the_order_of_the_file(model, tmp_path):
    rows = [[TEXTS[number % 4], "please help"] for number in range(7003)]
    path = write(tmp_path / "t.csv", ["title", "body"], rows)
    seen = []
    n = score_file(model, path, tmp_path / "out.csv", report=lambda done, total: seen.append(done))
    assert (n, seen) == (7003, [5000, 7003])
    found = read(tmp_path / "out.csv")
    assert list(found[0]) == [
        "group",
        "group_probability",
        "group_decision",
        "group_set",
        "group_unknown",
    ]
    assert [row["group"] for row in found] == [["print", "net"][n % 2] for n in range(7003)]
    assert all(0.5 < float(row["group_probability"]) <= 1 for row in found)
    assert {row["group_decision"] for row in found} <= {"auto", "suggest"}
    assert all(json.loads(row["group_set"])[0] == row["group"] for row in found)


@pytest.mark.parametrize(("flagged", "told"), [([True, False], ["yes", "no"]), (None, ["", ""])])
def test_a_derived_priority_is_written_beside(model, tmp_path, flagged, told):
    path = write(tmp_path / "t.csv", ["title", "body"], [["vpn down", ""], ["toner empty", ""]])
    deriving = copy.copy(model)
    both = np.array(["P1", "P4"], object)
    given = np.array([0.9, 0.8])
    flags = None if flagged is None else np.array(flagged)
    deriving.priority = "some"
    deriving.priorities = lambda _: Derived(both, given, both, both, both, given, flags)
    score_file(deriving, path, tmp_path / "out.csv")
    rows = read(tmp_path / "out.csv")
    assert [row["priority"] for row in rows] == ["P1", "P4"]
    assert [row["priority_probability"] for row in rows] == ["0.900000", "0.800000"]
    assert [row["priority_flagged"] for row in rows] == told


def test_an_abstention_is_said_beside_the_best_guess(model, tmp_path):
    path = write(tmp_path / "t.csv", ["title", "body"], [["vpn printer", ""]])
    unsure = copy.copy(model)
    never, all_labels = Threshold(math.inf, 0, 0, 0), Sets(0.9, 0.0, 0)
    unsure.promises = {"group": Promise(0.95, 0.9, never, {}, {}, all_labels)}
    even = {"group": np.array([[0.5 - 1e-9, 0.5 - 1e-9]])}
    unsure.answer = lambda fields: Answers(even, unsure.verdicts(even), np.array([False]))
    score_file(unsure, path, tmp_path / "out.csv")
    (row,) = read(tmp_path / "out.csv")
    assert row["group"] in {"net", "print"}
    assert (row["group_decision"], row["group_set"]) == ("abstain", "")
    assert float(row["group_probability"]) == 0.5


def test_columns_of_other_names_are_found_or_mapped(model, tmp_path):
    path = write(tmp_path / "t.csv", ["Summary", "Was ist los"], [["toner empty", "please help"]])
    with pytest.raises(
        ValueError, match=r"no column body; its columns: Summary, Was ist los; .*--map body="
    ):
        score_file(model, path, tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == [path], "nothing half-written is left"
    score_file(model, path, tmp_path / "out.csv", mapping={"body": "Was ist los"})
    assert read(tmp_path / "out.csv")[0]["group"] == "print"


def test_a_failure_half_way_leaves_the_old_file(model, tmp_path):
    path = write(tmp_path / "t.csv", ["title", "body"], [["vpn", "down"]] * 6000)
    (tmp_path / "out.csv").write_text("old")

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_file(model, path, tmp_path / "out.csv", report=stop)
    assert (tmp_path / "out.csv").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


def test_the_desks_own_model_is_used_or_one_by_name(model, tmp_path):
    (tmp_path / "model").mkdir()
    model.save(tmp_path / "model")
    with workspace(Settings(home=tmp_path / "home", desk="it")) as place:
        with pytest.raises(LookupError, match="no model 'ticket-it'"):
            load_model(place)
        publish(place.settings.home, "ticket-it", "3", "run-a", tmp_path / "model")
        assert load_model(place)[1] == "ticket-it@3"
        assert load_model(place, "ticket-it@3")[0].targets == ("group",)
        with pytest.raises(ValueError, match="--model wants NAME@VERSION"):
            load_model(place, "ticket-it")
