"""Files into the store: what a user is told of every row."""

import json
import stat
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.detect import begin, detect, save
from pipelines.feeds import METRICS
from pipelines.ingest import ingest_incidents, ingest_points, ingest_tickets
from tests.desk import DESK, END, files, placed, table, told, wave, with_fault

START = datetime(2026, 1, 5, tzinfo=UTC)
POINTS = ("timestamp", "value")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return files(tmp_path_factory.mktemp("files"))


def test_the_same_files_twice_change_nothing_and_say_so(made, tmp_path):
    with placed(tmp_path) as place:
        first = (
            ingest_tickets(place, made / "tickets.csv"),
            ingest_incidents(place, made / "incidents.csv"),
        )
        assert all(done.new and not done.same for done in first)
        held = list(place.store.tickets(DESK))
        again = (
            ingest_tickets(place, made / "tickets.csv"),
            ingest_incidents(place, made / "incidents.csv"),
        )
        assert [(done.new, done.changed, done.same) for done in again] == [
            (0, 0, done.new) for done in first
        ]
        assert list(place.store.tickets(DESK)) == held


def test_points_twice_change_nothing_and_say_so(tmp_path):
    rows = [(f"2026-01-05 09:{minute:02}", minute) for minute in range(60)]
    path = table(tmp_path / "cpu.csv", POINTS, rows)
    with placed(tmp_path / "home") as place:
        assert ingest_points(place, path).new == 60
        again = ingest_points(place, path)
        assert (again.new, again.changed, again.same) == (0, 0, 60)
        assert place.history.series(DESK) == ["cpu"]


def test_bad_rows_are_counted_and_stand_aside_for_their_owner_alone(tmp_path):
    rows = [
        ("1", "2026-01-05 09:00", "printer jam"),
        ("2", "yesterday", "write to ada@example.com"),
        ("3", "", "vpn down"),
    ]
    path = table(tmp_path / "t.csv", ("id", "opened_at", "title"), rows)
    with placed(tmp_path / "home") as place:
        done = ingest_tickets(place, path)
    assert (done.new, done.rejected, done.read) == (1, 2, 3)
    assert sum(done.reasons.values()) == 2
    assert stat.S_IMODE(done.rejects_path.stat().st_mode) == 0o600
    kept = [json.loads(line) for line in done.rejects_path.read_text().splitlines()]
    assert [row["line"] for row in kept] == [3, 4]
    assert "ada@example.com" not in done.rejects_path.read_text()


def test_a_folder_is_read_whole_and_bad_rows_of_equal_names_stay_apart(tmp_path):
    for folder in ("a", "b"):
        rows = [("2026-01-05 09:00", 1), ("2026-01-05 09:05", "many")]
        table(tmp_path / "in" / folder / "cpu.csv", POINTS, rows)
    with placed(tmp_path / "home") as place:
        done = ingest_points(place, tmp_path / "in")
    assert done.rejected == 2
    kept = sorted(path.name for path in (tmp_path / "home" / "rejects").iterdir())
    assert kept == ["a-cpu.csv.jsonl", "b-cpu.csv.jsonl"]


def test_late_points_are_counted_and_change_no_alert(tmp_path):
    until = START + timedelta(days=6)
    rows = [(f"{until - timedelta(hours=2):%Y-%m-%d %H}:{minute:02}", 1e9) for minute in range(60)]
    path = table(tmp_path / "cpu.csv", POINTS, rows)
    faulty = with_fault(wave(START, 8), until + timedelta(days=1), 2)
    raised = []
    with placed(tmp_path / "late") as late, placed(tmp_path / "calm") as calm:
        for place in (late, calm):
            place.history.append(DESK, faulty)
            save(place, begin(place, METRICS, until), [])
        done = ingest_points(late, path)
        assert done.late == done.new + done.changed == 60
        for place in (late, calm):
            detect(place, METRICS, until + timedelta(days=2))
            raised.append([alert for alert, _ in told(place.store)])
    assert raised[0] == raised[1] != []


def test_texts_are_masked_and_requesters_are_not_kept(made, tmp_path):
    with placed(tmp_path) as place:
        ingest_tickets(place, made / "tickets.csv")
        tickets = list(place.store.tickets(DESK, since=END - timedelta(days=5)))
    assert tickets
    assert not any("@example.com" in ticket.title + ticket.body for ticket in tickets)
    assert {len(ticket.requester) for ticket in tickets if ticket.requester} == {32}
    assert stat.S_IMODE((tmp_path / "pseudonym.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("read", "columns", "wanted"),
    [
        (ingest_tickets, ("id", "title"), "no column for opened_at"),
        (ingest_points, ("timestamp", "load"), "no column for value"),
        (ingest_incidents, ("id", "title"), "no column for onset_at"),
    ],
    ids=["tickets", "points", "incidents"],
)
def test_a_file_of_other_columns_is_refused_and_nothing_is_stored(tmp_path, read, columns, wanted):
    path = table(tmp_path / "t.csv", columns, [("1", "2")])
    with placed(tmp_path / "home") as place:
        with pytest.raises(ValueError, match=wanted):
            read(place, path)
        assert not any(place.store.counts(DESK).values())
