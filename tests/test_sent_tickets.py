"""Tickets sent to the endpoint: in the store before anybody is answered, scored, and corrected."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

import serve
from data.settings import Settings
from data.store import Store
from pipelines.feeds import TICKETS, feed
from pipelines.workspace import workspace
from tests.endpoint import NOW, promote, put_key, train

SENT = {
    "external_id": "INC1", "title": "vpn down", "body": "mail ada@example.com please",
    "requester": "Ada@Example.com", "labels": {"category": "net"}, "attributes": {"site": "Leeds"},
    "opened_at": "2026-03-04T09:30:00+00:00",
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train(tmp_path_factory.mktemp("model") / "m")


@pytest.fixture
def home(tmp_path, model):
    promote(tmp_path, model, "1")
    Store(Settings(home=tmp_path).database_url).close()
    return tmp_path


def client_of(home, *scopes, desks=("default",), **changed):
    settings = Settings(home=home, **changed)
    with workspace(settings) as place:
        key = put_key(place.store, *scopes, desks=desks)
    app = serve.create_app(settings, now=lambda: NOW, poll_seconds=60)
    headers = {"Authorization": f"Bearer {key}"}
    return TestClient(app, base_url="http://127.0.0.1:8000", headers=headers)


def ticket(home, external_id="INC1", source="api"):
    with workspace(Settings(home=home)) as place:
        return place.store.ticket("default", source, external_id)


def test_a_ticket_is_stored_masked_and_scored_by_the_version_that_is_named(home):
    with client_of(home, "tickets") as client:
        answer = client.post("/v1/tickets", json=SENT)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["new"], told["model"]["version"]) == (1, "1")
    assert told["results"][0]["targets"]["group"]["label"] == "net"
    kept = ticket(home)
    assert kept.title == "vpn down"
    assert "ada@example.com" not in kept.body
    assert (kept.labels, kept.attributes) == ({"category": "net"}, {"site": "Leeds"})
    assert "ada" not in kept.requester.lower()
    with workspace(Settings(home=home)) as place:
        (said,) = place.store.predictions("default", "api", "INC1")
    assert (said.target, said.label, said.version) == ("group", "net", "1")


def test_a_ticket_sent_twice_is_one_and_what_was_known_stays(home):
    untimed = {name: value for name, value in SENT.items() if name != "opened_at"}
    with client_of(home, "tickets") as client:
        counts = [
            {name: answer[name] for name in ("new", "changed", "same")}
            for body in (SENT, SENT, {**untimed, "body": ""})
            for answer in [client.post("/v1/tickets", json=body).json()]
        ]
    assert [tuple(one.values()) for one in counts] == [(1, 0, 0), (0, 0, 1), (0, 0, 1)]
    assert ticket(home).opened_at == NOW - timedelta(minutes=30)


def test_without_a_model_tickets_are_stored_all_the_same(tmp_path):
    with client_of(tmp_path, "tickets") as client:
        told = client.post("/v1/tickets", json={"tickets": [SENT, {"external_id": "INC2"}]}).json()
    assert (told["new"], told["model"]) == (2, None)
    assert ticket(tmp_path, "INC2").opened_at == NOW


def test_what_was_sent_is_counted_by_the_detectors(home):
    with client_of(home, "tickets") as client:
        client.post("/v1/tickets", json=SENT)
    with workspace(Settings(home=home)) as place:
        (steps,) = feed(place, TICKETS, NOW - timedelta(hours=1), NOW)
    assert steps.of(["net"]).sum() == 1


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"title": "no id"}, "body.external_id"),
        ([SENT, {**SENT, "title": 7}], "body.1.title"),
        ({**SENT, "opened_at": "2026-03-04T09:30:00"}, "body.opened_at"),
        ({**SENT, "opened_at": "2026-03-05T09:30:00Z"}, "body.opened_at"),
        ({**SENT, "attributes": {"user": "Ada"}}, "body.attributes.user"),
        ({**SENT, "colour": "red"}, "body.colour"),
        ([], "body"),
    ],
    ids=["no id", "a number", "no zone", "ahead", "a person", "unknown field", "none"],
)
def test_what_cannot_be_a_ticket_is_refused_with_its_place_and_nothing_is_stored(home, body, where):
    with client_of(home, "tickets") as client:
        answer = client.post("/v1/tickets", json=body)
    assert answer.status_code == 422
    assert where in [error["where"] for error in answer.json()["errors"]]
    assert "Ada" not in answer.text
    with workspace(Settings(home=home)) as place:
        assert place.store.counts("default")["tickets"] == 0


def test_who_may_only_score_stores_nothing_and_nobody_stores_on_another_desk(home):
    with client_of(home, "score") as client:
        assert client.post("/v1/tickets", json=SENT).status_code == 403
    with client_of(home, "tickets", desks=("hr",)) as client:
        assert client.post("/v1/tickets", json=SENT).status_code == 403
        assert client.post("/v1/feedback", json={}, params={"desk": "default"}).status_code == 403


def test_too_many_at_once_are_refused(home):
    with client_of(home, "tickets", max_batch=2) as client:
        many = [{**SENT, "external_id": f"INC{i}"} for i in range(3)]
        assert client.post("/v1/tickets", json=many).status_code == 413


def test_a_correction_is_kept_and_the_latest_of_a_person_counts(home):
    said = {"external_id": "INC1", "target": "group", "label": "print"}
    with client_of(home, "tickets") as client:
        client.post("/v1/tickets", json=SENT)
        assert client.post("/v1/feedback", json=said).json()["new"] == 1
        changed = client.post("/v1/feedback", json={"feedback": [{**said, "label": "net"}]})
        assert client.post("/v1/feedback", json={"label": "net"}).status_code == 422
    assert changed.status_code == 200
    with workspace(Settings(home=home)) as place:
        assert place.store.corrections("default", [("api", "INC1")]) == {
            ("api", "INC1"): {"group": "net"}
        }
