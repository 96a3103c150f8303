"""Requests that once were answered by 500, or might be: each is told what to mend."""

import pytest
from fastapi.testclient import TestClient

import serve
from benchmarks.fuzzed import EXAMPLES
from data.records import Ticket
from data.settings import Settings
from data.store import Store
from tests import endpoint
from tests.endpoint import NOW, an_alert, put_alerts, put_key, train

NUL = "vpn\x00down"
FIRST, LAST = "0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train(tmp_path_factory.mktemp("models") / "net")


@pytest.fixture
def client(tmp_path, model, url):
    endpoint.promote(tmp_path, model, "1")
    store = Store(url)
    put_alerts(store, an_alert(1))
    store.put_tickets([Ticket("default", "api", "T1", NOW, title="vpn down")])
    headers = {"Authorization": f"Bearer {put_key(store, 'admin')}"}
    store.close()
    app = serve.create_app(Settings(home=tmp_path, database_url=url), now=lambda: NOW)
    told = {"base_url": "http://127.0.0.1:8000", "raise_server_exceptions": False}
    with TestClient(app, headers=headers, **told) as client:
        yield client


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//]", "http://a\u00e9"])
def test_an_origin_that_is_no_address_is_another_page(client, origin):
    answer = client.get("/v1/alerts", headers={"Origin": origin.encode("latin-1")})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("action", [{}, [], 1, None, {"resolve": []}], ids=str)
@pytest.mark.parametrize("path", [f"/v1/alerts/{an_alert(1).id}", "/v1/incidents/I1"])
def test_an_action_that_is_no_word_is_told(client, path, action):
    answer = client.post(path, json={"action": action})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "body.action"


def zendesk(**changed):
    return EXAMPLES["zendesk"] | {"detail": EXAMPLES["zendesk"]["detail"] | changed}


BODIES = {
    "title": ("/v1/tickets", {"external_id": "T2", "title": NUL}),
    "label": ("/v1/tickets", {"external_id": "T2", "labels": {"group": NUL}}),
    "requester": ("/v1/tickets", {"external_id": "T2", "requester": NUL}),
    "attribute": ("/v1/tickets", {"external_id": "T2", "attributes": {"site": NUL}}),
    "feedback": ("/v1/feedback", {"external_id": "T1", "target": "group", "label": NUL}),
    "subject": ("/v1/desks/default/zendesk", zendesk(subject=NUL)),
    "group": ("/v1/desks/default/zendesk", zendesk(group_id=NUL)),
    "label name": ("/v1/desks/default/zendesk", {"external_id": "T2", "labels": {NUL: "x"}}),
    "change": ("/v1/changes", {"title": NUL, "id": NUL, "service": NUL, "url": NUL}),
    "maintenance": ("/v1/maintenance", {"ends_at": "2026-03-05T00:00:00Z", "comment": NUL}),
    "glob": (
        "/v1/maintenance",
        {"ends_at": "2026-03-05T00:00:00Z", "matchers": [{"name": "series", "value": NUL}]},
    ),
    "fix": ("/v1/incidents/I1", {"action": "confirm", "fix": NUL}),
    "action": ("/v1/incidents/I1", {"action": "split", "alerts": [NUL]}),
    "merge": ("/v1/incidents/I1", {"action": "merge", "with": NUL}),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_zero_byte_in_a_text_breaks_no_database(client, name):
    path, body = BODIES[name]
    answer = client.post(path, json=body)
    assert answer.status_code < 500, answer.text
    if answer.status_code < 300:
        assert client.post(path, json=body).status_code < 300, "sent again it must be the same"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/alerts/%00", "/v1/alerts/a%00/explain", "/v1/incidents/%00", "/v1/alerts?key=%00",
        "/v1/tickets/a%00/b/similar", "/v1/series?contains=%00", "/v1/forecasts?series=%00",
        "/v2/models/%00", "/v1/alerts?desk=%00", "/v1/series?contains=%25_%5C",
        f"/v1/alerts?since={FIRST}", f"/v1/alerts?until={LAST}", f"/v1/incidents?since={LAST}",
        f"/v1/changes?since={FIRST}", f"/v1/audit-log?since={FIRST}",
    ],
)  # fmt: skip
def test_a_path_or_a_time_at_the_edge_breaks_nothing(client, path):
    assert client.get(path).status_code < 500


@pytest.mark.parametrize("name", ["X-API-Key", "Authorization"])
@pytest.mark.parametrize("token", [b"\xff\xfe.x", b".", b"a\xe9.b"])
def test_a_key_of_any_bytes_is_unknown(client, name, token):
    value = token if name == "X-API-Key" else b"Bearer " + token
    client.headers.pop("Authorization")
    assert client.get("/v1/alerts", headers={name: value}).status_code == 401
