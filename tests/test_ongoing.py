"""A ticket that is scored while an incident goes on is told which one it seems to be of."""

from dataclasses import replace
from datetime import timedelta

import pytest

from api.ongoing import Incidents
from api.opened import OpenStore
from data.records import DetectedIncident, Membership
from data.settings import Settings
from data.store import Store
from models.triage import Triage
from tests.endpoint import GROUPS, NOW, TEXTS, an_alert, promote, put_alerts, put_key
from tests.test_api import client_of, score, wait_until

VPN = {"title": "vpn down", "body": "please help"}
PRINT = {"title": "printer jam", "body": "please help"}
SINCE = NOW - timedelta(hours=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """One that knows what tickets are counted by."""
    folder = tmp_path_factory.mktemp("model") / "m"
    folder.mkdir()
    fields = {"title": TEXTS, "body": ["please help"] * len(TEXTS)}
    Triage(precision=0.9).fit(fields, {"category": GROUPS}, ordered=False).save(folder)
    return folder


@pytest.fixture
def home(tmp_path, model):
    for desk in ("default", "hr"):
        promote(tmp_path, model, "1", desk=desk)
    return tmp_path


@pytest.fixture
def store(home):
    store = Store(Settings(home=home).database_url)
    yield store
    store.close()


def an_incident(store, number=1, *, key="net", kind="surge", state="proposed", **changed):
    """An incident of one alert that is open."""
    told = {"kind": kind, "key": key, "group_key": key, "members": (key,), "detector": kind}
    alert = an_alert(number, **told | {"closed_at": None} | changed)
    one = DetectedIncident(
        f"c{number}", alert.desk, state, alert.opened_at, f"tickets on {key}", "", "P2", ""
    )
    put_alerts(store, alert)
    store.put_joined([one], [Membership(alert.id, alert.desk, one.id, 0.0)])
    return one, alert


def client(home, store, *scopes, **told):
    key = put_key(store, *(scopes or ("read", "score", "tickets")), **told)
    return client_of(Settings(home=home), key)


def known(one, body=VPN, **params):
    return score(one, body, params=params).json()["results"][0]


def test_a_ticket_of_the_kind_that_surges_is_told_the_incident(home, store):
    an_incident(store)
    with client(home, store) as one:
        wait_until(lambda: "incident" in known(one))
        assert known(one)["incident"] == {
            "id": "c1",
            "title": "tickets on net",
            "state": "proposed",
            "since": "2026-03-04T09:00:00Z",
            "link": "/v1/incidents/c1",
        }
        assert one.get(known(one)["incident"]["link"]).json()["id"] == "c1"
        assert known(one, PRINT)["incident"] is None
        assert known(one, fields="incident.id") == {"incident": {"id": "c1"}}


def test_a_stored_ticket_goes_by_the_desks_own_word(home, store):
    an_incident(store)
    own = {"external_id": "INC1", **PRINT, "labels": {"category": "net"}}
    with client(home, store) as one:
        wait_until(lambda: "incident" in known(one))

        def send(body):
            return one.post("/v1/tickets", json=body).json()["results"][0]["incident"]

        assert send(own)["id"] == "c1"
        assert send({"external_id": "INC2", **PRINT}) is None
        assert send({"external_id": "INC3", **VPN})["id"] == "c1"


def test_the_words_of_a_new_topic_are_enough(home, store):
    an_incident(store, kind="topic", key="toner blue")
    an_incident(store, 2, kind="topic", key="like INC7")
    with client(home, store) as one:
        wait_until(lambda: "incident" in known(one))
        assert known(one, {"title": "printer jam", "body": "Blue toner!"})["incident"]["id"] == "c1"
        assert known(one, PRINT)["incident"] is None
        assert known(one, {"title": "printer like INC7"})["incident"] is None


def test_without_an_incident_nothing_is_said(home, store):
    with client(home, store) as one:
        assert "incident" not in known(one)


@pytest.mark.parametrize(
    "told",
    [
        {"key": "total"},
        {"kind": "metric"},
        {"closed_at": NOW},
        {"status": "false_alarm"},
        {"state": "dismissed"},
        {"state": "resolved"},
        {"desk": "hr"},
    ],
    ids=lambda told: str(*told.values()),
)
def test_what_is_no_open_surge_of_the_desk_is_not_told(home, store, told):
    an_incident(store, **told)
    incidents = Incidents(OpenStore(Settings(home=home).database_url))
    incidents.refresh()
    assert incidents._by_desk.get("default", ()) == ()


def test_it_is_told_to_keys_that_may_read_and_only_of_their_desk(home, store):
    an_incident(store)
    with client(home, store) as one:
        wait_until(lambda: "incident" in known(one))
        assert "incident" not in known(one, desk="hr")
        key = put_key(store, "score")
        told = score(one, VPN, headers={"Authorization": f"Bearer {key}"}).json()
    assert "incident" not in told["results"][0]


def test_it_is_no_longer_told_when_it_is_over(home, store):
    _, alert = an_incident(store)
    with client(home, store) as asking:
        wait_until(lambda: "incident" in known(asking))
        put_alerts(store, replace(alert, closed_at=NOW))
        wait_until(lambda: "incident" not in known(asking))


def test_a_database_that_is_away_leaves_what_was_known(home, store):
    an_incident(store)
    opened = OpenStore(Settings(home=home).database_url)
    incidents = Incidents(opened)
    incidents.refresh()
    opened.close()
    opened._store = None
    for path in home.glob("forewarn.db*"):
        path.rename(home / f"away-{path.name}")
    (home / "forewarn.db").mkdir()
    incidents.refresh()
    assert len(incidents._by_desk["default"]) == 1
