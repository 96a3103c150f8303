"""Tickets that nobody has labelled yet help the few that have a label."""

import csv

import pytest

from data.settings import Settings
from pipelines.dataset import from_file, with_loose
from pipelines.train import Recipe, train
from pipelines.workspace import workspace

LABELLED = [
    ("the printer is jammed again", "printing"),
    ("toner of the big printer is empty", "printing"),
    ("a printer prints blank pages", "printing"),
    ("vpn drops every few minutes", "network"),
    ("no wifi in the meeting room", "network"),
    ("the network is slow today", "network"),
]
OTHERS = [f"{thing} does not work, number {n}" for n in range(20) for thing in ("printer", "vpn")]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "tickets.csv"
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["title", "category"])
        rows.writerows([*LABELLED, *((text, "") for text in OTHERS)])
    return file


def test_they_are_told_and_learnt_from_while_labels_are_few(path):
    data = from_file(path, ["title"], ["category"])
    assert len(data) == 6
    assert "40 tickets have no label" in data.notes
    more = with_loose(data)
    assert more.fields["title"][6:] == OTHERS
    assert set(more.labels["category"][6:]) == {None}


def test_with_enough_labels_they_are_left_out(path):
    data = from_file(path, ["title"], ["category"])
    many = data.take([row % 6 for row in range(60)])
    assert with_loose(many) is many


def test_they_are_never_measured_on(path, encoder_home):
    with workspace(Settings(home=encoder_home, desk="few")) as place:
        report = train(place, Recipe(("category",), ("title",), file=path))
    assert report.n_train + report.n_test == 6
    assert report.measured["category"].evaluation.n == report.n_test
