"""Help desks' own systems, as much of each API as is asked of them: real servers on loopback."""

import base64
import json
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.local_server import Headers, LocalServer

SYS_ID = "a83820b58f723300e7e16c7827bdeed2"
LOGIN = "ann@example.com/token:pa55w0rd"


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Desk(LocalServer):
    """One system with its tickets, each as its API tells it, by the id that stands in its path.

    `fails` are the statuses, with headers, that the next requests are answered with.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(self._take)
        self.kind = kind
        self.tickets: dict[str, dict[str, Any]] = {}
        self.asked: list[Asked] = []
        self.fails: list[tuple[int, dict[str, str]]] = []
        self.before: Callable[[Asked], None] = lambda _: None

    @property
    def settings(self) -> dict[str, str]:
        return {f"{self.kind}_url": self.url, f"{self.kind}_login": LOGIN}

    @property
    def writes(self) -> list[Asked]:
        return [one for one in self.asked if one.method != "GET"]

    def _take(
        self, method: str, path: str, headers: Headers, body: bytes
    ) -> tuple[int, Headers, bytes]:
        asked = Asked(method, path, headers, json.loads(body or b"null"))
        self.asked.append(asked)
        self.before(asked)
        status, told, said = self.answered(asked)
        return status, told, json.dumps(said).encode() if status != 204 else b""

    def answered(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        if self.fails:
            status, headers = self.fails.pop(0)
            return status, headers, {"error": f"no, {asked.headers.get('authorization')}"}
        if asked.headers.get("authorization") != basic(LOGIN):
            return 401, {}, {"error": "who are you?"}
        return getattr(self, f"_{self.kind}")(asked)

    def _ticket(self, asked: Asked, before: str, after: str = "") -> dict[str, Any] | None:
        path = urlsplit(asked.path).path
        id = path.removeprefix(before).removesuffix(after)
        return self.tickets.get(id) if path == f"{before}{id}{after}" else None

    def _zendesk(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        ticket = self._ticket(asked, "/api/v2/tickets/", ".json")
        if ticket is None:
            return 404, {}, {"error": "RecordNotFound", "description": "Not found"}
        if asked.method == "PUT":
            told = dict(asked.body["ticket"])
            if told.pop("safe_update") and told.pop("updated_stamp") != ticket["updated_at"]:
                return 409, {}, {"error": "UpdateConflict"}
            ticket |= told
            moved_on(ticket)
        return 200, {}, {"ticket": ticket}

    def _servicenow(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        query = parse_qs(urlsplit(asked.path).query)
        if asked.method == "GET":
            number = query["sysparm_query"][0].removeprefix("number=")
            ticket = self.tickets.get(number)
            wanted = query["sysparm_fields"][0].split(",")
            shown = {
                name: {"value": text, "display_value": text and f"{text} - Shown"}
                for name, text in (ticket or {}).items()
                if name in wanted
            }
            return 200, {}, {"result": [shown] if ticket else []}
        id = asked.path.partition("?")[0].rpartition("/")[2]
        (ticket,) = [one for one in self.tickets.values() if one["sys_id"] == id]
        ticket |= asked.body
        return 200, {}, {"result": ticket}

    def _jira(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        issue = self._ticket(asked, "/rest/api/3/issue/")
        if issue is None:
            return 404, {}, {"errorMessages": ["Issue does not exist"]}
        if asked.method == "GET":
            return 200, {}, {"key": "IT-42", "fields": issue}
        issue |= asked.body.get("fields", {})
        for step in asked.body.get("update", {}).get("labels", ()):
            for verb, label in step.items():
                getattr(issue["labels"], {"add": "append", "remove": "remove"}[verb])(label)
        return 204, {}, None

    def _freshservice(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        ticket = self._ticket(asked, "/api/v2/tickets/")
        if ticket is None:
            return 404, {}, None
        if asked.method == "PUT":
            ticket |= asked.body
        return 200, {}, {"ticket": ticket}


def moved_on(ticket: dict[str, Any]) -> None:
    """Zendesk's own time of the last change is another one."""
    head, _, seconds = ticket["updated_at"].rstrip("Z").rpartition(":")
    ticket["updated_at"] = f"{head}:{int(seconds) + 1:02}Z"


def basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"
