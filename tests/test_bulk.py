"""Very many tickets in one call, answers trimmed, and versions that callers insist on."""

import json

import pytest

from api.batching import AT_ONCE
from tests.endpoint import GROUPS, promote, train
from tests.test_sent_tickets import client_of

LINES = {"Content-Type": "application/x-ndjson"}
PATH = "/v1/tickets/score:batch"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train(tmp_path_factory.mktemp("model") / "m")


@pytest.fixture
def home(tmp_path, model):
    promote(tmp_path, model, "1")
    return tmp_path


def lines_of(*tickets):
    return b"".join(json.dumps(one).encode() + b"\n" for one in tickets)


def told(answer):
    return [json.loads(line) for line in answer.iter_lines()]


def test_each_line_is_answered_in_its_order_and_the_last_one_counts(home):
    tickets = [
        {"external_id": f"T{n}", "title": ("vpn down", "printer jam")[n % 2]}
        for n in range(3 * AT_ONCE + 1)
    ]
    with client_of(home, "score") as client:
        *found, last = told(client.post(PATH, content=lines_of(*tickets), headers=LINES))
    assert [one["external_id"] for one in found] == [one["external_id"] for one in tickets]
    labels = [one["targets"]["group"]["label"] for one in found]
    assert labels == ["net", "print"] * (3 * AT_ONCE // 2) + ["net"]
    assert (last["end"]["scored"], last["end"]["refused"]) == (len(tickets), 0)
    assert last["end"]["model"]["version"] == "1"


def test_a_line_that_is_no_ticket_is_told_where_and_the_others_are_scored(home):
    body = lines_of({"title": "vpn down"}) + b'{"title": "my secret\n' + b"\n"
    body += lines_of({"title": 7}, {"external_id": "T9"}, {"title": "printer jam"}, [])
    with client_of(home, "score") as client:
        answer = client.post(PATH, content=body, headers=LINES)
    *found, last = told(answer)
    wrong = {one["line"]: one["error"] for one in found if "error" in one}
    assert sorted(wrong) == [2, 3, 4, 6]
    assert wrong[2]["what"].startswith("not JSON")
    assert wrong[3]["where"] == "title"
    assert "none of the texts that this model reads" in wrong[4]["what"]
    assert (last["end"]["scored"], last["end"]["refused"]) == (2, 4)
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [(b"{}", "application/json", 415), (b"", "application/x-ndjson", 200)],
    ids=["not lines", "nothing"],
)
def test_what_is_no_lines_is_refused_and_no_line_is_an_answer_too(home, body, kind, status):
    with client_of(home, "score") as client:
        answer = client.post(PATH, content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    if status == 200:
        assert told(answer)[0]["end"]["scored"] == 0


def test_more_than_the_setting_allows_is_refused_before_it_is_read(home):
    body = lines_of({"title": "vpn down"}) * 10
    with client_of(home, "score", max_lines_bytes=100) as client:
        answer = client.post(PATH, content=body, headers=LINES)
    assert answer.status_code == 413
    assert "FOREWARN_MAX_LINES_BYTES" in answer.json()["detail"]
    with client_of(home, "score", max_body_bytes=100) as client:  # which is for other routes
        assert client.post(PATH, content=body, headers=LINES).status_code == 200


def test_of_an_answer_only_what_was_asked_for_comes(home):
    asked = {"fields": "external_id,targets.*.label"}
    ticket = {"external_id": "T1", "title": "vpn down"}
    with client_of(home, "score") as client:
        one = client.post("/v1/tickets/score", json=ticket, params=asked).json()
        first, _ = told(client.post(PATH, content=lines_of(ticket), headers=LINES, params=asked))
        refused = client.post("/v1/tickets/score", json=ticket, params={"fields": "a..b"})
    assert one["results"] == [first]
    assert first == {"external_id": "T1", "targets": {"group": {"label": "net"}}}
    assert one["model"]["version"] == "1"
    assert refused.status_code == 422


def test_a_caller_may_insist_on_a_version_that_is_still_kept(home, tmp_path_factory):
    other = train(tmp_path_factory.mktemp("other") / "m", [group.upper() for group in GROUPS])
    promote(home, other, "2")
    ticket = {"title": "vpn down"}
    with client_of(home, "score") as client:
        said = {
            version: client.post(
                "/v1/tickets/score", json=ticket, headers={"X-Model-Version": version}
            )
            for version in ("1", "2", "3", "../2")
        }
        plain = client.post("/v1/tickets/score", json=ticket).json()
    assert plain["model"]["version"] == "2"
    for version, label in (("1", "net"), ("2", "NET")):
        answer = said[version].json()
        assert answer["model"] == {
            "name": "ticket-default", "version": version, "run_id": f"run{version}",
        }  # fmt: skip
        assert answer["results"][0]["targets"]["group"]["label"] == label
    assert said["3"].status_code == 404
    assert "served in version 2" in said["3"].json()["detail"]
    assert said["../2"].status_code == 422
