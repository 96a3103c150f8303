"""What was decided is written into the desk's own tickets, which are real servers here."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

import serve
from api.desk_answers import for_zendesk
from data.desk_apis import APIS
from data.receivers import desks_of
from data.records import Ticket
from data.settings import Settings
from data.store_writes import Decided
from pipelines import status
from pipelines.deliver import LEASE_SECONDS, drained, once, say, try_again, try_out
from pipelines.workspace import workspace
from tests.desks_served import LOGIN, SYS_ID, Desk, basic
from tests.endpoint import NOW, free_port, promote, put_key, train_for_desks, wait_for
from tests.receiving import Clock, until
from tests.test_desks import TAGS, wire

ROOT = Path(__file__).parent.parent
MINUTE = timedelta(minutes=1)
SURE = {"probability": 0.97, "decision": "auto"}
STAMP = "2026-03-04T09:30:02Z"
# How each ticket stands at its desk before anybody has chosen anything there.
FRESH = {
    "zendesk": ("35436", {"id": 35436, "subject": "private words", "priority": None,
                          "status": "new", "tags": ["home"], "updated_at": STAMP}),
    "servicenow": ("INC0010042", {"sys_id": SYS_ID, "impact": "3", "urgency": "3",
                                  "category": "inquiry", "assignment_group": "",
                                  "short_description": "private words"}),
    "jira": ("IT-42", {"priority": {"name": "Medium", "id": "3"}, "labels": ["home"]}),
    "freshservice": ("264", {"id": 264, "subject": "private words", "priority": 1, "impact": 1,
                             "urgency": 1, "category": None}),
}  # fmt: skip
MESSAGES = {
    "zendesk": "zendesk_event",
    "servicenow": "servicenow_incident",
    "jira": "jira_created",
    "freshservice": "freshservice_ticket",
}
WRITTEN = {
    "zendesk": ("PUT", "/api/v2/tickets/35436.json", {"ticket": {
        "priority": "urgent", "tags": ["home", *TAGS],
        "updated_stamp": STAMP, "safe_update": True}}),
    "servicenow": (
        "PATCH",
        f"/api/now/table/incident/{SYS_ID}?sysparm_input_display_value=true",
        {"impact": "1", "urgency": "2", "category": "Network / VPN",
         "assignment_group": "Net Ops"}),
    "jira": ("PUT", "/rest/api/3/issue/IT-42", {
        "fields": {"priority": {"name": "Highest"}},
        "update": {"labels": [{"add": tag} for tag in TAGS]}}),
    "freshservice": ("PUT", "/api/v2/tickets/264", {
        "priority": 4, "impact": 3, "urgency": 2, "category": "Network / VPN"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train_for_desks(tmp_path_factory.mktemp("model") / "m")


@pytest.fixture
def served(request):
    """A desk's own system with one fresh ticket; Zendesk if the test names none."""
    desk = Desk(getattr(request, "param", "zendesk"))
    id, ticket = FRESH[desk.kind]
    desk.tickets[id] = json.loads(json.dumps(ticket))
    desk.start()
    yield desk
    desk.stop()


@pytest.fixture
def placed(tmp_path, served):
    with workspace(Settings(home=tmp_path, **served.settings)) as place:
        yield place


@pytest.fixture
def clock():
    return Clock(NOW)


@pytest.fixture
def go(placed, clock):
    return lambda: once(placed, now=clock, luck=lambda: 0.0)


def decide(store, id="35436", at=NOW, **labels):
    """What a model is sure of a ticket that is in the store, noted as the endpoint does."""
    store.put_tickets([Ticket("default", "zendesk", id, NOW)])
    wanted = APIS["zendesk"].said(
        for_zendesk({name: {"label": label, **SURE} for name, label in labels.items()})
    )
    store.put_predictions([], [Decided("default", "zendesk", id, wanted, at)])


def environ(served):
    return {f"FOREWARN_{name.upper()}": text for name, text in served.settings.items()}


def client_of(settings, desk="default"):
    with workspace(settings) as place:
        headers = {"X-API-Key": put_key(place.store, "tickets", desks=(desk,))}
    app = serve.create_app(settings, now=lambda: NOW, poll_seconds=60)
    return TestClient(app, base_url="http://127.0.0.1:8000", headers=headers)


@pytest.mark.parametrize("served", list(FRESH), indirect=True)
def test_what_is_decided_is_written_once_however_often_the_desk_tells_of_its_ticket(
    served, placed, model, tmp_path, clock
):
    promote(tmp_path, model, "1")
    path, message = f"/v1/desks/default/{served.kind}", wire(MESSAGES[served.kind])
    with client_of(placed.settings) as client:
        told = client.post(path, json=message)
        assert told.status_code == 200
        assert served.asked == [], "the endpoint itself calls nobody"
        once(placed, now=clock)
        assert [(one.method, one.path, one.body) for one in served.writes] == [WRITTEN[served.kind]]
        assert served.writes[0].headers["authorization"] == basic(LOGIN)
        n_asked = len(served.asked)
        assert client.post(path, json=message).json() == told.json()  # of our own write
        assert once(placed, now=clock) == []
    assert len(served.asked) == n_asked
    assert say(placed)


def test_nothing_is_written_unless_the_settings_say_where_or_for_another_desk(
    tmp_path, served, model
):
    for desk in ("default", "hr"):
        promote(tmp_path, model, "1", desk)
    with client_of(Settings(home=tmp_path)) as client:
        client.post("/v1/desks/default/zendesk", json=wire("zendesk_event"))
    with client_of(Settings(home=tmp_path, **served.settings), desk="hr") as client:
        client.post("/v1/desks/hr/zendesk", json=wire("zendesk_event"))
        client.post("/v1/desks/hr/jira", json=wire("jira_created"))
    with workspace(Settings(home=tmp_path, **served.settings)) as place:
        assert once(place) == []
    assert served.asked == []


def test_a_desk_that_fails_first_is_written_to_once_it_takes_it(served, placed, go, clock):
    decide(placed.store, priority="P1")
    served.fails = [(503, {}), (429, {"Retry-After": "600"})]
    (sent,) = go()
    assert "503" in sent.error
    assert go() == []
    clock.at += MINUTE
    go()
    clock.at += 9 * MINUTE
    assert go() == [], "it asked for ten minutes"
    clock.at += MINUTE
    go()
    assert served.tickets["35436"]["priority"] == "urgent"
    assert len(served.asked) == 4
    assert say(placed)


def test_a_desk_that_fails_as_it_is_written_to_gets_the_same_once_more(served, placed, go, clock):
    decide(placed.store, priority="P1")

    def fail_once(asked):
        served.fails = [(503, {"Retry-After": "60"})] if len(served.writes) == 1 else []

    served.before = lambda asked: asked.method == "PUT" and fail_once(asked)
    go()
    assert go() == []
    decide(placed.store, priority="P2")  # meanwhile
    decide(placed.store, priority="P1")
    clock.at += MINUTE
    go()
    first, second = served.writes
    assert first.body == second.body
    assert say(placed)


def test_a_field_that_a_desk_cannot_take_holds_up_no_other(served, placed, go):
    decide(placed.store, priority="P1", category="Network")

    def refuse_tags(asked):
        told = (asked.body or {}).get("ticket", {})
        served.fails = [(422, {})] if "tags" in told else []

    served.before = refuse_tags
    (sent,) = go()
    assert sent.n_refused == 1
    assert served.tickets["35436"]["priority"] == "urgent"
    assert served.tickets["35436"]["tags"] == ["home"]
    assert len(served.writes) == 3


def test_a_ticket_that_changed_in_between_is_read_anew(served, placed, go, clock):
    decide(placed.store, priority="P1")

    def meddle(asked):
        if asked.method == "PUT" and len(served.writes) == 1:
            served.tickets["35436"] |= {
                "tags": ["home", "vip"],
                "updated_at": "2026-03-04T09:40:00Z",
            }

    served.before = meddle
    go()
    clock.at += MINUTE
    go()
    assert served.tickets["35436"]["tags"] == ["home", "vip", "priority_confidence__high"]
    assert len(served.writes) == 2


def test_only_what_changed_goes_out(served, placed, go):
    decide(placed.store, priority="P1", category="Network")
    go()
    decide(placed.store, priority="P1", category="Printing")
    go()
    first, second = (one.body["ticket"] for one in served.writes)
    assert first["priority"] == "urgent"
    assert "priority" not in second
    assert second["tags"] == ["home", "priority_confidence__high", "category_confidence__high",
                              "category__printing"]  # fmt: skip


def test_what_a_person_has_chosen_stays_for_good(served, placed, go):
    ticket = served.tickets["35436"]
    decide(placed.store, priority="P1")
    go()
    decide(placed.store, priority="P2")
    go()
    assert ticket["priority"] == "high", "it was still ours"
    ticket["priority"] = "low"
    ticket["tags"].remove("priority_confidence__high")
    for label in ("P1", "P3"):
        decide(placed.store, priority=label)
        go()
    ticket["priority"] = "high"  # which is what we wrote once
    decide(placed.store, priority="P1")
    go()
    assert ticket["priority"] == "high"
    assert ticket["tags"] == ["home"], "nor is a tag put back that was taken off"
    assert say(placed)


@pytest.mark.parametrize(
    ("served", "chosen"),
    [
        ("zendesk", {"priority": "low"}),
        ("servicenow", {"impact": "2"}),
        ("jira", {"priority": {"name": "Low"}}),
        ("freshservice", {"urgency": 3}),
    ],
    indirect=["served"],
)
def test_what_was_chosen_before_we_came_stays_and_the_rest_is_written(
    served, placed, model, tmp_path, chosen
):
    promote(tmp_path, model, "1")
    id = FRESH[served.kind][0]
    served.tickets[id] |= chosen
    with client_of(placed.settings) as client:
        client.post(f"/v1/desks/default/{served.kind}", json=wire(MESSAGES[served.kind]))
    once(placed)
    (name,) = chosen
    (write,) = served.writes
    assert write.body
    assert f'"{name}":' not in json.dumps(write.body)
    assert served.tickets[id][name] == chosen[name]


@pytest.mark.parametrize(
    "id", ["../users/1", "1/../../users/2", "1?x=y", "12 3", "1%2F..", "٣", "1\\u0000"]
)
def test_a_forged_id_reaches_no_desk(served, placed, go, id):
    decide(placed.store, id=id, priority="P1")
    (sent,) = go()
    assert served.asked == []
    assert sent.n_refused == 1
    assert placed.store.write_refusals("default", "zendesk") == [
        "not sent: wanted a number for a ticket's id"
    ]


@pytest.mark.parametrize(
    ("kind", "id"),
    [("servicenow", "INC1^ORDERBYnumber"), ("servicenow", "a/b"), ("jira", "IT-1/../IT-2"),
     ("jira", "IT-1?x"), ("jira", "../serverInfo"), ("freshservice", "7/reply"),
     ("freshservice", "..")],
)  # fmt: skip
def test_an_id_is_of_its_desks_own_form(kind, id):
    with pytest.raises(ValueError, match="wanted"):
        APIS[kind].path_of(id)


def test_what_is_refused_for_good_is_seen_and_tried_again_when_asked(served, placed, go, capsys):
    decide(placed.store, id="404", priority="P1")
    decide(placed.store, priority="P1")
    served.fails = [(422, {})]
    (sent,) = go()
    assert sent.n_refused == 2
    assert go() == []
    assert not say(placed)
    status.show(status.look(placed, NOW))
    said = capsys.readouterr().out
    assert "refused 2 tickets (404" in " ".join(said.split())
    assert "pa55w0rd" not in said
    assert basic(LOGIN).split()[1] not in said
    assert "private" not in said
    del served.asked[:]
    assert try_again(placed) == 2
    go()
    assert served.tickets["35436"]["priority"] == "urgent"


def test_a_desk_that_lets_us_not_in_is_asked_seldom_and_nothing_is_lost(tmp_path, served, clock):
    settings = Settings(home=tmp_path, zendesk_url=served.url, zendesk_login="ann:wr0ng")
    with workspace(settings) as place:
        decide(place.store, priority="P1")
        decide(place.store, id="2", priority="P1")
        for _ in range(9):
            once(place, now=clock, luck=lambda: 0.0)
            clock.at += MINUTE
        assert len(served.asked) == 1
        assert place.store.unwritten_backlog("default", "zendesk")[::2] == (2, 0)


def test_a_page_that_is_no_api_is_told_so(served, placed, go):
    decide(placed.store, priority="P1")
    served.tickets["35436"].pop("priority")
    (sent,) = go()
    assert "no ticket in JSON" in sent.error
    assert served.writes == []


def test_a_closed_ticket_is_let_be(served, placed, go):
    served.tickets["35436"]["status"] = "closed"
    decide(placed.store, priority="P1")
    go()
    assert served.writes == []
    assert say(placed)


def test_what_was_killed_on_its_way_is_taken_up_and_known_as_ours(served, placed, clock, go):
    decide(placed.store, priority="P1")
    let_go = threading.Event()
    served.before = lambda asked: asked.method == "PUT" and let_go.wait(20)
    child = subprocess.Popen(
        [sys.executable, "-m", "pipelines", "deliver", "--follow"],
        cwd=ROOT,
        env=os.environ | {"FOREWARN_HOME": str(placed.settings.home)} | environ(served),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: len(served.writes) == 1, seconds=60)
    child.send_signal(signal.SIGKILL)
    child.wait()
    let_go.set()  # the desk took it, and had nobody to tell so
    until(lambda: served.tickets["35436"]["priority"] == "urgent")
    clock.at = datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS)
    go()
    assert len(served.writes) == 1, "it stands there already"
    decide(placed.store, priority="P2")
    go()
    assert served.tickets["35436"]["priority"] == "high"


def test_an_endpoint_that_is_killed_once_it_has_answered_leaves_what_it_decided(
    served, placed, model, tmp_path, go
):
    promote(tmp_path, model, "1")
    key, port = put_key(placed.store, "tickets"), free_port()
    child = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "serve:app", "--port", str(port)],
        cwd=ROOT,
        env=os.environ | {"FOREWARN_HOME": str(tmp_path)} | environ(served),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(f"http://127.0.0.1:{port}/healthz", child)
    told = httpx.post(
        f"http://127.0.0.1:{port}/v1/desks/default/zendesk",
        json=wire("zendesk_event"),
        headers={"X-API-Key": key},
        timeout=30,
    )
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert told.status_code == 200
    assert served.asked == []
    assert placed.store.unwritten_backlog("default", "zendesk").n_waiting == 1
    go()
    assert served.tickets["35436"]["priority"] == "urgent"


def test_prometheus_can_ask_how_much_waits(served, placed, go):
    decide(placed.store, priority="P1")
    settings = replace(placed.settings, open_loopback=True)
    app = serve.create_app(settings, now=Clock(NOW + 5 * MINUTE))
    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000)) as client:
        text = client.get("/metrics").text
    labels = f'desk="default",receiver="zendesk 127.0.0.1:{served.port}"'
    assert f"forewarn_deliveries_waiting{{{labels}}} 1" in text
    assert f"forewarn_deliveries_oldest_waiting_seconds{{{labels}}} 300.0" in text


def test_many_tickets_go_round_by_round(served, placed):
    for number in range(1, 131):
        served.tickets[str(number)] = FRESH["zendesk"][1] | {"tags": []}
        decide(placed.store, id=str(number), priority="P1")
    assert sum(sent.n_told for sent in drained(placed)) == 130
    assert say(placed)


def test_a_trial_asks_and_writes_nothing(served, placed):
    ((name, answer),) = try_out(placed, NOW)
    assert (name, answer.status) == (f"zendesk 127.0.0.1:{served.port}", 404)
    assert [(one.method, one.path) for one in served.asked] == [("GET", "/api/v2/users/me.json")]


# In the store, on both engines


def test_the_same_decision_is_no_news_and_an_erased_ticket_is_forgotten(store):
    decide(store, priority="P1")
    (first,) = store.unwritten("default", "zendesk", NOW)
    decide(store, priority="P1", at=NOW + MINUTE)
    assert store.unwritten("default", "zendesk", NOW) == [first]
    decide(store, priority="P2", at=NOW + MINUTE)
    store.put_writing(replace(first, told=1, written=first.wanted))
    (second,) = store.unwritten("default", "zendesk", NOW)
    assert (second.number, second.told, second.written) == (2, 1, first.wanted)
    assert store.unwritten_backlog("default", "zendesk") == (1, NOW + MINUTE, 0)
    store.erase_ticket("default", "zendesk", "35436")
    store.put_writing(second)
    assert store.unwritten("default", "zendesk", NOW) == []
    wanted = {"priority": "urgent"}
    store.put_predictions([], [Decided("default", "zendesk", "35436", wanted, NOW)])
    assert store.unwritten("default", "zendesk", NOW) == [], "it was erased as it was scored"


def test_what_is_decided_on_a_ticket_expires_with_it(store):
    decide(store, priority="P1")
    assert store.expire("default", NOW)["write_backs"] == 0
    assert store.expire("default", NOW + MINUTE)["write_backs"] == 1
    assert store.unwritten("default", "zendesk", NOW) == []


def test_what_is_refused_is_counted_until_it_is_decided_anew(store):
    decide(store, priority="P1")
    (one,) = store.unwritten("default", "zendesk", NOW)
    store.put_writing(replace(one, told=1, refused=True, error="422 no"))
    assert store.unwritten_backlog("default", "zendesk") == (0, None, 1)
    assert store.write_refusals("default", "zendesk") == ["422 no"]
    assert store.forgive_writes("default", "zendesk") == 1
    assert store.unwritten_backlog("default", "zendesk") == (1, NOW, 0)


# Whom the settings name


@pytest.mark.parametrize(
    "url",
    [
        "http://desk.example.com",
        "https://ann:hunter2@desk.example.com",
        "https://x/?a=hunter2",
        "x",
    ],
)
def test_an_address_that_is_not_safe_is_refused_and_not_repeated(url):
    environ = {"FOREWARN_JIRA_URL": url, "FOREWARN_JIRA_LOGIN": "ann:hunter2"}
    with pytest.raises(ValueError, match="FOREWARN_JIRA_URL cannot be read: wanted https") as told:
        Settings.from_env(environ)
    assert "hunter2" not in str(told.value)


def test_an_address_without_a_login_is_refused():
    with pytest.raises(ValueError, match="wanted both"):
        Settings.from_env({"FOREWARN_JIRA_URL": "https://x.atlassian.net"})


def test_no_secret_is_shown():
    settings = Settings.from_env(
        {"FOREWARN_JIRA_URL": "https://x.atlassian.net/", "FOREWARN_JIRA_LOGIN": "ann:hunter2"}
    )
    (desk,) = desks_of(settings)
    assert desk.url == "https://x.atlassian.net"
    assert "hunter2" not in repr(settings) + repr(desk)
    assert desk.masked(f"{basic('ann:hunter2')} hunter2") == "Basic *** ***"
