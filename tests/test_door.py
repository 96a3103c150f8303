"""What a caller on a real connection hears when more is asked than can be answered soon."""

import http.client
import json
import threading
from contextlib import contextmanager

import pytest
import uvicorn

from api.door import Door
from api.guard import SECURE
from data.settings import Settings
from serve import create_app
from tests.endpoint import promote, train

OPEN = {"FOREWARN_OPEN_LOOPBACK": "yes"}
PATH = "/v1/tickets/score"
TICKET = json.dumps({"title": "printer jam", "body": "please help"})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return train(tmp_path_factory.mktemp("door") / "model")


@pytest.fixture
def app(tmp_path, saved):
    promote(tmp_path, saved, "1")
    return create_app(Settings.from_env({"FOREWARN_HOME": str(tmp_path), **OPEN}))


@contextmanager
def at_the_door(app):
    """A connection to the app, served by uvicorn through the door."""
    server = uvicorn.Server(uvicorn.Config(app, http=Door, port=0, log_level="warning"))
    serving = threading.Thread(target=server.run)
    serving.start()
    while not server.started:
        serving.join(0.01)
    line = http.client.HTTPConnection(*server.servers[0].sockets[0].getsockname(), timeout=10)
    try:
        yield line
    finally:
        line.close()
        server.should_exit = True
        serving.join()


def ask(line, path=PATH, body=TICKET, method="POST", **headers):
    line.request(method, path, body, {"Content-Type": "application/json", **headers})
    answer = line.getresponse()
    return answer.status, answer.headers, answer.read()


@contextmanager
def full(app):
    """So many tickets wait that nobody would be answered soon."""
    batcher = app.state.service.batcher
    batcher._n_waiting, batcher._seconds = 1000, 1.0
    try:
        yield
    finally:
        batcher._n_waiting = 0


def test_who_is_refused_is_told_so_as_in_every_other_answer_and_when_to_come_back(app):
    with at_the_door(app) as line, full(app):
        status, headers, body = ask(line, **{"X-Request-ID": "order-7"})
    told = json.loads(body)
    assert (status, headers["Retry-After"]) == (429, "1")
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["X-Request-ID"] == told["request_id"] == "order-7"
    assert {name: headers[name] for name in SECURE} == SECURE


def test_without_an_id_of_its_own_a_refusal_gets_one(app):
    with at_the_door(app) as line, full(app):
        ids = [ask(line)[1]["X-Request-ID"] for _ in range(2)]
    assert len({*ids}) == 2
    assert {len(one) for one in ids} == {32}


@pytest.mark.parametrize(
    ("path", "names"),
    [("/invocations", {"error_code", "message"}), ("/v2/models/ticket-default/infer", {"error"})],
)
def test_each_protocol_is_refused_in_its_own_words(app, path, names):
    with at_the_door(app) as line, full(app):
        status, _, body = ask(line, path)
    assert (status, set(json.loads(body))) == (429, names)


def test_a_connection_goes_on_after_a_refusal_however_much_was_sent(app):
    with at_the_door(app) as line:
        with full(app):
            refused = ask(line, body="x" * 3_000_000)[0]
        assert (refused, ask(line)[0]) == (429, 200)


def test_who_wants_the_connection_closed_has_it_closed(app):
    with at_the_door(app) as line, full(app):
        status, headers, _ = ask(line, Connection="close")
    assert (status, headers["Connection"]) == (429, "close")


def test_refusals_are_counted_and_nothing_else_is_refused(app):
    with at_the_door(app) as line, full(app):
        for _ in range(3):
            ask(line)
        read = ask(line, "/v1/models", None, "GET")
        metrics = ask(line, "/metrics", None, "GET")
    wanted = 'forewarn_requests_total{method="POST",route="shed",status="429"} 3'
    assert (read[0], wanted in metrics[2].decode().splitlines()) == (200, True)
