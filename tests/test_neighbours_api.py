"""The past tickets that speak for a label: of models that go by neighbours, on one's own desks."""

import math
from contextlib import closing
from datetime import timedelta

import pytest

from data.records import Feedback, Ticket
from data.settings import Settings
from data.store import Store
from models.blend import Joined
from models.cascade import Cascade
from models.neighbours import Neighbours
from models.triage import Triage
from pipelines.encoder import encoder
from tests import endpoint
from tests.endpoint import GROUPS, NOW, TEXTS, put_key
from tests.test_api import check_problem, client_of, score, wait_until

N = 60
ASKED = {"title": "my vpn is slow"}


@pytest.fixture(scope="module")
def model(encoder_home, tmp_path_factory):
    """A model whose groups go by neighbours alone, and whose queues go by words alone."""
    fields, groups = {"title": TEXTS[:N]}, GROUPS[:N]
    labels = {"group": groups, "queue": groups}
    made = Triage(encoder=encoder(encoder_home)).fit(fields, labels, ordered=False)
    x = made.meaning.transform(fields)
    by_neighbours, by_words = made.blends["group"], made.blends["queue"]
    by_neighbours.heads["neighbours"] = Neighbours().fit(x, groups)
    by_neighbours.joined = Joined({"neighbours": 1.0})
    by_words.joined = by_words.fast
    made.cascade = Cascade({"group": math.inf, "queue": math.inf})
    folder = tmp_path_factory.mktemp("model") / "m"
    folder.mkdir()
    made.save(folder)
    return folder


@pytest.fixture
def home(tmp_path, model):
    for desk in ("default", "hr"):
        endpoint.promote(tmp_path, model, "1", desk=desk)
    return tmp_path


@pytest.fixture
def store(home):
    with closing(Store(Settings(home=home).database_url)) as store:
        yield store


def closed(number, title, desk="default", **labels):
    at = NOW - timedelta(days=number)
    return Ticket(
        desk, "file", f"INC{number}", at, title, resolved_at=at + timedelta(hours=1), labels=labels,
        resolution=f"what {desk} did",
    )  # fmt: skip


def targets(client, **params):
    answer = score(client, ASKED, params={"explain": "neighbours"} | params)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"][0]["targets"]


def targets_when_filled(client, **params):
    wait_until(lambda: targets(client, **params)["group"]["evidence"]["indexing"] is None)
    return targets(client, **params)


def test_the_nearest_past_tickets_with_a_label_are_the_evidence(home, store):
    store.put_tickets([
        closed(1, "vpn slow", group="net"), closed(2, "vpn slow again"),
        closed(3, "printer jam", group="print"), closed(4, "my vpn is slow", group="nte"),
    ])  # fmt: skip
    store.put_feedback([Feedback("default", "file", "INC4", "group", "net", NOW, "ada")])
    with client_of(Settings(home=home), put_key(store, "read", "score")) as client:
        found = targets_when_filled(client)
        assert "evidence" not in score(client, ASKED).text, "nobody asked"
    near = found["group"]["evidence"]["neighbours"]
    assert [one["external_id"] for one in near] == ["INC4", "INC1", "INC3"]
    assert near[0] == {"source": "file", "external_id": "INC4", "label": "net", "similarity": 1.0}
    assert near[1]["similarity"] > 0.7 > near[2]["similarity"]
    assert found["queue"]["evidence"] is None, "it goes by words"


def test_no_neighbour_and_no_resolution_crosses_a_desk(home, store):
    store.put_tickets([
        closed(1, "my vpn is slow", group="net"), closed(2, "vpn slow", desk="hr", group="net"),
    ])  # fmt: skip
    with client_of(Settings(home=home), put_key(store, "admin", desks=("hr",))) as client:
        near = targets_when_filled(client, desk="hr")["group"]["evidence"]["neighbours"]
        told = score(client, ASKED, params={"desk": "hr", "similar": 5}).text
        check_problem(score(client, ASKED, params={"explain": "neighbours"}), 403)
    assert [one["external_id"] for one in near] == ["INC2"]
    assert "what hr did" in told
    assert "what default did" not in told
    assert "INC1" not in told


def test_it_needs_the_scope_read_and_counts_as_ten(home, store):
    params = {"explain": "neighbours"}
    with client_of(Settings(home=home), put_key(store, "score")) as client:
        assert "scope read" in check_problem(score(client, ASKED, params=params), 403)["detail"]
    with client_of(Settings(home=home, max_batch=20), put_key(store, "admin")) as client:
        assert score(client, [ASKED] * 2, params=params).status_code == 200
        check_problem(score(client, [ASKED] * 3, params=params), 413)


def test_a_model_of_words_has_no_neighbours_to_tell(tmp_path, store):
    endpoint.promote(tmp_path, endpoint.train(tmp_path / "words"), "2")
    with client_of(Settings(home=tmp_path), put_key(store, "admin")) as client:
        assert targets(client)["group"]["evidence"] is None
