"""`Idempotency-Key`: a request that is sent again is answered again, and done once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Event

import anyio
import pytest
from fastapi.testclient import TestClient

import serve
from data.settings import Settings
from data.store import Store
from data.store_answers import KEPT, STALE, SWEPT, claim_of
from pipelines.workspace import workspace
from tests.endpoint import NOW, promote, put_key, train

NAMELESS = {"title": "vpn down", "body": "since this morning"}
SENT = {**NAMELESS, "external_id": "INC1"}
SECOND = timedelta(seconds=1)


class Clock:
    """A clock that stands until somebody sets it."""

    def __init__(self):
        self.at = NOW

    def __call__(self):
        return self.at


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train(tmp_path_factory.mktemp("model") / "m")


@pytest.fixture
def home(tmp_path, model):
    promote(tmp_path, model, "1")
    return tmp_path


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def token(home):
    return token_of(home)


@pytest.fixture
def client(home, token, clock):
    with client_of(home, token, clock) as client:
        yield client


def token_of(home):
    with workspace(Settings(home=home)) as place:
        return put_key(place.store, "tickets", desks=("default", "hr"))


def client_of(home, token, clock):
    app = serve.create_app(Settings(home=home), now=clock, poll_seconds=60)
    headers = {"Authorization": f"Bearer {token}"}
    return TestClient(
        app, base_url="http://127.0.0.1:8000", headers=headers, raise_server_exceptions=False
    )


def send(client, body=SENT, key="k1", **told):
    return client.post("/v1/tickets", json=body, headers={"Idempotency-Key": key}, **told)


def kept(client, desk="default"):
    return list(client.app.state.service.store().tickets(desk))


def test_a_request_sent_again_gets_the_first_answer_and_nothing_is_done_twice(client):
    first, again = send(client), send(client)
    assert first.status_code == again.status_code == 200
    assert again.content == first.content
    assert (first.json()["new"], again.json()["new"]) == (1, 1)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert client.app.state.service.traffic._counts["tickets", "default", "1", "fast"] == 1


def test_the_key_may_stand_in_quotes_and_a_body_be_spelt_otherwise(client):
    first = send(client)
    spelt = dict(reversed(SENT.items()))
    assert send(client, spelt, key='"k1"').content == first.content


def test_another_body_under_the_same_key_is_refused(client):
    send(client)
    answer = send(client, {**SENT, "title": "printer jam"})
    assert answer.status_code == 422
    assert "another body" in answer.json()["detail"]
    assert [one.title for one in kept(client)] == ["vpn down"]


def test_keys_of_callers_and_desks_are_apart(client, home, clock):
    send(client)
    with client_of(home, token_of(home), clock) as other:
        other_body = send(other, {**SENT, "external_id": "INC2"})
    hr = send(client, {**SENT, "external_id": "INC3"}, params={"desk": "hr"})
    assert (other_body.status_code, hr.status_code) == (200, 200)


def test_it_holds_after_a_restart_and_for_another_worker(client, home, token, clock):
    first = send(client)
    with client_of(home, token, clock) as other:
        assert send(other).content == first.content


def test_after_a_day_the_key_is_a_new_one(client, clock):
    send(client)
    clock.at += KEPT - SECOND
    assert "idempotency-replayed" in send(client).headers
    clock.at += SECOND
    answer = send(client, {**SENT, "external_id": "INC2"})
    assert (answer.status_code, answer.json()["new"]) == (200, 1)


def test_a_ticket_without_an_id_gets_one_that_stays(client, clock):
    first = send(client, [NAMELESS, NAMELESS, SENT])
    ids = [one["external_id"] for one in first.json()["results"]]
    assert send(client, [NAMELESS, NAMELESS, SENT]).content == first.content
    assert len(set(ids)) == 3
    assert ids[2] == "INC1"
    assert sorted(one.external_id for one in kept(client)) == sorted(ids)
    clock.at += KEPT
    later = send(client, NAMELESS).json()
    assert later["new"] == 1, "a day later the same key means another ticket"


def test_without_a_key_a_ticket_needs_its_id(client):
    answer = client.post("/v1/tickets", json=[SENT, NAMELESS])
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "body.1.external_id"
    assert "Idempotency-Key" in answer.text


@pytest.mark.parametrize("key", ["", " ", "a b", '"a', "x" * 201, "a\tb"])
def test_a_key_that_is_none_is_refused(client, key):
    answer = send(client, key=key)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "header.Idempotency-Key"
    assert kept(client) == []


def test_what_was_refused_may_be_mended_under_the_same_key(client):
    assert send(client, {**SENT, "title": 7}).status_code == 422
    assert send(client, {**SENT, "opened_at": "2027-01-01T00:00:00Z"}).status_code == 422
    answer = send(client)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (200, False)


def test_while_one_is_at_work_another_is_told_and_a_crash_doubles_nothing(client, clock):
    service, began, ends = client.app.state.service, Event(), Event()

    async def stuck(*_):
        began.set()
        while not ends.is_set():
            await anyio.sleep(0.01)
        raise RuntimeError("scoring broke")

    scored, service.batcher.score = service.batcher.score, stuck
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send, client, NAMELESS)
        assert began.wait(20)
        second = send(client, NAMELESS)
        ends.set()
        assert first.result().status_code == 500
    service.batcher.score = scored
    assert (second.status_code, second.headers["retry-after"]) == (409, "1")
    clock.at += SECOND
    assert send(client, NAMELESS).status_code == 200
    assert [one.opened_at for one in kept(client)] == [NOW], "it is one ticket"


# In the store, on both engines


def a_claim(at=NOW, body=b"{}", key="k1"):
    return claim_of("ann", "it", key, body, at)


def test_one_of_many_gets_a_request(store):
    claims = [a_claim() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(store.claim, claims))
    assert len({one.holder for one in found}) == 1


def test_what_a_dead_worker_left_is_taken_over_and_its_late_answer_dropped(store):
    dead = store.claim(a_claim())
    early, other = a_claim(NOW + STALE - SECOND), a_claim(NOW + STALE, b"[]")
    assert store.claim(early) == store.claim(other) == dead
    late = a_claim(NOW + STALE)
    taken = store.claim(late)
    assert (taken.holder, taken.begun_at) == (late.holder, NOW)
    assert not store.keep_answer(dead, b"late")
    assert store.keep_answer(taken, b"told")
    assert store.claim(a_claim(NOW + 2 * STALE)).answer == b"told"


def test_what_was_given_up_is_free_at_once(store):
    store.give_up(store.claim(a_claim()))
    other = a_claim(NOW + SECOND, b"[]")
    assert store.claim(other) == replace(other, begun_at=NOW)


def test_answers_past_their_day_are_swept_some_at_a_time(store):
    for number in range(SWEPT + 5):
        claim = store.claim(a_claim(key=f"k{number}"))
        store.keep_answer(claim, b"told")
    store.claim(a_claim(NOW + KEPT, key="later"))
    assert n_kept(store) == 6
    store.claim(a_claim(NOW + KEPT, key="last"))
    assert n_kept(store) == 2


def n_kept(store: Store) -> int:
    with store.reading.connect() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM kept_answers").scalar_one()
