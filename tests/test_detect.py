"""Detection on a desk's own store: what it raises, and that it may be stopped at any time."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from data.points import Points
from data.records import Prediction, Ticket
from pipelines.detect import advance, begin, detect, resume, save
from pipelines.feeds import KINDS, METRICS, TICKETS
from pipelines.ingest import ingest_points, ingest_tickets
from pipelines.live import Outdated
from pipelines.topics import look_for_topics
from pipelines.watching import look
from tests.desk import DESK, END, LIVE, STEP, between, files, placed, told, wave, with_fault

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A home that holds a desk and two detectors that have learnt its two quiet weeks."""
    folder = tmp_path_factory.mktemp("taught")
    made, home = files(folder / "files"), folder / "home"
    with placed(home) as place:
        ingest_tickets(place, made / "tickets.csv")
        ingest_points(place, made / "metrics.csv")
        for kind in KINDS:
            save(place, begin(place, kind, LIVE), [])
        look_for_topics(place, LIVE)
        place.store.backup(folder / "copy.db")
    return folder / "copy.db"


@pytest.fixture
def home(taught, tmp_path):
    """A copy of that home."""
    (tmp_path / "forewarn.db").write_bytes(taught.read_bytes())
    return tmp_path


@pytest.fixture(scope="module")
def at_once(taught, tmp_path_factory):
    """What one look over the week of incidents raises."""
    home = tmp_path_factory.mktemp("at-once")
    (home / "forewarn.db").write_bytes(taught.read_bytes())
    with placed(home) as place:
        look(place, END, quiet=True)
        found = told(place.store)
        states = {kind: resume(place, kind).watch.state() for kind in KINDS}
    assert {alert.kind for alert, _ in found} == {"metric", "surge", "topic"}
    return found, states


def differing(place, states) -> list[str]:
    """The arrays of the detectors' states that are not as in `states`."""
    return [
        name
        for kind in KINDS
        for name, known in resume(place, kind).watch.state().items()
        if not np.array_equal(known, states[kind][name], equal_nan=known.dtype.kind in "fM")
    ]


def test_many_small_looks_come_to_the_same_as_one(home, at_once):
    found, states = at_once
    until, known = LIVE, None
    with placed(home) as place:
        while until < END:  # of uneven length, so that spans end anywhere
            until = min(until + timedelta(hours=7, minutes=45), END)
            known = look(place, until, known, quiet=True)
        assert told(place.store) == found
        assert not differing(place, states)


def test_a_process_that_takes_over_goes_on_as_if_nothing_had_happened(home, at_once):
    found, states = at_once
    lasting = next(alert for alert, _ in found if alert.kind == "metric" and alert.closed_at)
    middle = lasting.opened_at + STEP
    with placed(home) as place:
        look(place, middle, quiet=True)
        opened = place.store.alert(lasting.id)
        assert opened.closed_at is None
    with placed(home) as place:
        look(place, END, quiet=True)
        assert told(place.store) == found
        assert not differing(place, states)
        trace = place.store.trace(lasting.id)
    gaps = {later - sooner for sooner, later in zip(trace.times, trace.times[1:], strict=False)}
    assert gaps == {STEP}
    assert trace.times[0] < lasting.opened_at < lasting.closed_at <= trace.times[-1]


def test_a_verdict_stays_when_the_detector_goes_on(home, at_once):
    alert = next(alert for alert, _ in at_once[0] if alert.closed_at)
    with placed(home) as place:
        look(place, alert.opened_at + STEP, quiet=True)
        place.store.judge_alert(alert.id, "false_alarm", "ada", END)
        look(place, END, quiet=True)
        kept = place.store.alert(alert.id)
    judged = {"status": "false_alarm", "status_by": "ada", "status_at": END}
    assert kept == replace(alert, **judged, acknowledged_at=END)


def test_looking_again_changes_nothing(home, at_once):
    with placed(home) as place:
        look(place, END, quiet=True)
        again = look(place, END, quiet=True)
        assert not again.alerts
        assert told(place.store) == at_once[0]


def test_a_late_point_is_stored_and_never_scored(home, at_once):
    wild = with_fault(wave(LIVE + DAY, 0.2, series="auth.errors_per_min"), LIVE + DAY, 4, 1e6)
    with placed(home) as place:
        look(place, END, quiet=True)
        appended = place.history.append(DESK, wild, watermark=END)
        assert appended.late == len(wild.values)
        look(place, END + DAY, quiet=True)
        assert not [alert for alert, _ in told(place.store) if alert.observed > 1e5]


# -- learning ------------------------------------------------------------------------------------


def test_a_threshold_knows_nothing_of_what_comes_later(tmp_path):
    points, until = wave(START, 10), START + 8 * DAY
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    for home, days in ((calm, points), (wild, with_fault(points, until, 20, 1e3))):
        with placed(home) as place:
            place.history.append(DESK, days)
            save(place, begin(place, METRICS, until), [])
    with placed(calm) as one, placed(wild) as other:
        assert resume(one, METRICS).threshold == resume(other, METRICS).threshold


def test_an_empty_desk_learns_and_says_what_it_needs(tmp_path):
    with placed(tmp_path) as place:
        for _ in range(2):  # beginning, and going on
            found = look(place, START, quiet=True)
            assert not any(live.watching for live in found.live.values())
        assert found.live[METRICS].needs == "2 days of points"


def test_watching_begins_by_itself_once_there_is_enough(tmp_path):
    points = with_fault(wave(START, 8), START + 7 * DAY, 2)
    watching, known = [], None
    with placed(tmp_path) as place:
        for day in range(1, 9):
            until = START + day * DAY
            place.history.append(DESK, between(points, until - DAY, until))
            known = look(place, until, known, quiet=True)
            watching.append(known.live[METRICS].watching)
        assert watching[0] is False
        assert watching[4:] == [True] * 4
        assert [alert.opened_at - START for alert, _ in told(place.store)] == [
            pytest.approx(7 * DAY, abs=timedelta(minutes=30))
        ]


def test_a_history_that_is_brought_in_after_the_first_look_is_learnt_at_once(tmp_path):
    until = START + 8 * DAY
    with placed(tmp_path) as place:
        known = look(place, until, quiet=True)
        appended = place.history.append(DESK, wave(START, 8), watermark=until)
        assert appended.late == len(wave(START, 8).values)
        known = look(place, until + STEP, known, quiet=True)
        assert known.live[METRICS].watching
        assert known.live[METRICS].watermark == until + STEP


def test_other_settings_learn_anew_and_end_what_was_open(tmp_path):
    until = START + 8 * DAY
    points = with_fault(wave(START, 9), until, 24)
    with placed(tmp_path) as place:
        place.history.append(DESK, points)
        save(place, begin(place, METRICS, until), [])
        detect(place, METRICS, until + DAY / 4)
        [opened] = place.store.alerts(desks=[DESK])
        assert opened.closed_at is None
    with placed(tmp_path, step_seconds=1800) as place:
        with pytest.raises(Outdated, match=r"steps of 900 s.* now steps of 1800 s"):
            resume(place, METRICS)
        live, changed = detect(place, METRICS, until + DAY / 4)
        assert live.watch.step_seconds == 1800
        assert [(one.id, one.closed_at) for one in changed] == [(opened.id, until + DAY / 4)]
        assert resume(place, METRICS).watermark == until + DAY / 4


# -- series that come and go ---------------------------------------------------------------------


def test_a_series_that_begins_later_is_watched_and_one_that_ends_is_left_in_peace(tmp_path):
    until = START + 8 * DAY
    with placed(tmp_path) as place:
        place.history.append(DESK, between(wave(START, 9, series="old"), START, until))
        place.history.append(DESK, wave(START, 12, series="steady", seed=1))
        new = with_fault(wave(until, 4, series="new", seed=2), until + 3.5 * DAY, 2)
        place.history.append(DESK, new)
        save(place, begin(place, METRICS, until), [])
        live, alerts = detect(place, METRICS, until + 4 * DAY)
        assert sorted(live.keys) == ["new", "old", "steady"]
        assert {alert.key for alert in alerts} == {"new"}


def some_tickets(category: str, at: datetime, n: int, every: timedelta) -> list[Ticket]:
    return [
        Ticket(
            DESK, "test", f"{category}{i}", at + i * every, "help", labels={"category": category}
        )
        for i in range(n)
    ]


def test_a_category_that_is_new_counts_from_its_first_ticket(tmp_path):
    with placed(tmp_path / "one") as one, placed(tmp_path / "many") as many:
        for place in (one, many):
            place.store.put_tickets(some_tickets("vpn", START, 24 * 30, timedelta(hours=1)))
            new = some_tickets("printer", START + 20.3 * DAY, 24 * 9, timedelta(hours=1))
            place.store.put_tickets(new)
            save(place, begin(place, TICKETS, START + 16 * DAY), [])
        live, _ = detect(one, TICKETS, START + 29 * DAY)
        for hour in range(0, 13 * 24 + 1, 11):
            going = resume(many, TICKETS)
            advance(many, going, START + 16 * DAY + timedelta(hours=hour))
        advance(many, going, START + 29 * DAY)
        assert live.keys == going.keys == ["total", "vpn", "printer"]
        for name, known in live.watch.state().items():
            np.testing.assert_array_equal(going.watch.state()[name], known)


def predicted(ticket: Ticket, label: str) -> Prediction:
    """What a model said of a ticket's category."""
    key = (ticket.desk, ticket.source, ticket.external_id)
    return Prediction(*key, "category", label, 0.9, "auto", "m", "1", "run", ticket.opened_at)


def test_tickets_without_a_label_count_by_what_was_predicted(tmp_path):
    with placed(tmp_path) as place:
        plain = [replace(one, labels={}) for one in some_tickets("vpn", START, 3, STEP)]
        place.store.put_tickets(plain)
        place.store.put_predictions([predicted(one, "printer") for one in plain[:2]])
        live, _ = detect(place, TICKETS, START + DAY)
        assert set(live.keys) == {"total", "printer"}


# -- one at a time -------------------------------------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from pipelines.watching import alone
from tests.desk import placed
with placed(Path(sys.argv[1])) as place, alone(place):
    print("holding", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(home: Path, seconds: float) -> subprocess.Popen:
    """Another process that holds the desk's lease for some seconds."""
    command = [sys.executable, "-c", HOLDER, str(home), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "holding\n"
    return process


def test_a_second_process_waits_for_the_first(tmp_path, capsys):
    with holder(tmp_path, 1.5) as other, placed(tmp_path) as place:
        look(place, START, quiet=True)
        assert other.wait(10) == 0
    assert "Another process detects for this desk" in capsys.readouterr().err


def test_the_lease_of_a_dead_process_is_taken_over(tmp_path):
    with holder(tmp_path, 60) as other:
        other.kill()
        other.wait()
    with placed(tmp_path) as place:
        # Its lease of a minute still stands; a minute later it does not.
        later = datetime.now(UTC) + timedelta(seconds=61)
        assert not place.store.take_lease(f"detect-{DESK}", "me", datetime.now(UTC), 60)
        assert place.store.take_lease(f"detect-{DESK}", "me", later, 60)


def test_points_of_any_order_and_twice_make_one_value_a_step(tmp_path):
    points = wave(START, 5)
    order = np.random.default_rng(1).permutation(len(points.values))
    mixed = Points(points.series[order], points.at[order], points.values[order])
    with placed(tmp_path / "one") as one, placed(tmp_path / "other") as other:
        one.history.append(DESK, points)
        other.history.append(DESK, mixed)
        other.history.append(DESK, mixed)
        assert (
            begin(one, METRICS, START + 5 * DAY).threshold
            == begin(other, METRICS, START + 5 * DAY).threshold
        )
