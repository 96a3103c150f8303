"""How a desk's own system is asked what stands in a ticket, and how that is changed.

Each of them is asked first: what a person has chosen there is not to be overwritten.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

Fields = Mapping[str, str]
"""Each field's value as text; under `tags` stand the tags, with blanks between."""

TAGS = "tags"
NUMBER, KEY = re.compile(r"[0-9]{1,19}"), re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}-[0-9]{1,18}")
RECORD, SYS_ID = re.compile(r"[A-Za-z0-9]{1,40}"), re.compile(r"[0-9a-f]{32}")
PLAIN = re.compile(r"[0-9]|[0-9a-f]{32}")  # what ServiceNow stores as it is
NAMES = ("impact", "urgency", "category", "assignment_group")


class Current(NamedTuple):
    """What stands in a ticket: by field all that the desk calls its value, in small letters."""

    path: str
    fields: Mapping[str, frozenset[str]]
    tags: tuple[str, ...] = ()
    stamp: str = ""
    closed: bool = False  # for good: the desk takes no change any more


class Change(NamedTuple):
    """What is to be changed in a ticket."""

    fields: Fields
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeskApi:
    """One system's API. `untouched` are the values that it fills in where nobody chose one."""

    method: str
    ids: re.Pattern[str]
    an_id: str
    path: str
    test_path: str
    said: Callable[[Mapping[str, Any]], Fields]
    current: Callable[[Mapping[str, Any], str], Current | None]
    body: Callable[[Change, Current], dict[str, Any]]
    untouched: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def path_of(self, id: str) -> str:
        """Where a ticket is read; ValueError where its id is none: it came with a message.

        >>> ZENDESK.path_of("35436")
        '/api/v2/tickets/35436.json'
        >>> ZENDESK.path_of("../users/1")
        Traceback (most recent call last):
        ...
        ValueError: wanted a number for a ticket's id
        """
        if not self.ids.fullmatch(id):
            raise ValueError(f"wanted {self.an_id} for a ticket's id")
        return self.path.format(id=quote(id, safe=""))

    def read(self, content: bytes, path: str) -> Current | None:
        """What an answer says of a ticket; ValueError where it says nothing of any, None: gone."""
        try:
            return self.current(json.loads(content), path)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            told = "it answers, but with no ticket in JSON: is that its address?"
            raise ValueError(told) from None


def said_by_zendesk(answer: Mapping[str, Any]) -> Fields:
    """What an answer of ours wants to stand in the fields.

    >>> said_by_zendesk({"ticket": {"priority": "high", "tags": ["a__b", "c__d"]}})
    {'priority': 'high', 'tags': 'a__b c__d'}
    """
    return flat(answer["ticket"])


def said_by_jira(answer: Mapping[str, Any]) -> Fields:
    fields = dict(answer["fields"])
    return flat(fields | {TAGS: fields.pop("labels", ())})


def flat(fields: Mapping[str, Any]) -> Fields:
    """Values as texts, without those for which there is none.

    >>> flat({"priority": {"name": "High"}, "impact": 3, "tags": ["a", "b"], "labels": ()})
    {'priority': 'High', 'impact': '3', 'tags': 'a b', 'labels': ''}
    """
    return {name: text_of(value) for name, value in fields.items()}


def text_of(value: object) -> str:
    if isinstance(value, Mapping):
        return text_of(value.get("name"))
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def words(*values: object) -> frozenset[str]:
    """All that a value is called, in small letters; empty where there is none.

    >>> sorted(words("1", "1 - High")), words(None, "")
    (['1', '1 - high'], frozenset())
    """
    return frozenset(text for value in values if (text := text_of(value).strip().lower()))


def of_zendesk(answer: Mapping[str, Any], path: str) -> Current:
    ticket = answer["ticket"]
    fields = {"priority": words(ticket["priority"])}
    closed = ticket.get("status") == "closed"
    return Current(path, fields, tags_of(ticket.get(TAGS)), str(ticket["updated_at"]), closed)


def of_servicenow(answer: Mapping[str, Any], path: str) -> Current | None:
    found = answer["result"]
    if found == []:
        return None
    (record,) = found
    id = record["sys_id"]["value"]
    if not SYS_ID.fullmatch(id):
        raise ValueError("a record without its sys_id")
    values = {name: record[name] for name in NAMES if name in record}
    fields = {
        name: words(one.get("value"), one.get("display_value")) for name, one in values.items()
    }
    return Current(f"/api/now/table/incident/{id}", fields)


def of_jira(answer: Mapping[str, Any], path: str) -> Current:
    fields = answer["fields"]
    priority = {"priority": words(fields.get("priority"))}
    return Current(path.partition("?")[0], priority, tags_of(fields.get("labels")))


def of_freshservice(answer: Mapping[str, Any], path: str) -> Current:
    ticket = answer.get("ticket", answer)
    names = ("priority", "impact", "urgency", "category")
    fields = {name: words(ticket[name]) for name in names if name in ticket}
    return Current(path, {"priority": words(ticket["priority"]), **fields})


def tags_of(given: Iterable[object] | None) -> tuple[str, ...]:
    return tuple(str(one) for one in given or ())


def to_zendesk(change: Change, current: Current) -> dict[str, Any]:
    """Tags there replace all tags; so they are sent whole, and refused if the ticket moved on."""
    tags = [one for one in current.tags if one not in change.removed] + list(change.added)
    told = {TAGS: tags} if change.added or change.removed else {}
    safe = {"updated_stamp": current.stamp, "safe_update": True}
    return {"ticket": {**change.fields, **told, **safe}}


def to_servicenow(change: Change, _: Current) -> dict[str, Any]:
    return dict(change.fields)


def to_jira(change: Change, _: Current) -> dict[str, Any]:
    added, removed = ([{verb: one} for one in tags] for verb, tags in
                      (("add", change.added), ("remove", change.removed)))  # fmt: skip
    fields = {name: {"name": text} for name, text in change.fields.items()}
    told = {"fields": fields} if fields else {}
    return told | ({"update": {"labels": added + removed}} if added or removed else {})


def to_freshservice(change: Change, _: Current) -> dict[str, Any]:
    levels = ("priority", "impact", "urgency")
    return {name: int(text) if name in levels else text for name, text in change.fields.items()}


def written_to(kind: str, change: Change, current: Current) -> str:
    """Where a change goes. ServiceNow takes names for what it stores otherwise, if it is told so.

    >>> written_to("servicenow", Change({"assignment_group": "Net Ops"}), Current("/x", {}))
    '/x?sysparm_input_display_value=true'
    """
    if kind != "servicenow" or all(map(PLAIN.fullmatch, change.fields.values())):
        return current.path
    return f"{current.path}?sysparm_input_display_value=true"


ZENDESK = DeskApi(
    method="PUT",
    ids=NUMBER,
    an_id="a number",
    path="/api/v2/tickets/{id}.json",
    test_path="/api/v2/users/me.json",
    said=said_by_zendesk,
    current=of_zendesk,
    body=to_zendesk,
)
SERVICENOW = DeskApi(
    method="PATCH",
    ids=RECORD,
    an_id="letters and digits such as INC0010042",
    path="/api/now/table/incident?sysparm_query=number%3D{id}&sysparm_display_value=all"
    f"&sysparm_fields={'%2C'.join(('sys_id', *NAMES))}&sysparm_limit=1",
    test_path="/api/now/table/incident?sysparm_fields=sys_id&sysparm_limit=1",
    said=flat,
    current=of_servicenow,
    body=to_servicenow,
    untouched={
        "impact": frozenset({"3"}),
        "urgency": frozenset({"3"}),
        "category": frozenset({"inquiry"}),
    },
)
JIRA = DeskApi(
    method="PUT",
    ids=KEY,
    an_id="an issue's key such as IT-42",
    path="/rest/api/3/issue/{id}?fields=priority%2Clabels",
    test_path="/rest/api/3/myself",
    said=said_by_jira,
    current=of_jira,
    body=to_jira,
    untouched={"priority": frozenset({"medium", "major"})},
)
FRESHSERVICE = DeskApi(
    method="PUT",
    ids=NUMBER,
    an_id="a number",
    path="/api/v2/tickets/{id}",
    test_path="/api/v2/tickets?per_page=1",
    said=flat,
    current=of_freshservice,
    body=to_freshservice,
    untouched={name: frozenset({"1"}) for name in ("priority", "impact", "urgency")},
)
APIS = {
    "zendesk": ZENDESK,
    "servicenow": SERVICENOW,
    "jira": JIRA,
    "freshservice": FRESHSERVICE,
}
