import math
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy

from data import tables
from data.database import migrate
from data.keys import new_key
from data.migrations import MIGRATIONS
from data.records import Alert, Feedback, Incident, Prediction, SeriesState, Ticket, Trace
from data.store import Store

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_ticket(number=1, **fields):
    known = {"desk": "it", "source": "file", "external_id": f"T{number}"}
    return Ticket(**known | {"opened_at": NOW + number * timedelta(minutes=1)} | fields)


def a_prediction(number=1, **fields):
    said = {"target": "category", "label": "network", "probability": 0.9, "decision": "auto"}
    made = {"model": "ticket-it", "version": "1", "run_id": "r1", "scored_at": NOW}
    return Prediction("it", "file", f"T{number}", **said | made | fields)


def a_correction(number=1, **fields):
    said = {"target": "category", "label": "email", "given_at": NOW, "given_by": "ada"}
    return Feedback("it", "file", f"T{number}", **said | fields)


def an_alert(id="a1", **fields):
    known = {"desk": "it", "kind": "metric", "key": "cpu", "opened_at": NOW, "threshold": 3.0}
    seen = {"score": 5.0, "observed": 9.0, "expected": 1.0, "lower": 0.5, "upper": 2.0}
    return Alert(id, **known | seen | {"why": "cpu is high", "detector": "rare"} | fields)


def save(store, *alerts, traces=(), evidence=None, states=(), desk="it"):
    store.save_detection(desk, "rare", NOW, b"state", alerts, traces, evidence, states)


class TestTickets:
    def test_putting_twice_changes_nothing(self, store):
        tickets = [a_ticket(number, title=f"Ticket {number}") for number in range(5)]
        assert store.put_tickets(tickets) == (5, 0, 0)
        assert store.put_tickets(tickets) == (0, 0, 5)
        assert list(store.tickets("it")) == tickets

    def test_every_field_comes_back(self, store):
        ticket = a_ticket(
            title="VPN – ne marche pas",
            body="line\nline",
            resolved_at=NOW + HOUR,
            labels={"category": "réseau", 'odd "name"': "x"},
            channel="mail",
            requester="4f",
            resolution="restarted it",
        )
        store.put_tickets([ticket])
        assert store.ticket("it", "file", "T1") == ticket
        assert store.ticket("hr", "file", "T1") is None

    def test_poorer_copy_blanks_nothing(self, store):
        rich = a_ticket(title="VPN", resolved_at=NOW + HOUR, labels={"impact": "2"}, channel="mail")
        store.put_tickets([rich])
        assert store.put_tickets([a_ticket(labels={"impact": ""})]) == (0, 0, 1)
        assert store.ticket("it", "file", "T1") == rich

    def test_labels_merge_and_a_new_label_wins(self, store):
        store.put_tickets([a_ticket(labels={"impact": "2", "category": "vpn"})])
        assert store.put_tickets([a_ticket(labels={"impact": "1", "group": "net"})]) == (0, 1, 0)
        labels = store.ticket("it", "file", "T1").labels
        assert labels == {"impact": "1", "category": "vpn", "group": "net"}

    def test_copies_in_one_batch_are_one_ticket(self, store):
        copies = [a_ticket(title="a"), a_ticket(resolved_at=NOW + HOUR), a_ticket(title="a")]
        assert store.put_tickets(copies) == (1, 1, 1)
        assert list(store.tickets("it")) == [a_ticket(title="a", resolved_at=NOW + HOUR)]

    def test_desks_do_not_see_each_other(self, store):
        store.put_tickets([a_ticket(title="it's"), a_ticket(desk="hr", title="hr's")])
        assert [ticket.title for ticket in store.tickets("it")] == ["it's"]
        assert store.counts("hr")["tickets"] == 1

    def test_personal_data_never_reaches_the_database(self, store):
        store.put_tickets([a_ticket(title="ada@example.com", body="my password is hunter2")])
        with store.engine.connect() as connection:
            assert connection.execute(sqlalchemy.text("SELECT title, body FROM tickets")).one() == (
                "<email>",
                "my password is <secret>",
            )

    def test_changes_come_in_their_order_each_once_and_none_for_what_stays_the_same(self, store):
        first, second, third = (a_ticket(number) for number in (3, 1, 2))
        store.put_tickets([first, second, a_ticket(desk="hr")])
        store.put_tickets([third])
        told = store.changes("it")
        assert [one.ticket for one in told] == [first, second, third]
        last = told[-1].number
        store.put_tickets([first, replace(second, body="more")])
        assert [one.ticket.body for one in store.changes("it", last)] == ["more"]
        assert store.n_changes("it") == 3
        assert store.n_changes("it", last) == 1
        assert [one.ticket for one in store.changes("it", limit=1)] == [first]

    def test_change_before_leaves_the_last_ones(self, store):
        store.put_tickets([a_ticket(number) for number in range(5)])
        store.put_tickets([a_ticket(0, title="anew")])
        after = store.change_before("it", 2)
        assert [one.ticket.external_id for one in store.changes("it", after)] == ["T4", "T0"]
        assert store.change_before("it", 5) == 0

    def test_an_erased_ticket_is_no_change(self, store):
        store.put_tickets([a_ticket(1), a_ticket(2, requester="4f"), a_ticket(3)])
        store.erase_ticket("it", "file", "T1")
        store.erase_requester("it", "4f")
        told = store.changes("it")
        assert [one.ticket.external_id for one in told] == ["T3"]
        store.expire("it", NOW + HOUR)
        assert store.n_changes("it") == 0
        store.put_tickets([a_ticket(4)])
        assert store.n_changes("it", told[-1].number) == 1, "a number is given once"

    def test_tickets_of_before_are_numbered_in_the_order_of_time(self, url):
        engine = sqlalchemy.create_engine(url)
        migrate(engine, MIGRATIONS[:2])
        with engine.begin() as connection:
            for name, at in (("late", 9), ("early", 1)):
                connection.execute(
                    sqlalchemy.text(
                        "INSERT INTO tickets (desk, source, external_id, opened_at, title, body,"
                        " labels) VALUES ('it', 'file', :name, :at, '', '', '{}')"
                    ),
                    {"name": name, "at": at},
                )
        engine.dispose()
        with closing(Store(url)) as store:
            store.put_tickets([a_ticket(1)])
            told = [(one.number, one.ticket.external_id) for one in store.changes("it")]
        assert told == [(1, "early"), (2, "late"), (3, "T1")]

    def test_tickets_by_their_keys_with_what_people_last_said(self, store):
        store.put_tickets([a_ticket(number) for number in range(3)] + [a_ticket(desk="hr")])
        later = a_correction(1, label="vpn", given_by="bob", given_at=NOW + HOUR)
        store.put_feedback([later, a_correction(1), a_correction(1, target="impact", label="2")])
        keys = [("file", "T1"), ("file", "T2"), ("file", "gone"), ("other", "T0")]
        assert store.tickets_of("it", keys) == {
            ("file", "T1"): a_ticket(1),
            ("file", "T2"): a_ticket(2),
        }
        assert store.corrections("it", keys) == {("file", "T1"): {"category": "vpn", "impact": "2"}}

    def test_text_that_an_engine_cannot_hold_is_mended(self, store):
        ticket = a_ticket(title="a\0b", body="\ud83d", labels={"category": "\ud83d\0"})
        store.put_tickets([ticket])
        assert store.put_tickets([ticket]) == (0, 0, 1)
        assert store.ticket("it", "file", "T1").title == "ab"

    def test_time_without_zone_is_refused(self, store):
        with pytest.raises(sqlalchemy.exc.StatementError, match="wanted a time with its zone"):
            store.put_tickets([a_ticket(opened_at=datetime(2026, 3, 2))])

    def test_order_is_time_then_source_then_id_by_bytes(self, store):
        names = ["b", "Z", "é", "a", "-", "10", "9"]
        tickets = [a_ticket(external_id=name) for name in names] + [a_ticket(0), a_ticket(2)]
        store.put_tickets(tickets)
        found = [ticket.external_id for ticket in store.tickets("it")]
        assert found == ["T0", *sorted(names), "T2"]

    def test_window_takes_its_start_and_leaves_its_end(self, store):
        store.put_tickets([a_ticket(number) for number in range(5)])
        window = {"since": NOW + timedelta(minutes=1), "until": NOW + timedelta(minutes=3)}
        assert [one.external_id for one in store.tickets("it", **window)] == ["T1", "T2"]

    def test_many_tickets_of_one_moment_come_once_each(self, store):
        store.put_tickets([a_ticket(number, opened_at=NOW) for number in range(4500)])
        found = [ticket.external_id for ticket in store.tickets("it")]
        assert found == sorted(f"T{number}" for number in range(4500))

    def test_reader_halfway_keeps_nobody_from_writing(self, store):
        store.put_tickets([a_ticket(number) for number in range(3000)])
        reader = store.tickets("it")
        next(reader)
        assert store.put_tickets([a_ticket(9000)]) == (1, 0, 0)
        assert sum(1 for _ in reader) == 3000

    def test_opening_has_the_desks_label_else_the_latest_prediction_else_nothing(self, store):
        store.put_tickets([a_ticket(1, labels={"category": "vpn"}), a_ticket(2), a_ticket(3)])
        old = a_prediction(2, label="email", version="2", scored_at=NOW - HOUR)
        other = a_prediction(3, target="impact", label="high")
        store.put_predictions([a_prediction(1), a_prediction(2), old, other])
        openings = store.openings("it", "category", NOW, NOW + HOUR)
        assert [label for _, label in openings] == ["vpn", "network", ""]
        assert [at for at, _ in openings] == [a_ticket(number).opened_at for number in (1, 2, 3)]
        assert store.openings("it", "category", NOW + HOUR, NOW + 2 * HOUR) == []

    def test_abstaining_is_no_label(self, store):
        store.put_tickets([a_ticket()])
        store.put_predictions([a_prediction(label=None, decision="abstain")])
        assert store.openings("it", "category", NOW, NOW + HOUR) == [(a_ticket().opened_at, "")]


class TestSaid:
    def test_predictions_come_back(self, store):
        said = [a_prediction(), a_prediction(target="impact", label=None, decision="abstain")]
        assert store.put_predictions(said) == (2, 0, 0)
        assert store.put_predictions(said) == (0, 0, 2)
        assert store.predictions("it", "file", "T1") == said

    def test_latest_of_a_version_stands(self, store):
        later = a_prediction(scored_at=NOW + HOUR, label="email")
        store.put_predictions([later])
        assert store.put_predictions([a_prediction()]) == (0, 0, 1)
        assert store.predictions("it", "file", "T1") == [later]

    def test_versions_stand_side_by_side(self, store):
        newer = a_prediction(version="2", scored_at=NOW + HOUR)
        store.put_predictions([newer, a_prediction()])
        assert store.predictions("it", "file", "T1") == [a_prediction(), newer]

    def test_correction_may_be_corrected(self, store):
        again = a_correction(label="vpn", given_at=NOW + HOUR)
        bobs = a_correction(given_by="bob")
        assert store.put_feedback([a_correction(), bobs]) == (2, 0, 0)
        assert store.put_feedback([again, a_correction()]) == (0, 1, 1)
        assert store.feedback("it") == [bobs, again]
        assert store.feedback("hr") == []

    def test_incident_that_ended_is_not_reopened(self, store):
        declared = Incident("i1", "it", "Mail is down", NOW, None, ("email",), ("smtp", "imap"))
        ended = replace(declared, ended_at=NOW + HOUR)
        assert store.put_incidents([declared]) == (1, 0, 0)
        assert store.put_incidents([ended]) == (0, 1, 0)
        assert store.put_incidents([declared]) == (0, 0, 1)
        assert store.incidents("it", since=NOW, until=NOW + HOUR) == [ended]
        assert store.incidents("it", until=NOW) == store.incidents("hr") == []


class TestDetections:
    def test_detector_resumes_where_it_stood(self, store):
        assert store.detection("it", "rare") is None
        store.save_detection("it", "rare", NOW, b"old")
        store.save_detection("it", "rare", NOW + HOUR, b"\0new")
        assert store.detection("it", "rare") == (NOW + HOUR, b"\0new")
        assert store.detections("it") == [("rare", NOW + HOUR)]
        assert store.detections("hr") == []

    def test_state_alerts_and_watermark_are_saved_together_or_not_at_all(self, store):
        store.save_detection("it", "rare", NOW, b"old")
        broken = an_alert("a2", closed_at=datetime(2026, 3, 2))
        with pytest.raises(sqlalchemy.exc.StatementError):
            store.save_detection("it", "rare", NOW + HOUR, b"new", [an_alert(), broken])
        assert store.detection("it", "rare") == (NOW, b"old")
        assert store.alerts() == []

    def test_alert_comes_back_and_its_update_keeps_what_is_fixed(self, store):
        save(store, an_alert())
        assert store.alert("a1") == an_alert()
        grown = {"score": 8.0, "observed": 12.0, "closed_at": NOW + HOUR, "why": "more"}
        moved = {"opened_at": NOW + HOUR, "key": "disk", "threshold": 9.0}
        save(store, an_alert(**grown | moved))
        assert store.alert("a1") == an_alert(**grown)

    def test_unknown_number_stays_unknown(self, store):
        save(store, an_alert(expected=math.nan))
        assert math.isnan(store.alert("a1").expected)

    def test_detector_never_undoes_a_verdict(self, store):
        save(store, an_alert())
        judged = store.judge_alert("a1", "false_alarm", "ada", NOW + HOUR)
        said = {"status": "false_alarm", "status_by": "ada", "status_at": NOW + HOUR}
        said["acknowledged_at"] = NOW + HOUR
        assert judged == an_alert(**said)
        save(store, an_alert(closed_at=NOW + HOUR))
        assert store.alert("a1") == an_alert(closed_at=NOW + HOUR, **said)

    def test_only_the_first_word_on_an_alert_acknowledges_it(self, store):
        save(store, an_alert())
        assert store.judge_alert("a1", "open", "ada", NOW).acknowledged_at is None
        store.judge_alert("a1", "acknowledged", "ada", NOW + HOUR)
        later = store.judge_alert("a1", "resolved", "bob", NOW + 2 * HOUR)
        assert (later.acknowledged_at, later.status_at) == (NOW + HOUR, NOW + 2 * HOUR)

    def test_verdict_on_an_unknown_alert_or_of_an_unknown_kind_is_refused(self, store):
        with pytest.raises(LookupError, match="no alert 'a9'"):
            store.judge_alert("a9", "resolved", "ada", NOW)
        with pytest.raises(ValueError, match=r"status must be one of open, .* got 'done'"):
            store.judge_alert("a1", "done", "ada", NOW)

    def test_alert_of_another_desk_is_refused(self, store):
        with pytest.raises(ValueError, match="wanted alerts of desk 'hr', got some of it"):
            save(store, an_alert(), desk="hr")

    @pytest.mark.parametrize(
        ("wanted", "ids"),
        [
            ({}, ["c", "b", "a"]),
            ({"desks": ["it"]}, ["b", "a"]),
            ({"desks": []}, []),
            ({"status": "resolved"}, ["b"]),
            ({"kind": "surge"}, ["b"]),
            ({"key": "cpu"}, ["c", "a"]),
            ({"since": NOW + HOUR}, ["c", "b"]),
            ({"until": NOW + HOUR}, ["a"]),
            ({"limit": 1, "offset": 1}, ["b"]),
        ],
        ids=str,
    )
    def test_alerts_are_found_newest_first(self, store, wanted, ids):
        surge = {"kind": "surge", "key": "vpn", "n_tickets": 12}
        save(store, an_alert("a"), an_alert("b", opened_at=NOW + HOUR, **surge))
        save(store, an_alert("c", desk="hr", opened_at=NOW + 2 * HOUR), desk="hr")
        store.judge_alert("b", "resolved", "ada", NOW)
        assert [alert.id for alert in store.alerts(**wanted)] == ids

    def test_what_an_alert_began_with_stays_as_it_was(self, store):
        save(store, an_alert(), evidence={"a1": b"first"})
        save(store, an_alert(members=("cpu", "disk")), evidence={"a1": b"second"})
        assert store.evidence("a1") == b"first"
        assert store.alert("a1").members == ("cpu", "disk")

    def test_silence_goes_before_what_values_were_like_until_points_come_again(self, store):
        def stands(key, state, since=NOW):
            return SeriesState("it", key, state, since)

        save(store, states=[stands("cpu", "watching"), stands("disk", "alerting")])
        save(store, states=[stands("cpu", "silent", NOW + HOUR), stands("new", "reporting")])
        save(store, states=[stands("disk", "watching", NOW + HOUR)])
        silent = stands("cpu", "silent", NOW + HOUR)
        assert store.series_states("it", state="silent") == [silent]
        assert store.count_states("it") == {"silent": 1, "watching": 1, "learning": 1}
        assert [one.key for one in store.series_states("it", contains="IS")] == ["disk"]
        save(store, states=[stands("cpu", "reporting", NOW + 2 * HOUR)])
        assert store.series_states("it", limit=1) == [stands("cpu", "watching")]
        assert store.series_states("hr") == []

    def test_trace_comes_back_with_its_gaps(self, store):
        trace = Trace("a1", (NOW, NOW + HOUR), (1.0, None), (1.0, 2.0), (0.0, 1.0), (2.0, 3.0))
        save(store, an_alert(), traces=[replace(trace, observed=(1.0, math.nan))])
        assert store.trace("a1") == trace
        assert store.trace("a2") is None
        longer = Trace("a1", (NOW,) * 3, *([(1.0, 2.0, 3.0)] * 4))
        save(store, traces=[longer])
        assert store.trace("a1") == longer


class TestOperation:
    def test_lease_is_one_holders_until_it_expires(self, store):
        assert store.take_lease("detect", "one", NOW, 60)
        assert not store.take_lease("detect", "two", NOW + timedelta(seconds=59), 60)
        assert store.take_lease("detect", "one", NOW + timedelta(seconds=59), 60)
        assert not store.take_lease("detect", "two", NOW + timedelta(seconds=60), 60)
        assert store.take_lease("detect", "two", NOW + timedelta(seconds=119), 60)
        assert store.take_lease("replay", "one", NOW, 60)

    def test_lease_is_given_back_by_its_holder_alone(self, store):
        store.take_lease("detect", "one", NOW, 60)
        store.release_lease("detect", "two")
        assert not store.take_lease("detect", "two", NOW, 60)
        store.release_lease("detect", "one")
        assert store.take_lease("detect", "two", NOW, 60)

    def test_of_many_that_want_a_lease_at_once_one_has_it(self, store):
        names = [f"holder {number}" for number in range(16)]
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda name: store.take_lease("x", name, NOW, 60), names))
        assert sum(taken) == 1

    def test_key_can_only_be_revoked(self, store):
        key, _ = new_key(["read", "admin"], ["it", "hr"], NOW, note="ops page")
        store.put_key(key)
        store.put_key(replace(key, scopes=frozenset(["score"]), secret_sha256="0" * 64))
        assert store.key(key.id) == key
        assert store.revoke_key(key.id, NOW + HOUR)
        assert not store.revoke_key(key.id, NOW + 2 * HOUR)
        store.put_key(key)
        assert store.keys() == [replace(key, revoked_at=NOW + HOUR)]
        assert store.key("nobody") is None
        assert not store.revoke_key("nobody", NOW)

    def test_erased_ticket_leaves_nothing(self, store):
        store.put_tickets([a_ticket(1), a_ticket(2)])
        store.put_predictions([a_prediction(1), a_prediction(2)])
        store.put_feedback([a_correction(1), a_correction(1, given_by="bob")])
        gone = store.erase_ticket("it", "file", "T1")
        assert gone == {
            "predictions": 1,
            "shadows": 0,
            "feedback": 2,
            "alert_tickets": 0,
            "write_backs": 0,
            "tickets": 1,
        }
        assert sum(store.erase_ticket("it", "file", "T1").values()) == 0
        assert [ticket.external_id for ticket in store.tickets("it")] == ["T2"]
        assert store.predictions("it", "file", "T2") == [a_prediction(2)]

    def test_erased_requester_leaves_nothing(self, store):
        theirs = [a_ticket(1, requester="ada"), a_ticket(2, requester="ada")]
        others = [a_ticket(3, requester="bob"), a_ticket(4, desk="hr", requester="ada")]
        store.put_tickets([*theirs, *others])
        store.put_predictions([a_prediction(number) for number in (1, 2, 3)])
        store.put_feedback([a_correction(2)])
        gone = store.erase_requester("it", "ada")
        assert gone == {
            "predictions": 2,
            "shadows": 0,
            "feedback": 1,
            "alert_tickets": 0,
            "write_backs": 0,
            "tickets": 2,
        }
        assert store.counts("it")["predictions"] == 1
        assert store.counts("hr")["tickets"] == 1

    def test_what_is_too_old_expires(self, store):
        store.put_tickets([a_ticket(1), a_ticket(90), a_ticket(1, desk="hr")])
        unknown = a_prediction(5), a_prediction(6, scored_at=NOW + 2 * HOUR)
        store.put_predictions([a_prediction(1), a_prediction(90), *unknown])
        store.put_feedback([a_correction(1), a_correction(90)])
        trace = Trace("a", (), (), (), (), ())
        closed = an_alert("a", closed_at=NOW), an_alert("b", closed_at=NOW + HOUR)
        save(store, *closed, an_alert("c"), traces=[trace], evidence={"a": b"why", "b": b"kept"})
        gone = store.expire("it", NOW + HOUR)
        of_alerts = {"traces": 1, "alert_evidence": 1, "alerts": 1}
        counts = {"predictions": 2, "feedback": 1, "tickets": 1, "maintenance": 0}
        counts |= {"service_changes": 0, "incident_alerts": 0, "detected_incidents": 0}
        counts |= {"alert_tickets": 0, "write_backs": 0, "shadows": 0}
        assert gone == counts | of_alerts
        assert (store.evidence("a"), store.evidence("b")) == (None, b"kept")
        assert {alert.id for alert in store.alerts()} == {"b", "c"}
        assert store.predictions("it", "file", "T90") == [a_prediction(90)]
        assert sum(store.expire("it", NOW + HOUR).values()) == 0
        assert store.counts("hr")["tickets"] == 1

    def test_counts_and_ping(self, store):
        store.ping()
        store.put_tickets([a_ticket()])
        save(store, an_alert())
        known = {"tickets": 1, "predictions": 0, "feedback": 0, "incidents": 0}
        assert store.counts("it") == known | {"detections": 1, "alerts": 1}

    def test_ping_of_a_database_without_tables_raises(self, store):
        with store.engine.begin() as connection:
            connection.execute(sqlalchemy.text("DROP TABLE ticket_changes"))
            connection.execute(sqlalchemy.text("DROP TABLE tickets"))
        with pytest.raises(sqlalchemy.exc.DBAPIError):
            store.ping()

    def test_tables_are_as_the_code_believes(self, store):
        found = sqlalchemy.inspect(store.engine)
        for table in tables.meta.tables.values():
            names = {column["name"] for column in found.get_columns(table.name)}
            assert names == set(table.columns.keys()), table.name
            key = found.get_pk_constraint(table.name)["constrained_columns"]
            assert key == table.primary_key.columns.keys(), table.name

    def test_opening_again_keeps_everything(self, store, url):
        store.put_tickets([a_ticket()])
        again = Store(url)
        assert list(again.tickets("it")) == [a_ticket()]
        again.close()


class TestBackup:
    def test_backup_is_a_whole_store_that_only_its_owner_reads(self, tmp_path, sqlite_url):
        store = Store(sqlite_url)
        store.put_tickets([a_ticket(number) for number in range(100)])
        copy = tmp_path / "copy.db"
        for _ in range(2):
            store.backup(copy)
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.glob("*copy*")] == ["copy.db"]
        restored = Store(f"sqlite:///{copy}")
        assert list(restored.tickets("it")) == list(store.tickets("it"))
        restored.close()
        store.close()

    def test_backup_of_postgresql_names_its_own_tool(self, tmp_path, postgres_url):
        store = Store(postgres_url)
        with pytest.raises(ValueError, match="pg_dump"):
            store.backup(tmp_path / "copy.db")
        assert list(tmp_path.iterdir()) == []
        store.close()
