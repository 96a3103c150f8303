"""The series that are watched, and how each one stands."""

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from data.records import SeriesState
from ops import views
from ops.alerts import desks_of, page_of
from ops.office import office_of, visitor_of
from ops.rendering import rendered

PAGE_ROWS = 100
STATES = {
    "alerting": "Alerting",
    "flapping": "Flapping",
    "silent": "Silent",
    "muted": "Muted",
    "learning": "Learning",
    "watching": "Watching",
    "ended": "Ended",
}


def series(request: Request) -> Response:
    office, visitor = office_of(request), visitor_of(request)
    desks, given = desks_of(office, visitor), request.query_params
    desk = given.get("desk", "") if given.get("desk") in desks else (desks or [""])[0]
    state = given.get("state", "") if given.get("state") in STATES else ""
    part, page = given.get("contains", "").strip()[:300], page_of(request)
    counts = office.store().count_states(desk)
    found = office.store().series_states(
        desk,
        state=state or None,
        contains=part,
        limit=PAGE_ROWS + 1,
        offset=(page - 1) * PAGE_ROWS,
    )

    def url(**changed: object) -> str:
        told = {"desk": desk, "state": state, "contains": part} | changed
        return "/ops/series?" + urlencode({name: text for name, text in told.items() if text})

    tabs = [
        ("", "All", sum(counts.values())),
        *((s, w, counts.get(s, 0)) for s, w in STATES.items()),
    ]
    return rendered(
        request,
        "series.html",
        visitor,
        tabs=[
            {"word": word, "n": f"{n:,}", "url": url(state=name), "is_here": name == state}
            for name, word, n in tabs
            if n or name in ("", state)
        ],
        rows=[line(one, office.now(), office.zone) for one in found[:PAGE_ROWS]],
        any_series=bool(counts),
        desk=desk,
        desks=desks,
        state=state,
        part=part,
        previous=url(page=page - 1) if page > 1 else "",
        next=url(page=page + 1) if len(found) > PAGE_ROWS else "",
        page=page,
    )


def line(one: SeriesState, now: Any, zone: Any) -> dict[str, Any]:
    """What the table says of one series."""
    return {
        "key": one.key,
        "state": one.state,
        "word": STATES.get(one.state, one.state),
        "since": views.moment(one.since, now, zone) if one.since else None,
        "until": views.moment(one.until, now, zone) if one.until else None,
        "alerts": "/ops/alerts?" + urlencode({"status": "all", "key": one.key}),
    }
