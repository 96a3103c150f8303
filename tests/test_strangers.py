"""What strangers try on the endpoint, and what they get for it: never in, and never a crash."""

import gzip
import http.client
import json
import re
import socket
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import cramjam
import pytest
from fastapi.testclient import TestClient

import serve
from data.keys import new_key
from data.settings import Settings
from data.store import Store
from tests.endpoint import NOW, an_alert, put_alerts, put_key, serving

BASE = "http://127.0.0.1:8000"
JSON = {"content-type": "application/json"}
SNAPPY = {"content-type": "application/x-protobuf", "content-encoding": "snappy"}
ALERT = an_alert(1)
LONG = "a" * 20_000


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def forward(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path):
    store = Store(Settings(home=tmp_path).database_url)
    put_alerts(store, ALERT, replace(ALERT, id="f" * 32, desk="hr"))
    yield store
    store.close()


@pytest.fixture
def knock(store, tmp_path, clock):
    """Gives a client for settings, and for a key of these scopes if there are any."""

    def knock(*scopes, desks=("default",), **changed):
        app = serve.create_app(Settings(home=tmp_path, **changed), now=clock, poll_seconds=60)
        headers = bearer(put_key(store, *scopes, desks=desks)) if scopes else {}
        far = ("192.0.2.7", 5000)
        return TestClient(app, BASE, headers=headers, client=far, raise_server_exceptions=False)

    return knock


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def refused(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer


# Who is asking


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("nobody"),
        bearer("nobody.guess"),
        bearer("a.b.c" * 1000),
        bearer("' OR 1=1 --.x"),
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"X-API-Key": "."},
        {"X-Forwarded-For": "127.0.0.1"},
    ],
    ids=["none", "empty", "no dot", "unknown", "long", "sql", "basic", "a dot", "as if from here"],
)
def test_without_a_key_of_ours_nobody_comes_in(knock, headers):
    with knock(open_loopback=True) as client:
        answer = refused(client.get("/v1/alerts", headers=headers), 401)
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert "guess" not in answer.text


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("read", "POST", "/v1/tickets/score"),
        ("read", "POST", f"/v1/alerts/{ALERT.id}"),
        ("read", "GET", "/v1/audit-log"),
        ("score", "GET", "/v1/alerts"),
        ("score", "POST", "/v1/tickets"),
        ("tickets", "POST", "/v1/metrics/write"),
        ("metrics", "POST", "/v1/changes"),
        ("changes", "POST", "/v1/maintenance"),
    ],
)
def test_a_scope_opens_no_other_door(knock, scope, method, path):
    with knock(scope) as client:
        refused(client.request(method, path, json={}), 403)


def test_what_is_another_desk_s_is_not_there(knock, store):
    with knock("admin") as client:
        for path in ("/v1/alerts", "/v1/audit-log", "/v1/series", "/v1/maintenance"):
            refused(client.get(path, params={"desk": "hr"}), 403)
        refused(client.get(f"/v1/alerts/{'f' * 32}"), 404)
        refused(client.post(f"/v1/alerts/{'f' * 32}", json={"action": "resolve"}), 404)
    assert store.alert("f" * 32).status == "open"


def test_a_key_is_refused_from_the_moment_that_it_ends(knock, store, clock):
    key, token = new_key(["read"], ["default"], NOW, lasts=timedelta(days=90))
    store.put_key(key)
    with knock() as client:
        clock.forward(90 * 86_400 - 1)
        assert client.get("/v1/alerts", headers=bearer(token)).status_code == 200
        clock.forward(1)
        answer = refused(client.get("/v1/alerts", headers=bearer(token)), 401)
        unknown = client.get("/v1/alerts", headers=bearer("nobody.guess")).json()
    assert answer.json()["detail"] == unknown["detail"], "which of them it is, nobody is told"
    assert "unknown, expired or revoked" in answer.json()["detail"]


def test_while_a_key_is_rotated_nothing_fails(knock, store, clock):
    old, token = new_key(["read"], ["default"], NOW)
    store.put_key(old)
    new, successor = new_key(["read"], ["default"], NOW)
    assert store.rotate_key(old.id, new, NOW + timedelta(hours=24))
    with knock() as client:
        for hours, opened in [(23, (200, 200)), (2, (401, 200))]:
            clock.forward(hours * 3600)
            tried = [client.get("/v1/alerts", headers=bearer(one)) for one in (token, successor)]
            assert tuple(one.status_code for one in tried) == opened


# How often


def test_who_asks_too_often_is_told_when_to_come_again(knock, clock):
    with knock("read", rate_limit=2) as client:
        passed = [client.get("/v1/alerts") for _ in range(4)]
        assert [one.status_code for one in passed] == [200] * 4
        assert passed[0].headers["ratelimit-policy"] == '"key";q=4;w=2'
        assert [one.headers["ratelimit"] for one in passed[-2:]] == [
            '"key";r=1;t=2',
            '"key";r=0;t=2',
        ]
        answer = refused(client.get("/v1/alerts"), 429)
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["ratelimit"] == '"key";r=0;t=2'
        clock.forward(0.5)
        assert client.get("/v1/alerts").status_code == 200
        refused(client.get("/v1/alerts"), 429)
        clock.forward(3600)
        found = [client.get("/v1/alerts").status_code for _ in range(5)]
    assert found == [200] * 4 + [429], "an hour of rest is worth no more than a burst"


def test_a_key_that_asks_too_often_stands_in_nobody_else_s_way(knock, store):
    fast, token = new_key(["read"], ["default"], NOW, rate=0)
    store.put_key(fast)
    slow, careful = new_key(["read"], ["default"], NOW, rate=0.1)
    store.put_key(slow)
    with knock("read", rate_limit=0.5) as client:
        assert client.get("/v1/alerts").status_code == 200
        refused(client.get("/v1/alerts"), 429)
        others = [client.get("/v1/alerts", headers=bearer(token)) for _ in range(20)]
        assert {one.status_code for one in others} == {200}
        assert client.get("/v1/alerts", headers=bearer(careful)).status_code == 200
        answer = refused(client.get("/v1/alerts", headers=bearer(careful)), 429)
        assert answer.headers["retry-after"] == "10"
        for _ in range(20):
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 503, "there is no model; it is no 429"


def test_guessing_costs_the_owner_of_a_key_nothing(knock, store):
    key, token = new_key(["read"], ["default"], NOW, rate=1)
    store.put_key(key)
    with knock() as client:
        for _ in range(5):
            refused(client.get("/v1/alerts", headers=bearer(f"{key.id}.guess")), 401)
        assert client.get("/v1/alerts", headers=bearer(token)).status_code == 200


# What they send


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in chunks"])
@pytest.mark.parametrize("path", ["/v1/tickets", "/v1/metrics/write"])
def test_a_body_that_is_too_large_is_refused(knock, path, announced):
    body = b" " * 5000
    content = body if announced else iter([body[:900]] * 5)
    headers = SNAPPY if path.endswith("write") else JSON
    with knock("admin", max_body_bytes=2000) as client:
        refused(client.post(path, content=content, headers=headers), 413)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "x"])
def test_a_compressed_body_is_refused_where_none_is_wanted(knock, coding):
    bomb = gzip.compress(b'{"title": "' + b" " * 5_000_000 + b'"}')
    with knock("admin") as client:
        for path in ("/v1/tickets", "/v1/tickets/score", f"/v1/alerts/{ALERT.id}", "/ops/login"):
            packed = JSON | {"content-encoding": coding}
            answer = refused(client.post(path, content=bomb, headers=packed), 415)
            assert answer.headers["accept-encoding"] == "identity"


def test_what_would_unpack_to_far_more_is_refused(knock):
    bomb = bytes(cramjam.snappy.compress_raw(bytes(2_000_000)))
    with knock("metrics", max_body_bytes=120_000) as client:
        refused(client.post("/v1/metrics/write", content=bomb, headers=SNAPPY), 413)
        gzipped = SNAPPY | {"content-encoding": "gzip"}
        refused(client.post("/v1/metrics/write", content=bomb, headers=gzipped), 415)


# From where


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_a_foreign_host_is_refused(knock, host):
    with knock("read") as client:
        refused(client.get("/v1/alerts", headers={"host": host}), 400)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:3000", "null"])
@pytest.mark.parametrize("path", ["/v1/tickets/score", f"/v1/alerts/{ALERT.id}", "/ops/login"])
def test_a_page_elsewhere_is_refused(knock, path, origin):
    with knock("admin") as client:
        refused(client.post(path, json={}, headers={"origin": origin}), 403)


# The page


def sign_in(client, token):
    page = client.get("/ops/login")
    fields = {"token": form_token(page), "key": token, "next": "/ops/alerts"}
    return client.post("/ops/login", data=fields, follow_redirects=False)


def form_token(page):
    return re.search(r'name="token" value="(\w+)"', page.text)[1]


@pytest.mark.parametrize(
    "path",
    [
        f"/ops/alerts/{ALERT.id}",
        f"/ops/alerts/{ALERT.id}/mute",
        "/ops/incidents/i1",
        "/ops/maintenance/m1/end",
        "/ops/logout",
        "/ops/login",
    ],
)
def test_a_form_from_elsewhere_changes_nothing(knock, store, path):
    """Even where the browser sends the cookie and hides where the form stood."""
    with knock() as client:
        signed = sign_in(client, put_key(store, "admin", desks=("default",)))
        assert "samesite=strict" in signed.headers["set-cookie"].lower()
        for token in ({}, {"token": "0" * 64}):
            answer = client.post(path, data={"action": "resolve", "lasts": "4h", **token})
            assert answer.status_code == 403
    assert store.alert(ALERT.id).status == "open"
    assert store.maintenances() == store.logged() == []


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_a_stolen_cookie_is_worth_nothing_once_its_key_is(knock, store, clock, how):
    key, token = new_key(["admin"], ["default"], NOW, lasts=timedelta(hours=1))
    store.put_key(key)
    with knock() as client:
        sign_in(client, token)
        page = client.get(f"/ops/alerts/{ALERT.id}")
        fields = {"token": form_token(page), "action": "resolve"}
        if how == "revoked":
            store.revoke_key(key.id, NOW)
        else:
            clock.forward(3600)
        assert client.get("/ops/alerts", follow_redirects=False).status_code == 303
        answer = client.post(f"/ops/alerts/{ALERT.id}", data=fields, follow_redirects=False)
        assert answer.headers["location"] == "/ops/login"
        assert sign_in(client, token).status_code == 401
    assert store.alert(ALERT.id).status == "open"


# A real server: as the bytes come


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server that waits a third of a second for a body, and an admin's key."""
    home = tmp_path_factory.mktemp("strangers")
    store = Store(Settings(home=home).database_url)
    token = put_key(store, "admin", desks=("default",))
    store.close()
    with serving(home, FOREWARN_BODY_SECONDS="0.3") as url:
        yield urlsplit(url), token


def asked(server, method, target, body=None):
    """The status and the body of an answer to a target that nobody has tidied."""
    url, token = server
    line = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
    try:
        line.putrequest(method, target)
        for name, value in (bearer(token) | (JSON if body else {})).items():
            line.putheader(name, value)
        line.putheader("Content-Length", str(len(body or b"")))
        line.endheaders(body)
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


TRICKS = ["..", "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..", "%00", "a%00b", "%0d%0aX:1",
          "%ff%fe", "%F0%9F%92%A9", "%25%32%65", ";rm", "'%20OR%201=1", LONG]  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick[:20])
def test_no_id_leads_anywhere_else(server, trick):
    act = json.dumps({"action": "resolve"}).encode()
    for method, target, body in [
        ("GET", f"/v1/alerts/{trick}", None),
        ("GET", f"/v1/alerts/{trick}/explain", None),
        ("POST", f"/v1/alerts/{trick}", act),
        ("GET", f"/v1/incidents/{trick}", None),
        ("POST", f"/v1/incidents/{trick}", act),
        ("DELETE", f"/v1/maintenance/{trick}", None),
        ("GET", f"/ops/static/{trick}", None),
        ("GET", f"/v1/{trick}", None),
    ]:
        status, told = asked(server, method, target, body)
        assert status in (404, 405), (method, target[:60], told)
        assert b"root:" not in told


@pytest.mark.parametrize("trick", [t for t in TRICKS if t != "%F0%9F%92%A9"], ids=lambda t: t[:20])
def test_no_name_leads_anywhere_else(server, trick):
    for target in (f"/v1/alerts?desk={trick}", f"/v1/audit-log?desk={trick}"):
        assert asked(server, "GET", target)[0] == 422
    status, told = asked(server, "GET", f"/v1/tickets/{trick}/{trick}/similar")
    assert status in (404, 422, 503), told


@pytest.mark.parametrize("desk", ["../hr", "a\0b", "x" * 65, {"a": 1}, 7])
def test_no_desk_in_a_body_leads_anywhere_else(server, desk):
    body = json.dumps({"tickets": [{"title": "x"}], "desk": desk}).encode()
    assert asked(server, "POST", "/v1/tickets/score", body)[0] in (403, 422)


@pytest.mark.parametrize("path", ["/v1/changes", "/v1/metrics/write", "/ops/login"])
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "in chunks"])
def test_a_body_that_never_ends_is_not_waited_for(server, path, chunked):
    url, token = server
    kind = "application/json"
    if path == "/ops/login":
        kind = "application/x-www-form-urlencoded"
    elif path == "/v1/metrics/write":
        kind = "application/x-protobuf\r\nContent-Encoding: snappy"
    length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 1000"
    head = f"POST {path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {token}\r\n"
    begun = "3\r\nabc\r\n" if chunked else "abc"
    with socket.create_connection((url.hostname, url.port), timeout=20) as line:
        line.sendall(f"{head}Content-Type: {kind}\r\n{length}\r\n\r\n{begun}".encode())
        answer = b"".join(iter(lambda: line.recv(65_536), b""))  # until it is closed
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"FOREWARN_BODY_SECONDS" in answer


def test_a_slow_body_that_comes_in_time_is_taken(server):
    url, token = server
    body = b'{"title": "Deploy", "service": "shop"}'
    head = f"POST /v1/changes HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {token}\r\n"
    with socket.create_connection((url.hostname, url.port), timeout=20) as line:
        length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        line.sendall(f"{head}Content-Type: application/json\r\n{length}".encode())
        for start in range(0, len(body), 10):
            line.sendall(body[start : start + 10])
        answer = b"".join(iter(lambda: line.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 202 ")
