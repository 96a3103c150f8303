from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from data.records import Feedback, Ticket
from data.settings import Settings
from pipelines.dataset import Dataset, from_file, from_store
from pipelines.split import split
from pipelines.workspace import workspace

MONDAY = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.fixture
def place(tmp_path):
    with workspace(Settings(home=tmp_path / "home", desk="it")) as place:
        yield place


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def numbered(n, **more):
    fields = {"title": [f"ticket {number}" for number in range(n)]}
    return Dataset(fields, {"kind": ["a", "b"] * (n // 2)}, **more)


def test_a_file_is_read_by_its_columns_and_masked(tmp_path):
    path = write(
        tmp_path / "t.csv",
        "Created,Summary,Description,Impact",
        "2026-01-05 09:00,VPN down,mail ada@example.com,High",
        "2026-01-05 10:00,Printer,jammed, ",
    )
    data = from_file(path, ["Summary", "Description"], ["impact"])
    assert data.fields == {"title": ["VPN down"], "body": ["mail <email>"]}
    assert data.labels == {"impact": ["High"]}
    assert data.opened_at.tolist() == [datetime(2026, 1, 5, 9)]
    assert data.notes == ("1 tickets have no label",)


@pytest.mark.parametrize(
    ("text", "target", "mapping", "told"),
    [
        ("title", "kind", {}, r"no column title; its columns: Betreff, kind; .*--map title=COLUMN"),
        ("title", "sort", {"title": "Betreff"}, "no column sort"),
        ("title", "kind", {"title": "Subject"}, "--map title=Subject: .* no such column"),
        ("kind", "kind", {}, "column 'kind' is both a text and a target"),
    ],
    ids=["text", "target", "mapping", "leak"],
)
def test_a_column_that_is_not_there_is_named(tmp_path, text, target, mapping, told):
    path = write(tmp_path / "t.csv", "Betreff,kind", "VPN,net")
    with pytest.raises(ValueError, match=told):
        from_file(path, [text], [target], mapping=mapping)


def test_a_target_without_any_label_is_named(tmp_path):
    path = write(tmp_path / "t.csv", "title,kind,sort", "VPN,net,")
    with pytest.raises(ValueError, match=r"no ticket of .* has a label for the target 'sort'"):
        from_file(path, ["title"], ["kind", "sort"])


def test_times_that_cannot_be_read_are_told_and_not_guessed(tmp_path):
    rows = [f"ticket {number},{'ab'[number % 2]},2026-01-05" for number in range(20)]
    path = write(tmp_path / "t.csv", "title,kind,created_at", *rows, "odd,a,some day")
    data = from_file(path, ["title"], ["kind"])
    assert split(data).how == "stratified"
    with pytest.raises(ValueError, match="1 times cannot be read, the first in row 21"):
        split(data, "time")


def test_who_wrote_and_what_priority_stand_beside_where_there_are_such_columns(tmp_path):
    path = write(
        tmp_path / "t.csv",
        "title,kind,Caller,ticket_priority",
        "VPN,net,ada@example.com,P1",
        "ink,print, ,",
        "lost,,bob,P2",
    )
    data = from_file(path, ["title"], ["kind"])
    assert data.beside == {"requester": ["ada@example.com", None], "priority": ["P1", None]}
    assert data.take([1]).beside == {"requester": [None], "priority": [None]}
    assert list(data.labels) == ["kind"], "nobody asked to learn them"


def test_stored_tickets_come_with_what_people_corrected(place):
    tickets = [
        Ticket("it", "file", f"{n}", MONDAY + timedelta(hours=n), "VPN", labels={"kind": "net"})
        for n in (2, 0, 1)
    ]
    place.store.put_tickets(tickets)
    wrong, right = (
        Feedback("it", "file", "1", "kind", label, MONDAY + timedelta(days=day), "ada")
        for label, day in [("mail", 1), ("door", 2)]
    )
    place.store.put_feedback([right, wrong])
    data = from_store(place.store, "it", ["kind"])
    assert data.labels == {"kind": ["net", "door", "net"]}
    assert data.beside == {"requester": [None] * 3, "priority": [None] * 3}
    assert data.opened_at[0] == np.datetime64("2026-01-05T09:00")
    with pytest.raises(ValueError, match="desk 'hr' has no tickets"):
        from_store(place.store, "hr", ["kind"])


def test_by_time_the_latest_fifth_is_held_out():
    at = np.datetime64("2026-01-05", "ms") + np.arange(50)[::-1].astype("timedelta64[h]")
    parts = split(numbered(50, opened_at=at))
    assert (parts.how, parts.ordered, len(parts.test)) == ("time", True, 10)
    assert parts.train.opened_at.max() < parts.test.opened_at.min()
    assert (np.diff(parts.train.opened_at) >= np.timedelta64(0)).all()
    assert parts.test.fields["title"][0] == "ticket 9", "texts move with their times"


def test_class_by_class_each_keeps_its_share():
    data = Dataset({"title": [f"{n}" for n in range(100)]}, {"kind": ["a"] * 80 + ["b"] * 20})
    parts = split(data)
    assert (parts.how, parts.ordered) == ("stratified", False)
    assert parts.test.labels["kind"].count("a") == 16
    assert parts.test.labels["kind"].count("b") == 4
    assert split(data).test.hash == parts.test.hash, "the draw is the same each time"


def test_a_test_text_that_stands_in_training_is_dropped():
    train, test = numbered(10), numbered(12)
    test.fields["title"][3] = " Ticket  3\n"
    parts = split(train, test=test)
    assert parts.test.fields["title"] == ["ticket 10", "ticket 11"]
    assert parts.notes == ("10 test tickets whose text stands in training too were dropped",)
    with pytest.raises(
        ValueError, match="got 10 and 0; 10 test tickets whose text stands in training"
    ):
        split(train, test=train)


def test_the_hash_tells_tickets_apart():
    data = numbered(4)
    swapped = Dataset({"title": ["ticket 0ticket 1", "", "ticket 2", "ticket 3"]}, data.labels)
    assert len({data.hash, swapped.hash, data.take([1, 0, 2, 3]).hash, numbered(6).hash}) == 4
    assert numbered(4).hash == data.hash
