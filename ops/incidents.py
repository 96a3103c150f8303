"""Detected incidents: the list, one with its timeline and suspects, and what a person does."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from data.records import Alert, DetectedIncident, IncidentState, Membership
from models.incident_acts import FROM, Act, merge, say, split_off
from models.incidents import GOING_ON, OF_TICKETS, OPEN
from ops import incident_drawing as drawing
from ops import views
from ops.alerts import PAGE_ROWS, desks_of, page_of, watching
from ops.learning import learning
from ops.maintenance import MAY_NOT
from ops.office import Office, Visitor, checked_form, office_of, visitor_of
from ops.rendering import rendered
from ops.tickets import tickets_of

HOUR = timedelta(hours=1)
TABS: dict[str, tuple[str, tuple[IncidentState, ...]]] = {
    "open": ("Going on", ("proposed", "confirmed")),
    "candidate": ("Candidates", ("candidate",)),
    "over": ("Resolved", ("resolved", "watched")),
    "closed": ("Closed", ("closed", "merged")),
    "dismissed": ("Dismissed", ("dismissed",)),
    "all": ("All", ()),
}
WORDS: dict[IncidentState, tuple[str, str]] = {
    "candidate": ("Candidate", ""),
    "proposed": ("Proposed", "open"),
    "confirmed": ("Confirmed", "acknowledged"),
    "dismissed": ("Dismissed", ""),
    "resolved": ("Resolved", "resolved"),
    "watched": ("Watched", "resolved"),
    "closed": ("Closed", ""),
    "merged": ("Merged", ""),
}
MEANT: dict[IncidentState, str] = {
    "candidate": "Too little so far to bother anybody: one thing, a little above its threshold.",
    "proposed": "Enough speaks for it. Nobody has looked at it yet.",
    "confirmed": "Somebody said that it is one.",
    "dismissed": "Somebody said that it is none; its alerts count as false.",
    "resolved": "Its alerts have closed, or somebody said that it is over.",
    "watched": "An hour of quiet. A day without a new alert closes it.",
    "closed": "A day of quiet has passed.",
    "merged": "It is a part of another one.",
}
BUTTONS = {
    "confirm": "Confirm", "resolve": "Resolve", "dismiss": "Dismiss", "reopen": "Reopen",
}  # fmt: skip


@dataclass(frozen=True)
class Filters:
    """What the list is narrowed to."""

    tab: str = "open"
    desk: str = ""

    def url(self, page: int = 1, **changed: str) -> str:
        """The list, narrowed like this but for what is `changed`.

        >>> Filters().url(tab="all")
        '/ops/incidents?state=all'
        """
        given = {"state": changed.get("tab", self.tab)} | ({"desk": self.desk} if self.desk else {})
        return "/ops/incidents?" + urlencode(given | ({"page": page} if page > 1 else {}))


def incidents(request: Request) -> Response:
    office, visitor = office_of(request), visitor_of(request)
    tab, desk = request.query_params.get("state", "open"), request.query_params.get("desk", "")[:64]
    filters = Filters(tab if tab in TABS else "open", desk if visitor.sees(desk) else "")
    page, store = page_of(request), office.store()
    desks = None if "*" in visitor.desks else sorted(visitor.desks)
    desks = [filters.desk] if filters.desk else desks
    found = store.detected(
        desks,
        states=TABS[filters.tab][1] or None,
        limit=PAGE_ROWS + 1,
        offset=(page - 1) * PAGE_ROWS,
    )
    counts = Counter(store.count_detected(desks))
    members = store.members([one.id for one in found[:PAGE_ROWS]])
    now, known_desks = office.now(), desks_of(office, visitor)
    return rendered(
        request,
        "incidents.html",
        visitor,
        filters=filters,
        tabs=tabs(filters, counts),
        rows=[row(one, members[one.id], now, office) for one in found[:PAGE_ROWS]],
        previous=filters.url(page - 1) if page > 1 else "",
        next=filters.url(page + 1) if len(found) > PAGE_ROWS else "",
        any_incident=bool(counts),
        n_desks=len(known_desks),
        watching=watching(office, visitor) if not found else [],
        learning=learning(office, known_desks),
        page=page,
    )


def tabs(filters: Filters, counts: Counter[IncidentState]) -> list[dict[str, Any]]:
    """One tab a group of states, with how many incidents it holds."""
    return [
        {
            "word": word,
            "url": filters.url(tab=tab),
            "n": sum(counts[state] for state in states) if states else counts.total(),
            "is_here": filters.tab == tab,
        }
        for tab, (word, states) in TABS.items()
    ]


def row(
    one: DetectedIncident,
    members: Sequence[tuple[Alert, Membership]],
    now: datetime,
    office: Office,
) -> dict[str, Any]:
    """What one line of the list shows."""
    word, css = WORDS[one.state]
    alerts = [alert for alert, _ in members]
    return {
        "id": one.id,
        "desk": one.desk,
        "title": one.title,
        "why": one.why,
        "priority": one.priority,
        "priority_class": drawing.priority_class(one.priority),
        "priority_why": one.priority_why,
        "state": one.state,
        "state_word": word,
        "state_class": css,
        "opened": views.moment(one.opened_at, now, office.zone),
        "lasted": lasted(one, now),
        "evidence": evidence_told(alerts),
        "suspect": one.suspects[0] if one.suspects and one.state in OPEN else None,
    }


def lasted(one: DetectedIncident, now: datetime) -> str:
    if one.state in GOING_ON or one.quiet_at is None:
        return f"ongoing for {views.lasting((now - one.opened_at).total_seconds())}"
    return f"lasted {views.lasting((one.quiet_at - one.opened_at).total_seconds())}"


def evidence_told(alerts: Sequence[Alert]) -> str:
    """Of what kinds the alerts are.

    >>> evidence_told([])
    'no alerts left'
    """
    tickets = sum(one.kind in OF_TICKETS for one in alerts)
    series = len(alerts) - tickets
    told = [f"{tickets} ticket alert{'s' if tickets > 1 else ''}"] if tickets else []
    told += [f"{series} metric alert{'s' if series > 1 else ''}"] if series else []
    return ", ".join(told) or "no alerts left"


# -- one incident -------------------------------------------------------------------------------


def incident(request: Request) -> Response:
    office, visitor = office_of(request), visitor_of(request)
    one, now = incident_of(request, office, visitor), office.now()
    store = office.store()
    members = store.members([one.id])[one.id]
    alerts = [alert for alert, _ in members]
    traces = {alert.id: store.trace(alert.id) for alert in alerts[: drawing.MOST_CHARTS]}
    changes = changes_around(office, one, now)
    tickets, n_tickets_more = tickets_of(office, alerts, now)
    return rendered(
        request,
        "incident.html",
        visitor,
        row=row(one, members, now, office),
        one=one,
        meant=MEANT[one.state],
        said=said_of(one, now, office),
        timeline=drawing.timeline(alerts, changes, one, now, office.zone) if alerts else None,
        charts=[
            drawing.chart(alert, member, traces.get(alert.id), office.zone)
            for alert, member in members[: drawing.MOST_CHARTS]
        ],
        n_more=max(len(alerts) - drawing.MOST_CHARTS, 0),
        tickets=tickets,
        n_tickets_more=n_tickets_more,
        buttons=[(act, word) for act, word in BUTTONS.items() if one.state in FROM[act]],
        others=others(office, one, now) if one.state in OPEN else [],
        may_split=one.state in OPEN and len(alerts) > 1,
    )


def said_of(one: DetectedIncident, now: datetime, office: Office) -> str:
    """Since when it is in its state, and who said so."""
    if one.state_at is None:
        return ""
    at = views.moment(one.state_at, now, office.zone)
    by = f" by {one.state_by}" if one.state_by else ""
    return f"{WORDS[one.state][0]}{by} {at['ago']} ({at['full']})"


def changes_around(office: Office, one: DetectedIncident, now: datetime) -> list[Any]:
    """What was changed from two hours before on, the earliest first."""
    until = one.quiet_at or now
    found = office.store().service_changes(one.desk, one.opened_at - 2 * HOUR, until, limit=20)
    return sorted(found, key=lambda change: change.at)


def others(office: Office, one: DetectedIncident, now: datetime) -> list[dict[str, str]]:
    """Open incidents that this one could be merged with, the nearest first."""
    found = office.store().detected([one.desk], states=OPEN, limit=200)
    near = sorted(found, key=lambda other: abs(other.opened_at - one.opened_at))
    return [
        {
            "id": other.id,
            "told": f"{other.title}, {views.moment(other.opened_at, now, office.zone)['full']}",
        }
        for other in near[:20]
        if other.id != one.id
    ]


# -- what a person does ---------------------------------------------------------------------------


async def act(request: Request) -> Response:
    fields = await checked_form(request)
    form = await request.form()
    ids = [str(id) for id in form.getlist("alert")]
    return await anyio.to_thread.run_sync(done, request, dict(fields), ids)


def done(request: Request, fields: dict[str, str], ids: list[str]) -> Response:
    office, visitor = office_of(request), visitor_of(request)
    if not visitor.may_act:
        raise HTTPException(403, MAY_NOT)
    one, action = incident_of(request, office, visitor), fields.get("action", "")
    try:
        goal = regroup(office, visitor, one, action, fields, ids)
    except ValueError as error:
        raise HTTPException(422, f"{error}.") from error
    touched = dict.fromkeys([one.id, goal, *([fields["with"]] if action == "merge" else [])])
    office.store().log(office.now(), visitor.name, f"incident {action}", one.desk, *touched)
    return RedirectResponse(f"/ops/incidents/{goal}", 303)


def regroup(
    office: Office, visitor: Visitor, one: DetectedIncident, action: str,
    fields: dict[str, str], ids: list[str],
) -> str:  # fmt: skip
    """Do what the form says; the id of the incident to look at next."""
    store, signed = office.store(), (visitor.name, office.now(), office.zone)
    if action == "merge":
        other = store.detected_incident(fields.get("with", ""))
        if other is None or not visitor.sees(other.desk):
            raise ValueError("wanted another incident to merge with")
        return merge(store, one, other, *signed).id
    if action == "split":
        return split_off(store, one, ids, *signed).id
    said = Act(action, *signed[:2], fields.get("cause", ""), fields.get("fix", ""))
    return say(store, one, said).id


def incident_of(request: Request, office: Office, visitor: Visitor) -> DetectedIncident:
    id = request.path_params["id"]
    found = office.store().detected_incident(id) if id.isprintable() else None
    if found is None or not visitor.sees(found.desk):
        raise HTTPException(404, "No incident has this id on your desks. It may have expired.")
    return found
