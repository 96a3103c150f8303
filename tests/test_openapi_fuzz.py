"""Every operation of the OpenAPI document, asked in ways that nobody would think of."""

import pytest
import requests
from schemathesis import GenerationMode

from benchmarks.fuzzed import (
    READERS,
    Asked,
    breaches_of,
    cases,
    each,
    operations,
    parsed,
    requested,
)
from data.records import Ticket
from data.store import Store
from tests.endpoint import NOW, an_alert, promote, put_alerts, put_key, serving, train

KNOWN = {
    "id": an_alert(1).id,
    "model": "ticket-default",
    "version": "1",
    "desk": "default",
    "source": "api",
    "external_id": "T1",
}
OPEN = {
    "GET /healthz", "GET /readyz", "GET /ping", "GET /health", "GET /version", "GET /v2",
    "GET /v2/health/live", "GET /v2/health/ready",
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train(tmp_path_factory.mktemp("models") / "net")


@pytest.fixture
def asked(tmp_path, model, url):
    """A real server with a model, an alert and a ticket, on either database; asked by an admin."""
    promote(tmp_path, model, "1")
    store = Store(url)
    put_alerts(store, an_alert(1))
    store.put_tickets([Ticket("default", "api", "T1", NOW, title="vpn down")])
    token = put_key(store, "admin")
    store.close()
    with serving(tmp_path, FOREWARN_DATABASE_URL=url) as address:
        yield Asked(address, {"Authorization": f"Bearer {token}"}, KNOWN)


def test_every_answer_is_as_the_document_says(asked):
    found = list(requested(asked, n_examples=6))
    assert [breach for one in found for breach in one.breaches] == []
    assert all(one.n_examples for one in found)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_without_a_key_every_operation_but_those_for_probes_answers_401(asked):
    stranger, statuses = asked._replace(headers={}), {}
    with requests.Session() as session:
        for operation in operations(asked.url):
            for case in each(cases(operation, GenerationMode.POSITIVE, KNOWN), 2, 0):
                for name in ("Authorization", "X-API-Key"):
                    case.headers.pop(name, None)
                assert breaches_of(case, stranger, session) == []
                answer = case.call(base_url=asked.url, session=session)
                statuses.setdefault(operation.label, set()).add(answer.status_code)
    protected = {label for label, found in statuses.items() if found == {401}}
    assert protected == set(statuses) - OPEN


@pytest.mark.parametrize("name", READERS)
def test_a_webhook_of_anything_is_read_or_refused_in_words(name):
    assert parsed(name, n_examples=300).breaches == []
