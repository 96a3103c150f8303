"""Requests and webhooks made up by Hypothesis: what the OpenAPI document says must hold for all."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from benchmarks.page import table
from data.sources import cloudevents, freshservice, jira, servicenow, zendesk
from data.sources.desk_ticket import DeskTicket

CHECKS: list[CheckFunction] = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
AS_TEXT = ("application/x-ndjson", "application/x-protobuf", "text/csv")
EXAMPLES: dict[str, Any] = {
    "zendesk": {
        "type": "zen:event-type:ticket.status_changed",
        "time": "2026-03-04T09:30:00Z",
        "event": {"current": "SOLVED", "previous": "OPEN"},
        "detail": {
            "id": "35436", "subject": "VPN", "description": "down", "priority": "HIGH",
            "type": "INCIDENT", "group_id": "7", "requester_id": "9", "via": {"channel": "web"},
            "created_at": "2026-03-04T09:00:00Z", "updated_at": "2026-03-04T09:30:00Z",
        },
    },
    "servicenow": {
        "result": [{
            "number": "INC7", "short_description": "VPN", "description": "down", "impact": "1",
            "assignment_group": {"link": "https://x/g", "value": "g"}, "caller_id": "9",
            "opened_at": "2026-03-04 09:00:00", "sys_updated_on": "2026-03-04 09:30:00",
            "priority": {"display_value": "1 - Critical", "value": "1"},
        }],
    },
    "jira": {
        "timestamp": 1772616600000, "webhookEvent": "jira:issue_updated",
        "issue": {"key": "IT-7", "fields": {
            "summary": "VPN", "priority": {"name": "Highest"}, "project": {"key": "IT"},
            "components": [{"name": "net"}], "reporter": {"accountId": "9"},
            "created": "2026-03-04T09:00:00.000+0000", "updated": "2026-03-04T09:30:00.000+0000",
            "description": {"type": "doc", "content": [
                {"type": "paragraph", "content": [{"type": "text", "text": "down"}]},
            ]},
        }},
    },
    "freshservice": {
        "ticket": {
            "id": 7, "subject": "VPN", "description": "<p>down</p>", "priority": 4, "urgency": 3,
            "source": 1, "requester_id": 9, "created_at": "2026-03-04T09:00:00Z",
            "updated_at": "2026-03-04T09:30:00Z", "stats": {"resolved_at": "2026-03-04T09:30:00Z"},
        },
    },
    "events": {
        "specversion": "1.0", "id": "1", "source": "/crm", "type": "ticket.created",
        "subject": "7", "time": "2026-03-04T09:30:00Z",
        "data": {"title": "VPN", "body": "down", "labels": {"group": "net"},
                 "opened_at": "2026-03-04T09:00:00Z", "requester": "9"},
    },
}  # fmt: skip
FORMS = [{"content-type": form} for form in (cloudevents.STRUCTURED, cloudevents.BATCH)]
READERS: dict[str, Callable[[object], tuple[DeskTicket, ...]]] = {
    "zendesk": zendesk.read,
    "servicenow": servicenow.read,
    "jira": jira.read,
    "freshservice": freshservice.read,
    "events": partial(cloudevents.read, headers=FORMS[0]),
    "events in a batch": lambda given: cloudevents.read([given], FORMS[1]),
}
BUGS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)

for media_type in AS_TEXT:

    @schemathesis.serializer(media_type)
    def written(_context: object, value: object) -> bytes:
        if isinstance(value, bytes):
            return value
        return str(value).encode("utf-8", "surrogatepass")


class Fuzzed(NamedTuple):
    """What was asked, how often, and what was not as it must be."""

    what: str
    n_examples: int
    breaches: list[str]


class Asked(NamedTuple):
    """Where an endpoint is, as who it is asked, and what there is, by the names in paths."""

    url: str
    headers: Mapping[str, str]
    known: Mapping[str, str]


def operations(url: str) -> list[APIOperation]:
    document = schemathesis.openapi.from_url(f"{url}/openapi.json")
    return [found.ok() for found in document.get_all_operations()]


def cases(
    operation: APIOperation, mode: GenerationMode, known: Mapping[str, str]
) -> st.SearchStrategy[Case]:
    """Requests to an operation; half of those whose path names something name what is there."""
    names = [one.name for one in operation.path_parameters]
    there = {name: known[name] for name in names if name in known}
    made = operation.as_strategy(mode)
    return made | operation.as_strategy(mode, path_parameters=there) if there else made


def each(strategy: st.SearchStrategy[Any], n: int, number: int) -> Iterator[Any]:
    """`n` examples, the same for the same `number`."""
    found: list[Any] = []

    @seed(number)
    @settings(
        max_examples=n,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(one: Any) -> None:
        found.append(one)

    with suppress(Unsatisfiable):  # nothing can be wrong with a request that takes nothing
        draw()
    return iter(found)


def requested(asked: Asked, n_examples: int, number: int = 0) -> Iterator[Fuzzed]:
    """Each operation of the document, asked as it says and otherwise than it says."""
    with requests.Session() as session:
        for operation in operations(asked.url):
            n, breaches = 0, []
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                for case in each(cases(operation, mode, asked.known), n_examples, number):
                    n, breaches = n + 1, [*breaches, *breaches_of(case, asked, session)]
            yield Fuzzed(operation.label, n, breaches)


def breaches_of(case: Case, asked: Asked, session: requests.Session) -> list[str]:
    """What is wrong with the answer; 503 is for those that the document tells of."""
    headers = dict(asked.headers)
    answer = case.call(base_url=asked.url, session=session, headers=headers)
    sent = f"{answer.status_code} to {case.as_curl_command()[:500]}"
    if answer.status_code >= 500 and answer.status_code != 503:
        return [f"server error {sent}"]
    try:
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as failed:
        return [f"{one.title}: {sent}" for one in failed.exceptions]
    return []


@st.composite
def messages(draw: st.DrawFn, example: object) -> object:
    """A message like `example` in which some parts are anything at all, or missing."""
    given = example
    for _ in range(draw(st.integers(1, 3))):
        given = changed(draw, given)
    return given


def changed(draw: st.DrawFn, given: Any) -> Any:
    """`given` with one of its parts replaced or left out."""
    if not isinstance(given, dict | list) or not given or draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    places = list(given) if isinstance(given, dict) else range(len(given))
    at, copy = draw(st.sampled_from(places)), given.copy()
    if draw(st.integers(0, 9)) == 0:
        del copy[at]
    else:
        copy[at] = changed(draw, copy[at])
    return copy


def parsed(name: str, n_examples: int, number: int = 0) -> Fuzzed:
    """A desk's messages, through what reads them: it may refuse one with ValueError alone."""
    read, breaches, n = READERS[name], [], 0
    for message in each(messages(EXAMPLES[name.split(" ")[0]]), n_examples, number):
        n += 1
        try:
            read(message)
        except ValueError:
            continue
        except BUGS as error:
            breaches.append(f"{type(error).__name__} at {message!r}")
    return Fuzzed(f"webhooks: {name}", n, breaches)


def for_seconds(
    seconds: float, once: Callable[[int], Sequence[Fuzzed]], say: Callable[[str], None]
) -> list[Fuzzed]:
    """`once` with ever other examples until the time is up; what came of all rounds, by what."""
    until, number, found = time.monotonic() + seconds, 0, dict[str, Fuzzed]()
    while time.monotonic() < until:
        number += 1
        for one in once(number):
            n, known = found.get(one.what, Fuzzed(one.what, 0, []))[1:]
            found[one.what] = Fuzzed(one.what, n + one.n_examples, [*known, *one.breaches])
        n_examples = sum(one.n_examples for one in found.values())
        n_breaches = sum(len(one.breaches) for one in found.values())
        say(f"round {number}: {n_examples:,} examples, {n_breaches} breaches")
    return list(found.values())


def fuzzed_table(found: Sequence[Fuzzed]) -> str:
    rows = [[one.what, f"{one.n_examples:,}", f"{len(one.breaches):,}"] for one in found]
    return table(("what was made up", "examples", "breaches"), rows)
