"""The measures of a desk: how long things take, and how well they go."""

from datetime import timedelta
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import Response

from data.past import known_span, read_past
from models.measure_words import EXPLAINED, panels, unknown
from models.measures import LOOKBACK, By, Past, Report, Span, measured
from ops import views
from ops.alerts import desks_of
from ops.office import Office, office_of, visitor_of
from ops.rendering import rendered
from ops.replay import desk_of

SPANS = {
    "30d": ("30 days", timedelta(days=30)),
    "90d": ("90 days", timedelta(days=90)),
    "365d": ("A year", timedelta(days=365)),
    "all": ("All", None),
}
USUAL = "90d"
MOMENT = timedelta(microseconds=1)


def report(request: Request) -> Response:
    office, visitor = office_of(request), visitor_of(request)
    desks, given = desks_of(office, visitor), request.query_params
    desk = desk_of(request, office, desks)
    by: By = next((one for one in get_args(By) if one == given.get("by")), "category")
    name = given["span"] if given.get("span") in SPANS else USUAL
    found = made(office, desk, by, SPANS[name][1]) if desk else None
    context: dict[str, Any] = {"desk": desk, "desks": desks, "by": by, "ways": get_args(By)}
    context |= {"report": found, "spans": SPANS, "span": name}
    if found is not None:
        since, until = found.span
        context |= {
            "since": views.moment(since, office.now(), office.zone),
            "until": views.moment(until, office.now(), office.zone),
            "panels": panels(found),
            "explained": EXPLAINED,
            "unknown": unknown(found),
        }
    return rendered(request, "report.html", visitor, **context)


def made(office: Office, desk: str, by: By, last: timedelta | None) -> Report | None:
    """The measures of the `last` time of which anything is known; None for an empty desk."""
    store = office.store()
    known = known_span(store, desk)
    if known is None:
        return None
    until = min(office.now(), known[1] + MOMENT)
    span = Span(known[0] if last is None else max(known[0], until - last), until)
    if span.since >= span.until:  # all that is known lies ahead
        return None
    step = timedelta(seconds=office.settings.step_seconds)
    read = read_past(store, desk, *span, LOOKBACK)
    return measured(Past(span, *read, step=step, zone=office.zone), by)
