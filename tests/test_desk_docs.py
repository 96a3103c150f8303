"""What the page of the endpoint tells help desks to send, sent as it stands there."""

import json
import re
import shlex
from pathlib import Path

import pytest

from data.desk_apis import APIS
from data.settings import Settings, variable_of
from data.store import Store
from tests.endpoint import promote, put_key, train_for_desks
from tests.test_api import client_of

API = (Path(__file__).parent.parent / "docs/api.md").read_text()
DESK = "it"
SENT = re.compile(
    r"```\n(curl -s \$URL/v1/desks/it/(\w+) .*?)\n```\n```json\n(.*?)\n```", re.DOTALL
)
FOUND = {system: (command, answer) for command, system, answer in SENT.findall(API)}
TOLD = {  # which targets a model for each has learnt, as the first step has it
    "zendesk": ("priority", "category"),
    "jira": ("priority", "category"),
    "servicenow": ("impact", "urgency", "category", "group"),
    "freshservice": ("priority", "impact", "urgency", "category"),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A model for each choice of targets."""
    return {
        targets: train_for_desks(
            tmp_path_factory.mktemp("model") / "m", targets, "It drops every few minutes."
        )
        for targets in set(TOLD.values())
    }


def posted(home, store, command):
    """What the endpoint answers to what curl would have sent."""
    key = put_key(store, "tickets", desks=[DESK])
    address, *options = shlex.split(command.replace("$TICKETS_KEY", key).replace("$URL", ""))[2:]
    *headers, (_, body) = zip(options[::2], options[1::2], strict=True)
    with client_of(Settings(home=home, desk=DESK)) as client:
        told = dict(text.split(": ", 1) for _, text in headers)
        return client.post(address, content=body, headers=told)


@pytest.fixture
def store(tmp_path):
    store = Store(Settings(home=tmp_path).database_url)
    yield store
    store.close()


def test_every_desk_has_a_command_and_its_answer():
    assert set(FOUND) == {*APIS, "events"}


@pytest.mark.parametrize("system", TOLD)
def test_a_documented_message_gets_the_documented_answer(tmp_path, store, models, system):
    promote(tmp_path, models[TOLD[system]], "1", desk=DESK)
    command, answer = FOUND[system]
    told = posted(tmp_path, store, command)
    assert (told.status_code, told.json()) == (200, json.loads(answer))


def test_a_documented_event_gets_an_event(tmp_path, store, models):
    promote(tmp_path, models[TOLD["zendesk"]], "1", desk=DESK)
    command, answer = FOUND["events"]
    told, wanted = posted(tmp_path, store, command).json(), json.loads(answer)
    assert told.keys() == wanted.keys()
    assert told["data"].keys() == wanted["data"].keys()


@pytest.mark.parametrize("system", TOLD)
def test_the_page_says_what_to_train_and_how_writing_back_is_switched_on(system):
    (step,) = re.findall(r"^1\. Train a model.*?^2\. ", API, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", step)) >= set(TOLD[system])
    row = next(
        line for line in API.splitlines() if variable_of(f"{system}_url") in line and line[0] == "|"
    )
    assert variable_of(f"{system}_login") in row
