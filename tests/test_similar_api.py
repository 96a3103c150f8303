"""Similar tickets through the front door: filled in the background, told as the store has them."""

import logging
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from api.champion import Champions
from api.indexes import Indexes
from api.opened import OpenStore
from data import ticket_index
from data.records import Feedback, Ticket
from data.settings import Settings
from data.store import Store
from data.ticket_index import TicketIndex
from features.embedding import Encoder
from features.glance import Glance
from models.nearby import Nearby, reader_of
from models.triage import Triage
from tests import endpoint
from tests.endpoint import put_key
from tests.test_api import check_problem, client_of, score, wait_until

OPENED = endpoint.NOW - timedelta(days=3)
NOTICE = "printer jam on floor three, old printer broken, please help me with my slow vpn"


def a_ticket(number, title, **fields):
    known = {"desk": "default", "source": "file", "external_id": f"INC{number}", "title": title}
    return Ticket(**known | {"opened_at": OPENED, "body": "please help"} | fields)


def closed(number, title, **fields):
    return a_ticket(number, title, resolved_at=OPENED + timedelta(hours=1), **fields)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return endpoint.train(tmp_path_factory.mktemp("models") / "similar")


@pytest.fixture
def home(tmp_path, model):
    endpoint.promote(tmp_path, model, "1")
    return tmp_path


@pytest.fixture
def store(home):
    with closing(Store(Settings(home=home).database_url)) as store:
        yield store


@pytest.fixture
def client(home, store):
    with client_of(Settings(home=home), put_key(store, "read", "score")) as client:
        yield client


@pytest.fixture
def index(store, model):
    """The desk's index, which steps only when a test says so."""
    return TicketIndex("default", Nearby(Triage.load(model)), after=0)


def like(client, path="file/INC1", **params):
    answer = client.get(f"/v1/tickets/{path}/similar", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def like_when_filled(client, path="file/INC1", **params):
    wait_until(lambda: like(client, path, **params)["indexing"] is None)
    return like(client, path, **params)


def ids(told):
    return [one["external_id"] for one in told]


def look(index, store, title, k=5):
    return index.look(store, {"title": [title], "body": ["please help"]}, k)


def filled(index, store):
    while index.step(store):
        pass
    return index


def test_the_nearest_past_tickets_come_with_what_became_of_them(client, store):
    solved = {"labels": {"group": "net", "impact": "2"}, "resolution": "restarted the gateway"}
    store.put_tickets(
        [a_ticket(1, "vpn slow"), closed(2, "my vpn slow", **solved), closed(3, "old printer")]
    )
    store.put_feedback([Feedback("default", "file", "INC2", "group", "vpn", OPENED, "ada")])
    told = like_when_filled(client)
    assert ids(told["tickets"]) == ["INC2", "INC3"]
    nearest, other = told["tickets"]
    assert nearest["similarity"] > 0.7 > other["similarity"]
    assert nearest | {"similarity": 1} == {
        "source": "file",
        "external_id": "INC2",
        "similarity": 1,
        "title": "my vpn slow",
        "labels": {"group": "vpn", "impact": "2"},
        "resolution": "restarted the gateway",
        "opened_at": "2026-03-01T10:00:00Z",
        "closed_at": "2026-03-01T11:00:00Z",
    }
    assert other["resolution"] is None
    assert len(like(client, k=1)["tickets"]) == 1


def test_open_tickets_that_say_the_same_stand_apart(client, store):
    near = NOTICE.replace("floor", "level")
    store.put_tickets([a_ticket(1, NOTICE), a_ticket(2, NOTICE.upper()), closed(3, NOTICE)])
    store.put_tickets([a_ticket(4, f"{NOTICE} again"), a_ticket(5, near), a_ticket(6, "vpn down")])
    told = like_when_filled(client)
    assert ids(told["duplicates"]) == ["INC2", "INC4"]
    assert [one["similarity"] for one in told["duplicates"]] == [1, 0.9333], "of 15 words 14"
    assert ids(told["tickets"])[:2] == ["INC3", "INC5"]
    assert "INC2" not in ids(told["tickets"])


def test_a_ticket_that_another_process_stores_or_closes_is_noticed(client, store):
    store.put_tickets([a_ticket(1, "vpn slow")])
    assert like_when_filled(client)["tickets"] == []
    store.put_tickets([a_ticket(2, "vpn slow")])
    wait_until(lambda: ids(like(client)["duplicates"]) == ["INC2"])
    store.put_tickets([closed(2, "vpn slow")])
    wait_until(lambda: ids(like(client)["tickets"]) == ["INC2"])
    assert like(client)["duplicates"] == []


def test_scoring_tells_them_on_request(client, store):
    store.put_tickets([closed(1, "vpn down"), closed(2, "printer jam")])
    tickets = [{"title": "VPN down", "body": ""}, {"title": "a printer jam"}]

    def results():
        return score(client, tickets, params={"similar": 1}).json()["results"]

    wait_until(lambda: results()[0]["similar"]["indexing"] is None)
    assert [ids(one["similar"]["tickets"]) for one in results()] == [["INC1"], ["INC2"]]
    assert results()[0]["targets"]["group"]["label"] == "net"
    assert "similar" not in score(client).text, "nobody asked"
    check_problem(score(client, params={"similar": 0}), 422)


def test_texts_are_masked_before_they_are_compared(client, store):
    store.put_tickets([a_ticket(1, f"{NOTICE} ann@example.org")])
    asked = {"title": f"{NOTICE} bob@example.org", "body": "please help"}

    def told():
        return score(client, asked, params={"similar": 1}).json()["results"][0]["similar"]

    wait_until(lambda: told()["indexing"] is None)
    assert told()["duplicates"][0]["similarity"] == 1


def test_a_desk_sees_its_own_tickets_only(home, store, model):
    endpoint.promote(home, model, "1", desk="hr")
    store.put_tickets([a_ticket(1, "vpn slow"), a_ticket(2, "vpn slow", desk="hr")])
    with client_of(Settings(home=home), put_key(store, "admin", desks=("hr",))) as client:
        told = like_when_filled(client, "file/INC2", desk="hr")
        assert (told["tickets"], told["duplicates"]) == ([], [])
        check_problem(client.get("/v1/tickets/file/INC1/similar"), 403)
        check_problem(client.get("/v1/tickets/file/INC1/similar", params={"desk": "hr"}), 404)


def test_what_others_wrote_is_for_keys_that_may_read(home, store):
    store.put_tickets([a_ticket(1, "vpn slow")])
    with client_of(Settings(home=home), put_key(store, "score")) as client:
        problem = check_problem(score(client, params={"similar": 5}), 403)
        assert "scope read" in problem["detail"]
        check_problem(client.get("/v1/tickets/file/INC1/similar"), 403)


def test_a_ticket_with_its_neighbours_counts_as_ten(home, store):
    tickets = [{"title": "vpn"}] * 3
    with client_of(Settings(home=home, max_batch=20), put_key(store, "admin")) as client:
        assert score(client, tickets[:2], params={"similar": 1}).status_code == 200
        check_problem(score(client, tickets, params={"similar": 1}), 413)


def test_an_id_may_hold_a_slash(client, store):
    store.put_tickets([a_ticket(1, "vpn slow", external_id="2026/7")])
    assert like(client, "file/2026/7")["tickets"] == []
    assert like(client, "file/2026%2F7")["tickets"] == []


@pytest.mark.parametrize("path", ["file/INC9", "other/INC1", "file/%00"])
def test_a_ticket_that_is_not_there_is_told(client, store, path):
    store.put_tickets([a_ticket(1, "vpn slow")])
    check_problem(client.get(f"/v1/tickets/{path}/similar"), 404)


def test_without_a_model_it_says_what_to_run(tmp_path):
    with client_of(Settings(home=tmp_path, open_loopback=True)) as client:
        told = check_problem(client.get("/v1/tickets/file/INC1/similar"), 503)
        assert "forewarn train" in told["detail"]


# How the index is filled


def test_until_it_is_filled_it_says_how_far_it_is(index, store, monkeypatch):
    monkeypatch.setattr(ticket_index, "AT_ONCE", 2)
    store.put_tickets([closed(number, "vpn slow") for number in range(5)])
    assert look(index, store, "vpn slow")[2:] == (0, 5)
    assert index.step(store)
    found = look(index, store, "vpn slow")
    assert (len(found.tickets), found[2:]) == (2, (2, 5))
    assert look(filled(index, store), store, "vpn slow")[2:] == (5, 5)


def test_an_erased_ticket_is_gone_at_once_and_forgotten_soon(index, store, monkeypatch):
    monkeypatch.setattr(ticket_index, "SPARE", 0)
    monkeypatch.setattr(ticket_index, "N_SWEPT", 3)
    make = [a_ticket, closed] * 5
    theirs = [one(number, "vpn slow", requester="ada") for number, one in enumerate(make)]
    store.put_tickets([*theirs, a_ticket(10, "vpn slow"), closed(11, "vpn down")])
    filled(index, store)
    store.erase_requester("default", "ada")
    found = look(index, store, "vpn slow", k=1)
    assert [one.ticket.external_id for one in found.duplicates] == ["INC10"]
    assert [one.ticket.external_id for one in found.tickets] == ["INC11"]
    assert len(index.nearby) == 12
    for _ in range(12):
        index.step(store)
    assert len(index.nearby) == 2


def test_a_ticket_erased_and_stored_again_is_found(index, store):
    store.put_tickets([closed(1, "vpn slow")])
    filled(index, store)
    store.erase_ticket("default", "file", "INC1")
    store.put_tickets([closed(1, "old printer")])
    filled(index, store)
    (found,) = look(index, store, "old printer").tickets
    assert (found.ticket.title, found.similarity) == ("old printer", pytest.approx(1, abs=1e-3))


def test_of_more_tickets_than_the_limit_the_last_are_read(store, model, home):
    store.put_tickets([closed(number, f"vpn slow {number}") for number in range(9)])
    made = following(home, limit=4)
    index = made.of(made.champions.get("default"))
    assert index.after == 5, "nothing is read that would be forgotten"
    made.step()
    assert len(index.nearby) == 4
    assert {one.ticket.external_id for one in look(index, store, "vpn slow").tickets} == {
        "INC5", "INC6", "INC7", "INC8",
    }  # fmt: skip


def following(home, **options):
    champions = Champions(home)
    champions.refresh()
    return Indexes(home, OpenStore(Settings(home=home).database_url), champions, **options)


def test_a_model_that_reads_otherwise_has_all_tickets_read_anew(store, home, tmp_path):
    store.put_tickets([closed(1, "vpn slow")])
    made = following(home)
    before = made.of(made.champions.get("default"))
    made.step()
    made.step()
    assert made.of(made.champions.get("default")) is before
    endpoint.promote(home, endpoint.train(tmp_path / "other"), "2")
    made.champions.refresh()
    made.step()
    after = made.of(made.champions.get("default"))
    assert after is not before
    assert len(after.nearby) == 1


def test_a_database_that_is_away_does_not_end_the_filling(home, store, caplog):
    made = following(home)
    made.of(made.champions.get("default"))
    made.store.close()
    made.store._store = None
    store.close()
    (home / "forewarn.db").rename(home / "away")
    (home / "forewarn.db").mkdir()
    caplog.set_level(logging.ERROR)
    assert made.step() is False
    assert "cannot be reached" in caplog.text
    (home / "forewarn.db").rmdir()
    (home / "away").rename(home / "forewarn.db")
    made.store().put_tickets([closed(1, "vpn slow")])
    made.step()
    assert len(made.of(made.champions.get("default")).nearby) == 1
    made.store.close()


# What reads the tickets


def encoder_of(weights):
    return Encoder(weights, b"tokenizer", 4, Glance(np.zeros((1, 1), np.int8), 1.0))


def with_encoder(weights, columns=("title",)):
    model = Triage(encoder=encoder_of(weights))
    model.meaning.columns = columns
    return model


def test_the_same_encoder_and_columns_read_alike():
    nearby = Nearby(with_encoder(b"a"))
    assert nearby.reads_as(with_encoder(b"a"))
    assert not nearby.reads_as(with_encoder(b"b"))
    assert not nearby.reads_as(with_encoder(b"a", ("title", "body")))
    assert not nearby.reads_as(Triage())


def test_words_read_alike_in_the_same_model_only(model):
    one, same = Triage.load(model), Triage.load(model)
    assert Nearby(one).reads_as(one)
    assert not Nearby(one).reads_as(same)
    assert not Nearby(one).reads_as(with_encoder(b"a"))


def test_the_models_own_encoder_keeps_nothing():
    """Scoring stores nothing: only stored tickets' vectors are kept."""
    model = with_encoder(b"a")
    reader = reader_of(model, keep=lambda texts, make: make(texts))
    assert reader.encoder.keep is not None
    assert model.meaning.encoder.keep is None


def test_vectors_are_kept_for_the_next_start_where_they_can_be(tmp_path, caplog):
    texts = ["vpn", "printer"]

    def made(given):
        return np.ones((len(given), 4), dtype=np.float32)

    keep = Indexes(tmp_path, None, None)._kept(encoder_of(b"a"))
    assert keep(texts, made).tolist() == keep(texts, None).tolist() == made(texts).tolist()
    (tmp_path / "file").touch()
    keep = Indexes(tmp_path / "file", None, None)._kept(encoder_of(b"a"))
    assert keep(texts, made).tolist() == made(texts).tolist()
    assert "made anew" in caplog.text


def test_an_open_ticket_that_is_closed_changes_sides(model):
    nearby = Nearby(Triage.load(model))
    vectors = nearby.read({"title": ["vpn slow"], "body": [""]})
    nearby.put(["1"], vectors, [True])
    nearby.put(["1"], vectors, [False])
    assert (len(nearby), nearby.nearest_open(vectors[0], 5)) == (1, [])
    assert nearby.some(0, 5) == ["1"]


def test_tickets_are_gone_through_once_each(model):
    nearby = Nearby(Triage.load(model))
    vectors = nearby.read({"title": ["vpn"] * 7, "body": [""] * 7})
    nearby.put([str(at) for at in range(7)], vectors, [at % 2 == 0 for at in range(7)])
    told = [name for at in range(0, 9, 3) for name in nearby.some(at, 3)]
    assert sorted(told) == [str(at) for at in range(7)]


def test_a_ticket_changed_since_is_told_as_it_stands_now(index, store):
    store.put_tickets([before := a_ticket(1, NOTICE)])
    filled(index, store)
    store.put_tickets([replace(before, resolved_at=endpoint.NOW, resolution="done")])
    found = look(index, store, NOTICE)
    assert found.duplicates == []
    assert found.tickets[0].ticket.resolution == "done"


def test_when_tickets_are_no_longer_indexed_it_says_so(client, store):
    store.put_tickets([a_ticket(1, "vpn slow")])
    client.app.state.service.indexes.has_stopped = True
    told = check_problem(client.get("/v1/tickets/file/INC1/similar"), 503)
    assert "no longer indexed" in told["detail"]
