"""The desk in the path: the same answers, and no other desk beside it."""

import pytest

import serve
from api import native
from api.direct import DirectRoute
from api.traffic import SCORING
from data.settings import Settings
from data.store import Store
from tests.endpoint import promote, put_key, train
from tests.test_api import TICKET, check_problem, client_of

SENT = {**TICKET, "external_id": "INC1"}
SAID = {"external_id": "INC1", "target": "group", "label": "net"}
POSTED = {"tickets/score": TICKET, "tickets": SENT, "feedback": SAID}
UNSCORED = {"/v1/desks/{desk}/feedback", "/v1/desks/{desk}/models"}
posted = pytest.mark.parametrize(("path", "body"), POSTED.items(), ids=POSTED)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train(tmp_path_factory.mktemp("model") / "m")


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


def client(home, store, *desks):
    return client_of(Settings(home=home), put_key(store, "admin", desks=desks or ("*",)))


@posted
def test_the_desk_of_the_path_is_meant(home, store, path, body):
    with client(home, store) as one:
        answer = one.post(f"/v1/desks/hr/{path}", json=body)
        same = one.post(f"/v1/desks/hr/{path}", json=body | {"desk": "hr"}, params={"desk": "hr"})
    assert (answer.status_code, same.status_code) == (200, 200), answer.text
    assert answer.json()["desk"] == same.json()["desk"] == "hr"


def test_a_ticket_is_stored_on_the_desk_of_the_path(home, store):
    with client(home, store) as one:
        one.post("/v1/desks/hr/tickets", json=SENT)
    assert [len([*store.tickets(desk)]) for desk in ("hr", "default")] == [1, 0]


@posted
def test_another_desk_beside_it_is_refused(home, store, path, body):
    with client(home, store) as one:
        asked = check_problem(
            one.post(f"/v1/desks/hr/{path}", json=body, params={"desk": "default"}), 422
        )
        told = check_problem(one.post(f"/v1/desks/hr/{path}", json=body | {"desk": "default"}), 422)
    assert [one["errors"][0]["where"] for one in (asked, told)] == ["query.desk", "body.desk"]


@posted
@pytest.mark.parametrize("query", ["", "?desk=hr"], ids=["plain", "query"])
def test_a_path_that_is_no_name_is_refused_and_so_is_a_body(home, store, path, body, query):
    with client(home, store) as one:
        answer = check_problem(one.post(f"/v1/desks/no desk/{path}{query}", json=body), 422)
        told = check_problem(one.post(f"/v1/{path}", json=body | {"desk": "no desk"}), 422)
    assert answer["errors"][0]["where"] == "path.desk"
    assert told["errors"][0]["where"] == "body.desk"


@posted
def test_the_desk_of_another_key_is_refused(home, store, path, body):
    with client(home, store, "default") as one:
        check_problem(one.post(f"/v1/desks/hr/{path}", json=body), 403)


def test_the_models_of_one_desk(home, store):
    with client(home, store, "hr", "it") as one:
        found = one.get("/v1/desks/hr/models").json()["models"]
        assert [model["name"] for model in found] == ["ticket-hr"]
        assert one.get("/v1/desks/it/models").json() == {"models": []}
        check_problem(one.get("/v1/desks/default/models"), 403)
        assert [one["desk"] for one in one.get("/v1/models").json()["models"]] == ["hr"]


def test_what_is_asked_all_day_goes_the_short_way_and_is_counted(home, store):
    assert {one.path for one in native.direct.routes if isinstance(one, DirectRoute)} == {
        "/v1/tickets/score",
        "/v1/desks/{desk}/tickets/score",
    }
    paths = set(serve.create_app(Settings(home=home)).openapi()["paths"])
    assert set(SCORING) <= paths
    assert set(SCORING) >= {path for path in paths if path.startswith("/v1/desks/")} - UNSCORED
    with client(home, store) as one:
        one.post("/v1/desks/hr/tickets/score", json=TICKET)
        counts = one.app.state.service.traffic._counts
        assert sum(n for key, n in counts.items() if key[0] == "took") == 1
