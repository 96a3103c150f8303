"""The incidents that go on, and which of them a ticket seems to belong to."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
from pydantic import BaseModel

from api.champion import POLL_SECONDS
from api.following import Following
from api.opened import UNREACHABLE, OpenStore
from data.records import Alert, DetectedIncident, IncidentState
from features.text import words_in
from features.windows import TARGET, TOTAL
from models.incidents import GOING_ON

if TYPE_CHECKING:
    from api.auth import Caller

log = logging.getLogger("forewarn.ongoing")

MOST = 100  # incidents that a ticket is held against, the newest: more are no help to anybody
UNNAMED = ("like ", "erased tickets")  # topics whose tickets have no words of their own


class OngoingOut(BaseModel):
    """An incident that goes on, of whose tickets this one seems to be."""

    id: str
    title: str
    state: IncidentState
    since: str
    link: str


class Ongoing(NamedTuple):
    """An incident as it is told, and what its tickets are: of these kinds, or with these words."""

    told: dict[str, str]
    kinds: frozenset[str]
    topics: tuple[frozenset[str], ...]

    def holds(self, kind: str | None, words: frozenset[str]) -> bool:
        return kind in self.kinds or any(topic <= words for topic in self.topics)


class Incidents(Following):
    """The incidents that go on, as the store had them a moment ago."""

    log, ending = log, "tickets are no longer held against incidents"

    def __init__(self, store: OpenStore) -> None:
        self._store = store
        self._by_desk: dict[str, tuple[Ongoing, ...]] = {}

    def for_tickets(self, caller: "Caller", desk: str) -> tuple[Ongoing, ...]:
        """What a desk's tickets may belong to; nothing for a key that may not read incidents."""
        going_on = self._by_desk.get(desk, ())
        return going_on if going_on and caller.may("read") and not self.has_stopped else ()

    def refresh(self) -> None:
        """Ask the store; while it is away, what was known stays."""
        try:
            store = self._store()
            found = store.detected(states=GOING_ON, limit=MOST)
            members = store.members([one.id for one in found])
        except UNREACHABLE as error:
            self._store.say_unreachable(error)
            return
        by_desk: dict[str, list[Ongoing]] = {}
        for one in found:
            ongoing = ongoing_of(one, [alert for alert, _ in members[one.id]])
            if ongoing.kinds or ongoing.topics:
                by_desk.setdefault(one.desk, []).append(ongoing)
        self._by_desk = {desk: tuple(some) for desk, some in by_desk.items()}

    async def follow(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Refresh for ever, in a thread, so that requests go on meanwhile."""
        while True:
            await anyio.to_thread.run_sync(self.refresh)
            await anyio.sleep(poll_seconds)


def ongoing_of(incident: DetectedIncident, alerts: Sequence[Alert]) -> Ongoing:
    """Its tickets are those of the surges and topics that have not ended; the total is no kind."""
    open_ = [one for one in alerts if one.closed_at is None and one.status != "false_alarm"]
    surges = (kind for one in open_ if one.kind == "surge" for kind in (one.key, *one.members))
    topics = (one.key for one in open_ if one.kind == "topic")
    return Ongoing(
        {
            "id": incident.id,
            "title": incident.title,
            "state": incident.state,
            "since": f"{incident.opened_at:%Y-%m-%dT%H:%M:%SZ}",
            "link": f"/v1/incidents/{incident.id}",
        },
        frozenset(surges) - {TOTAL},
        tuple(frozenset(key.split()) for key in topics if not key.startswith(UNNAMED)),
    )


def incident_field(
    going_on: Sequence[Ongoing],
    targets: Mapping[str, Mapping[str, Any]],
    texts: Sequence[str | None],
    own: str | None = None,
) -> dict[str, dict[str, str] | None]:
    """What an answer says of a ticket's incident, of several the newest; nothing if none goes on.

    A ticket is of a kind as a surge counts it: the desk's `own` word, else the model's, if it has
    any.

    >>> told = Ongoing({"id": "c8c1"}, frozenset({"network"}), (frozenset({"vpn", "token"}),))
    >>> incident_field([told], {"category": {"label": "network"}}, ["Wi-Fi"])
    {'incident': {'id': 'c8c1'}}
    >>> incident_field([told], {"category": {"label": None}}, ["VPN", "my token ended"])
    {'incident': {'id': 'c8c1'}}
    >>> incident_field([told], {}, ["VPN"]), incident_field([], {}, ["VPN"])
    ({'incident': None}, {})
    """
    if not going_on:
        return {}
    kind = own or targets.get(TARGET, {}).get("label")
    words = frozenset(word for text in texts if text for word in words_in(text))
    found = (one.told for one in going_on if one.holds(kind, words))
    return {"incident": next(found, None)}
