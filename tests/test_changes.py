"""Changes to services are told as senders tell them, kept once, and shown beside an alert."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

import serve
from data.records import Change
from data.settings import Settings
from data.store import Store
from tests.endpoint import an_alert, put_alerts, put_key

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    store = Store(Settings(home=tmp_path).database_url)
    yield store
    store.close()


def client_of(store, home, *scopes, **changed):
    app = serve.create_app(Settings(home=home, **changed), now=lambda: NOW, poll_seconds=60)
    key = put_key(store, *scopes, desks=("default",)) if scopes else ""
    headers = {"Authorization": f"Bearer {key}"} if scopes else {}
    url, peer = "http://127.0.0.1:8000", ("127.0.0.1", 5000)
    return TestClient(app, base_url=url, headers=headers, client=peer)


@pytest.fixture
def client(store, tmp_path):
    """A pipeline that deploys, with a key that may tell of changes and read them."""
    with client_of(store, tmp_path, "changes", "read") as client:
        yield client


OURS = {"title": "Deploy shop 4.2", "service": "shop", "at": "2026-03-02T11:30:00Z"}
PAGERDUTY = {
    "routing_key": "a" * 32,
    "payload": {
        "summary": "Flag new-checkout on",
        "timestamp": "2026-03-02T13:00:00+02:00",
        "source": "shop",
        "custom_details": {"user": "ci"},
    },
    "links": [{"href": "https://ci.example/42", "text": "build"}],
}
ALERTMANAGER = {
    "version": "4",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "NodeReboot", "job": "vpn"},
            "annotations": {"summary": "vpn-1 restarts"},
            "startsAt": "2026-03-02T10:45:00.5Z",
            "generatorURL": "http://prometheus/graph",
        }
    ],
}


def test_three_forms_are_kept_once_each_and_listed_newest_first(client):
    for new in (1, 0):
        answers = [client.post("/v1/changes", json=one) for one in (OURS, PAGERDUTY, ALERTMANAGER)]
        assert [(one.status_code, one.json()["new"]) for one in answers] == [(202, new)] * 3
    listed = client.get("/v1/changes").json()["changes"]
    assert [(one["title"], one["service"]) for one in listed] == [
        ("Deploy shop 4.2", "shop"),
        ("Flag new-checkout on", "shop"),
        ("vpn-1 restarts", "vpn"),
    ]
    assert listed[1]["at"] == "2026-03-02T11:00:00Z"
    assert listed[1]["url"] == "https://ci.example/42"
    early = client.get("/v1/changes", params={"until": "2026-03-02T11:00:00Z"}).json()["changes"]
    assert [one["service"] for one in early] == ["vpn"]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({}, "title: wanted what was changed"),
        ([1], "wanted {"),
        ({"title": 3}, "title: wanted text, got int"),
        ({"title": "x", "at": "yesterday"}, "at: wanted a time such as"),
        ({"title": "x", "at": "2026-03-02T13:00:00Z"}, "at: lies ahead of this machine's clock"),
        ({"payload": {"summary": ""}}, "payload.title: wanted what was changed"),
        ({"alerts": ["x"]}, "alerts[0]: wanted an alert with labels"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(client, body, wanted):
    answer = client.post("/v1/changes", json=body)
    assert answer.status_code == 422
    assert wanted in answer.json()["detail"]
    assert client.get("/v1/changes").json()["changes"] == []


def test_it_takes_a_key_that_may(store, tmp_path):
    with client_of(store, tmp_path, "read", "score") as client:
        assert client.post("/v1/changes", json=OURS).status_code == 403
        assert client.get("/v1/changes", params={"desk": "hr"}).status_code == 403


def test_secrets_in_a_title_are_masked(client, store):
    client.post("/v1/changes", json={"title": "rotate key for ann@example.com"})
    (kept,) = store.service_changes("default", None, None)
    assert "ann@example.com" not in kept.title


def test_an_alert_shows_what_was_changed_before_it_suspects_first(store, tmp_path):
    opened = NOW - timedelta(minutes=10)
    put_alerts(store, an_alert(1, key="shop.errors_per_min", opened_at=opened))
    changes = (
        OURS,
        {"title": "New VPN gateway", "service": "vpn", "at": "2026-03-02T11:45:00Z"},
        {"title": "Long ago", "service": "shop", "at": "2026-03-02T08:00:00Z"},
        {"title": "Afterwards", "service": "shop", "at": "2026-03-02T11:55:00Z"},
    )
    with client_of(store, tmp_path, open_loopback=True) as client:
        for one in changes:
            client.post("/v1/changes", json=one)
        (alert,) = store.alerts()
        page = client.get(f"/ops/alerts/{alert.id}").text
    told = page[page.index("Changed in the two hours before") :]
    assert told.index("Suspect") < told.index("Deploy shop 4.2") < told.index("New VPN gateway")
    assert told.count("Suspect") == 1
    assert "20 min earlier" in told
    assert "Long ago" not in told
    assert "Afterwards" not in told


def test_old_changes_expire(store):
    store.put_service_changes(
        [Change("a", "it", NOW, "x"), Change("b", "it", NOW - timedelta(9), "y")]
    )
    assert store.expire("it", NOW - timedelta(1))["service_changes"] == 1
    assert [one.id for one in store.service_changes("it", None, None)] == ["a"]
