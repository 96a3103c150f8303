"""Alerts of one fault become one incident: joined once, told in a sentence, followed to its end."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from fastapi.testclient import TestClient

import serve
from data.records import Change, SeriesState, Ticket
from data.settings import Settings
from data.store import Store
from models.incident_acts import SAID, Act, acted, merged, split
from pipelines.incidents import join_alerts
from pipelines.workspace import workspace
from tests.desk import table
from tests.endpoint import NOW, STEP, an_alert, put_alerts, put_key
from tests.test_ops_page import form_token

UTC = ZoneInfo("UTC")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NEEDS = [("vpn", "auth;wifi"), ("mail", "auth")]


@pytest.fixture
def place(tmp_path):
    file = table(tmp_path / "needs.csv", ("service", "depends_on"), NEEDS)
    settings = Settings(home=tmp_path / "home", dependencies=str(file))
    with workspace(settings) as place:
        know_series(place)
        yield place


def know_series(place, n=40):
    """A desk that watches so many series, of which most never alert."""
    series = [SeriesState("default", f"s{i}.x", "watching", NOW - 60 * DAY) for i in range(n)]
    place.store.save_detection("default", "all", NOW, b"", states=series)


def metric(number, key, at, lasts=2 * HOUR, **changed):
    told = {"key": key, "group_key": key, "members": (key,), "opened_at": at, "peak_at": at}
    return an_alert(number, **told | {"closed_at": at + lasts if lasts else None} | changed)


def surge(number, key, at, lasts=2 * HOUR, n=17, **changed):
    told = {"kind": "surge", "n_tickets": n, "detector": "surge"}
    return metric(number, key, at, lasts, **told | changed)


def a_fault(at=NOW - 5 * HOUR):
    """The VPN's errors rise, eleven minutes later people write, and then mail goes wrong."""
    return [
        metric(1, "vpn.errors_per_min", at),
        surge(2, "VPN", at + timedelta(minutes=11)),
        metric(3, "mail.latency_p95_ms", at + timedelta(minutes=20)),
    ]


def joined(place, at=NOW, *alerts):
    put_alerts(place.store, *alerts)
    join_alerts(place, at)
    return told(place)


def told(place):
    """Every incident, the oldest first, with the ids of its alerts."""
    found = place.store.detected(None, limit=None)[::-1]
    members = place.store.members([one.id for one in found])
    return [(one, [alert.id for alert, _ in members[one.id]]) for one in found]


# -- joining ------------------------------------------------------------------------------------


def test_tickets_and_metrics_of_one_fault_are_one_incident_told_in_a_sentence(place):
    alone = metric(9, "shop.errors_per_min", NOW - 3 * DAY, 10 * STEP, score=4.1)
    incidents = joined(place, NOW, *a_fault(), alone)
    assert [len(ids) for _, ids in incidents] == [1, 3]
    fault = incidents[1][0]
    assert fault.title == "VPN, vpn.errors_per_min and 1 more"
    assert fault.why == (
        "17 tickets on VPN since 04:11, noticed at 05:11, 11 min after vpn.errors_per_min rose; "
        "1 more alert with it"
    )
    assert (fault.priority, fault.n_tickets) == ("P3", 17)
    because = [one.because for _, one in place.store.members([fault.id])[fault.id]]
    assert because == ["", "11 min after vpn.errors_per_min", "9 min after tickets on VPN"]


def test_many_small_looks_join_as_one_large_one_does(place, tmp_path):
    alerts = [*a_fault(), *a_fault(NOW - 50 * HOUR)]
    alerts = [replace(one, id=f"{i:032x}") for i, one in enumerate(alerts)]
    at_once = joined(place, NOW, *alerts)
    with workspace(
        Settings(home=tmp_path / "b", dependencies=place.settings.dependencies)
    ) as other:
        for one in sorted(alerts, key=lambda one: one.opened_at):
            joined(other, one.opened_at + STEP, one)
        join_alerts(other, NOW)
        slowly = told(other)
    assert [(one.id, ids) for one, ids in slowly] == [(one.id, ids) for one, ids in at_once]
    assert len(at_once) == 2


def test_killed_in_the_middle_of_an_incident_the_same_one_goes_on(place, monkeypatch):
    first, *others = a_fault()
    ((before, _),) = joined(place, first.opened_at + STEP, replace(first, closed_at=None))
    put_alerts(place.store, first, *others)
    with monkeypatch.context() as broken:
        broken.setattr(type(place.store), "put_joined", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            join_alerts(place, NOW)
    assert told(place) == [(before, [first.id])]
    for _ in range(2):
        join_alerts(place, NOW)
    ((after, ids),) = told(place)
    assert (after.id, ids) == (before.id, [first.id, *(one.id for one in others)])


def test_an_alert_that_comes_late_joins_and_moves_no_other(place):
    first, second, third = a_fault()
    ((before, _),) = joined(place, NOW, first, third)
    ((after, ids),) = joined(place, NOW, second)
    assert (after.id, ids) == (before.id, [first.id, second.id, third.id])


def test_chance_joins_nothing_on_a_noisy_desk(place):
    """Two hundred things that alert a few times each, at times of their own, stay apart."""
    rng = np.random.default_rng(3)
    minutes, things = rng.integers(0, 20 * 1440, 900).tolist(), rng.integers(0, 200, 900).tolist()
    start = NOW - 20 * DAY
    alerts = [
        metric(i, f"s{thing}.errors", start + timedelta(minutes=at), STEP)
        for i, (at, thing) in enumerate(zip(minutes, things, strict=True))
    ]
    incidents = joined(place, NOW, *alerts)
    assert len(incidents) > 0.9 * len(alerts)


def test_a_batch_of_tickets_is_one_incident_explained_as_such(place):
    kinds = [surge(i, f"kind {i}", NOW - 5 * HOUR, n=40) for i in range(12)]
    ((one, ids),) = joined(place, NOW, *kinds)
    assert len(ids) == 12
    assert one.title == "12 kinds of tickets at once"
    assert "entered together" in one.why


def test_tickets_of_the_highest_impact_raise_the_priority(place):
    at = NOW - 5 * HOUR
    labels = {"category": "VPN", "impact": "1 - High"}
    tickets = [Ticket("default", "desk", f"T{i}", at + i * STEP, labels=labels) for i in range(12)]
    quiet = surge(2, "VPN", at, score=7.0)
    ((before, _),) = joined(place, at + STEP, quiet)
    place.store.put_tickets(tickets)
    again = surge(3, "VPN", at + HOUR, score=7.0)
    ((after, _),) = joined(place, at + 2 * HOUR, again)
    assert before.priority > after.priority
    assert "of the highest impact" in after.priority_why


# -- how it goes on -------------------------------------------------------------------------------


def test_one_weak_alert_is_a_candidate_until_more_speaks_for_it(place):
    weak = metric(1, "vpn.errors_per_min", NOW - HOUR, None, score=4.1)
    ((one, _),) = joined(place, NOW - HOUR + STEP, weak)
    assert one.state == "candidate"
    ((one, _),) = joined(place, NOW, surge(2, "VPN", NOW - 4 * STEP, None, n=3, score=4.1))
    assert (one.state, one.proposed_at) == ("proposed", NOW)


def test_an_incident_is_followed_from_its_signals_to_its_end(place):
    at = NOW - 5 * HOUR
    put_alerts(place.store, *a_fault(at))
    ends = at + timedelta(minutes=20) + 2 * HOUR
    states = []
    for now in (at + HOUR, ends + STEP, ends + 2 * HOUR, ends + 25 * HOUR):
        join_alerts(place, now)
        ((one, _),) = told(place)
        states.append((one.state, one.quiet_at))
    assert states == [
        ("proposed", None), ("resolved", ends), ("watched", ends), ("closed", ends),
    ]  # fmt: skip


def test_what_opens_again_while_watched_reopens_it(place):
    at = NOW - 12 * HOUR
    ((one, _),) = joined(place, at + 6 * HOUR, *a_fault(at))
    assert one.state == "watched"
    again = metric(7, "vpn.errors_per_min", at + 7 * HOUR, None)
    ((one, ids),) = joined(place, at + 8 * HOUR, again)
    assert (one.state, one.quiet_at, len(ids)) == ("proposed", None, 4)


def test_a_person_who_resolves_it_is_believed_until_something_new_opens(place):
    at = NOW - 5 * HOUR
    still = metric(1, "vpn.errors_per_min", at, None)
    ((one, _),) = joined(place, at + HOUR, still)
    say(place, one, "resolve", at + HOUR)
    ((one, _),) = joined(place, at + 2 * HOUR)
    assert (one.state, one.quiet_at) == ("resolved", None)
    ((one, _),) = joined(place, NOW, surge(2, "VPN", at + 2 * HOUR, None))
    assert one.state == "proposed"


def say(place, one, action, at=NOW, **told):
    assert place.store.move_incident(
        one.state, acted(one, Act(action, "ada", at, **told)), SAID.get(action)
    )


@pytest.mark.parametrize(
    ("action", "state", "status"),
    [
        ("confirm", "confirmed", "acknowledged"),
        ("dismiss", "dismissed", "false_alarm"),
        ("resolve", "resolved", "resolved"),
    ],
)
def test_what_is_said_of_an_incident_is_said_of_its_alerts(place, action, state, status):
    alerts = [replace(one, closed_at=None) for one in a_fault()]
    ((one, _),) = joined(place, NOW, *alerts)
    say(place, one, action)
    alerts = place.store.alerts()
    assert {(a.status, a.status_by, a.acknowledged_at) for a in alerts} == {(status, "ada", NOW)}
    join_alerts(place, NOW + STEP)
    assert place.store.detected_incident(one.id).state == state


def test_an_incident_all_of_whose_alerts_are_false_is_dismissed(place):
    ((one, ids),) = joined(place, NOW, *a_fault())
    for id in ids:
        place.store.judge_alert(id, "false_alarm", "bob", NOW)
    join_alerts(place, NOW + STEP)
    found = place.store.detected_incident(one.id)
    assert (found.state, found.state_by) == ("dismissed", "bob")


def test_a_look_that_had_not_seen_it_does_not_undo_what_a_person_said(place):
    alerts = [replace(one, closed_at=None) for one in a_fault()]
    ((one, _),) = joined(place, NOW, *alerts)
    say(place, one, "dismiss")
    resolved = replace(one, state="resolved")
    assert not place.store.move_incident(one.state, resolved)
    assert place.store.detected_incident(one.id).state == "dismissed"


# -- what people teach ----------------------------------------------------------------------------


def test_what_a_person_splits_stays_apart_the_next_time(place):
    def both(number, at):
        return metric(number, "a.errors", at), metric(number + 1, "b.errors", at + 2 * STEP)

    for i in range(3):
        joined(place, NOW - (10 - i) * DAY + HOUR, *both(10 * i, NOW - (10 - i) * DAY))
    one, ids = joined(place, NOW, *both(50, NOW - HOUR))[-1]
    assert len(ids) == 2  # by now it has learnt that they come together
    members = place.store.members([one.id])[one.id]
    new = split(one, members, ids[1:], "ada", NOW, UTC)
    place.store.move_members(new.members, new.incidents)
    again = joined(place, NOW + 3 * DAY + HOUR, *both(60, NOW + 3 * DAY))
    assert [len(ids) for _, ids in again[-2:]] == [1, 1]


def test_what_a_person_merges_is_joined_the_next_time(place):
    def pair(number, at):
        return surge(number, "Order entry", at), metric(number + 1, "db7.load", at + 90 * STEP / 5)

    noise = [
        metric(100 + i, f"n{i % 40}.x", NOW - 30 * DAY + i * 3 * HOUR, STEP) for i in range(200)
    ]
    put_alerts(place.store, *noise, *pair(1, NOW - 4 * DAY))
    join_alerts(place, NOW - 4 * DAY + 3 * HOUR)
    mine, other = (place.store.incident_of(f"{n:032x}").incident_id for n in (1, 2))
    assert mine != other
    found = place.store.members([mine, other])
    one, another = (place.store.detected_incident(id) for id in (mine, other))
    new = merged(one, found[mine], another, found[other], "ada", NOW, UTC)
    place.store.move_members(new.members, new.incidents)
    assert place.store.detected_incident(other).state == "merged"
    put_alerts(place.store, *pair(11, NOW - HOUR))
    join_alerts(place, NOW + HOUR)
    again = {place.store.incident_of(f"{n:032x}").incident_id for n in (11, 12)}
    assert len(again) == 1


# -- where it may have begun ----------------------------------------------------------------------


def test_the_service_that_both_need_and_that_was_just_changed_is_suspected_first(place):
    at = NOW - 5 * HOUR
    change = Change("c1", "default", at - 4 * STEP, "Deploy auth 4.2", "auth", "https://ci/42")
    place.store.put_service_changes([change])
    ((one, _),) = joined(place, NOW, *a_fault())
    first = one.suspects[0]
    assert (first.service, first.url) == ("auth", "https://ci/42")
    assert first.evidence[:2] == (
        "Deploy auth 4.2, 20 min before",
        "vpn and mail went wrong too, which need it",
    )
    assert sum(suspect.share for suspect in one.suspects) == pytest.approx(1, abs=0.01)


def test_what_was_found_the_last_time_is_told_the_next_time(place):
    ((one, _),) = joined(place, NOW - 2 * DAY, *a_fault(NOW - 3 * DAY))
    say(place, one, "note", cause="wifi: controller out of memory", fix="restarted it")
    again = [replace(alert, id=f"{i + 50:032x}") for i, alert in enumerate(a_fault())]
    *_, (two, _) = joined(place, NOW, *again)
    wifi = next(suspect for suspect in two.suspects if suspect.service == "wifi")
    assert any("controller out of memory; what helped: restarted it" in e for e in wifi.evidence)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ("service,needs\nvpn,auth\n", "line 1: wanted columns as service,depends_on"),
        ("service,depends_on\nvpn,\n", "line 2: wanted a service and one that it needs"),
    ],
)
def test_a_dependency_file_that_is_wrong_says_where(tmp_path, monkeypatch, forewarn, rows, wanted):
    (tmp_path / "needs.csv").write_text(rows)
    monkeypatch.setenv("FOREWARN_DEPENDENCIES", str(tmp_path / "needs.csv"))
    code, _, err = forewarn("detect")
    assert code == 2
    assert wanted in " ".join(err.split())


# -- on either database ---------------------------------------------------------------------------


def test_an_incident_lives_on_either_database(url, tmp_path):
    settings = Settings(home=tmp_path, database_url=url)
    with workspace(settings) as place:
        know_series(place)
        alerts = [replace(one, closed_at=None) for one in a_fault()]
        ((one, ids),) = joined(place, NOW, *alerts)
        say(place, one, "confirm", cause="auth: certificate")
        members = place.store.members([one.id])[one.id]
        new = split(place.store.detected_incident(one.id), members, ids[2:], "ada", NOW, UTC)
        place.store.move_members(new.members, new.incidents)
        other = place.store.detected_incident(new.incidents[-1].id)
        whole = place.store.detected_incident(one.id)
        found = place.store.members([whole.id, other.id])
        again = merged(whole, found[whole.id], other, found[other.id], "ada", NOW, UTC)
        place.store.move_members(again.members, again.incidents)
        put_alerts(place.store, *(replace(one, closed_at=NOW) for one in alerts))
        join_alerts(place, NOW + 2 * DAY)
        states = {one.id: (one.state, one.cause) for one, _ in told(place)}
        gone = place.store.expire("default", NOW + 3 * DAY)
    assert states[one.id] == ("closed", "auth: certificate")
    assert states[other.id][0] == "merged"
    assert (gone["alerts"], gone["incident_alerts"], gone["detected_incidents"]) == (3, 3, 2)


# -- at the endpoint, on the page, at the command line --------------------------------------------


@pytest.fixture
def desk(tmp_path):
    """A home with one incident that goes on."""
    with workspace(Settings(home=tmp_path)) as place:
        alerts = [replace(one, closed_at=None) for one in a_fault()]
        ((one, ids),) = joined(place, NOW, *alerts)
    return tmp_path, one, ids


def client_of(home, *scopes, desks=("default",)):
    with workspace(Settings(home=home)) as place:
        key = put_key(place.store, *scopes, desks=desks)
    app = serve.create_app(Settings(home=home), now=lambda: NOW, poll_seconds=60)
    headers = {"Authorization": f"Bearer {key}"}
    return TestClient(app, base_url="http://127.0.0.1:8000", headers=headers)


def written_down(home):
    """Who did what to which incident, as the audit log has it, the earliest first."""
    with workspace(Settings(home=home)) as place:
        return [(one.who, one.what, one.subject) for one in place.store.logged()[::-1]]


def test_the_endpoint_lists_an_incident_with_its_alerts_and_suspects(desk):
    home, one, ids = desk
    with client_of(home, "read") as client:
        (listed,) = client.get("/v1/incidents", params={"state": "proposed"}).json()["incidents"]
        found = client.get(f"/v1/incidents/{one.id}").json()
        assert client.get("/v1/incidents", params={"state": "closed"}).json()["incidents"] == []
        alert = client.get(f"/v1/alerts/{ids[0]}").json()
        refused = client.post(f"/v1/incidents/{one.id}", json={"action": "confirm"})
    assert (listed["id"], listed["why"], alert["incident_id"]) == (one.id, one.why, one.id)
    assert [member["id"] for member in found["alerts"]] == ids
    assert found["alerts"][1]["because"] == "11 min after vpn.errors_per_min"
    assert found["suspects"][0]["service"] == "vpn"
    assert refused.status_code == 403


def test_at_the_endpoint_a_person_splits_merges_and_confirms(desk):
    home, one, ids = desk
    with client_of(home, "admin") as client:

        def act(id, **body):
            return client.post(f"/v1/incidents/{id}", json=body)

        new = act(one.id, action="split", alerts=ids[2:]).json()
        assert [alert["id"] for alert in new["alerts"]] == ids[2:]
        whole = act(one.id, action="merge", **{"with": new["id"]}).json()
        assert [alert["id"] for alert in whole["alerts"]] == ids
        confirmed = act(one.id, action="confirm", cause="auth: certificate").json()
        assert (confirmed["state"], confirmed["cause"]) == ("confirmed", "auth: certificate")
        assert {alert["status"] for alert in confirmed["alerts"]} == {"acknowledged"}
        wrong = [
            act(one.id, action="explode"), act(one.id, action="split", alerts="all"),
            act(one.id, action="split", alerts=ids), act(one.id, action="reopen"),
            act(one.id, action="merge", **{"with": one.id}), act("nowhere", action="confirm"),
        ]  # fmt: skip
        key = client.headers["authorization"].split()[1].partition(".")[0]
    assert [answer.status_code for answer in wrong] == [422, 422, 409, 409, 409, 404]
    acts = [("split", one.id), ("split", new["id"]), ("merge", one.id), ("merge", new["id"]),
            ("confirm", one.id)]  # fmt: skip
    assert written_down(home) == [(key, f"incident {act}", id) for act, id in acts]


def test_who_has_another_desk_sees_none_of_it(desk):
    home, one, _ = desk
    with client_of(home, "admin", desks=("hr",)) as client:
        assert client.get(f"/v1/incidents/{one.id}").status_code == 404
        assert client.get("/v1/incidents", params={"desk": "default"}).status_code == 403


@pytest.fixture
def browser(desk):
    settings = Settings(home=desk[0], open_loopback=True)
    app = serve.create_app(settings, now=lambda: NOW, poll_seconds=60)
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 5000)) as client:
        yield client


def test_the_page_shows_what_speaks_for_an_incident_and_takes_a_persons_word(desk, browser):
    _, one, ids = desk
    listed = browser.get("/ops/incidents").text
    assert one.why in listed
    assert f"/ops/incidents/{one.id}" in listed
    page = browser.get(f"/ops/incidents/{one.id}")
    for text in ("Suspects", "tickets on VPN", "11 min after vpn.errors_per_min", "Timeline"):
        assert text in page.text
    told = {"token": form_token(page), "action": "confirm"}
    assert "Confirmed by loopback" in browser.post(f"/ops/incidents/{one.id}", data=told).text
    told |= {"action": "split", "alert": ids[2]}
    new = browser.post(f"/ops/incidents/{one.id}", data=told)
    assert new.url.path != f"/ops/incidents/{one.id}"
    assert "mail.latency_p95_ms" in new.text
    told |= {"action": "merge", "with": new.url.path.rpartition("/")[2]}
    assert "mail.latency_p95_ms" in browser.post(f"/ops/incidents/{one.id}", data=told).text
    told |= {"action": "note", "cause": "auth: <certificate>", "fix": "renewed"}
    assert "auth: &lt;certificate&gt;" in browser.post(f"/ops/incidents/{one.id}", data=told).text
    assert browser.get(f"/ops/alerts/{ids[0]}").text.count(f"/ops/incidents/{one.id}") == 1
    acts = [("confirm", one.id), ("split", one.id), ("split", told["with"]), ("merge", one.id),
            ("merge", told["with"]), ("note", one.id)]  # fmt: skip
    assert written_down(desk[0]) == [("loopback", f"incident {act}", id) for act, id in acts]


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"action": "explode"}, 422),
        ({"action": "split"}, 422),
        ({"action": "reopen"}, 422),
        ({"action": "merge", "with": "nowhere"}, 422),
        ({"action": "confirm", "token": "forged"}, 403),
    ],
    ids=["unknown", "nothing picked", "wrong state", "no other", "forged"],
)
def test_the_page_refuses_what_cannot_be(desk, browser, told, status):
    _, one, _ = desk
    token = form_token(browser.get(f"/ops/incidents/{one.id}"))
    answer = browser.post(f"/ops/incidents/{one.id}", data={"token": token} | told)
    assert answer.status_code == status


def test_an_empty_desk_says_what_makes_incidents(tmp_path):
    Store(Settings(home=tmp_path).database_url).close()
    app = serve.create_app(Settings(home=tmp_path, open_loopback=True), now=lambda: NOW)
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 5000)) as browser:
        assert "No incidents yet" in browser.get("/ops/incidents").text


def test_the_command_line_lists_shows_and_confirms(desk, forewarn):
    home, one, ids = desk

    def incidents(*arguments):
        return forewarn("--home", str(home), "--desk", "default", "incidents", *arguments)

    assert one.id in incidents("list")[1]
    shown = " ".join(incidents("show", one.id[:5])[1].split())
    assert "11 min after" in shown
    assert "vpn" in shown
    assert incidents("confirm", one.id, "--cause", "auth")[0] == 0
    assert incidents("split", one.id, ids[2])[0] == 0
    code, _, err = incidents("confirm", one.id)
    assert (code, "is confirmed" in err) == (2, True)
    acts = [what for who, what, _ in written_down(home) if who.startswith("command line (")]
    assert acts == ["incident confirm", "incident split", "incident split"]
    code, _, err = incidents("show", "nowhere")
    assert code == 2
    assert "no incident's id begins with" in " ".join(err.split())
