"""When limits are crossed, the soonest first, each with the fan of what may come."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from data.records import Crossing
from models.crossing import lasting, measured, percent, told
from ops import views
from ops.alerts import page_of
from ops.office import Office, office_of, visitor_of
from ops.rendering import rendered

PAGE_ROWS = 50
WIDTH, HEIGHT, MARGIN = 240.0, 72.0, 4.0
SOON = 3 * 86_400.0
STATES = {"over": "Over the limit", "crosses": "Crosses", "holds": "Holds", "unknown": "Unknown"}


def forecasts(request: Request) -> Response:
    office, visitor = office_of(request), visitor_of(request)
    desks = None if "*" in visitor.desks else sorted(visitor.desks)
    found, page = office.store().forecasts(desks=desks), page_of(request)
    start = (page - 1) * PAGE_ROWS
    return rendered(
        request,
        "forecasts.html",
        visitor,
        rows=[row(one, office) for one in found[start : start + PAGE_ROWS]],
        many_desks=len({one.desk for one in found}) > 1,
        page=page,
        previous=address(page - 1) if page > 1 else "",
        next=address(page + 1) if len(found) > start + PAGE_ROWS else "",
    )


def address(page: int) -> str:
    return f"/ops/forecasts?page={page}" if page > 1 else "/ops/forecasts"


def row(one: Crossing, office: Office) -> dict[str, Any]:
    """What one line of the list shows."""
    now, zone = office.now(), office.zone
    habit = one.cleaned_first
    return {
        "key": one.name or one.series,
        "series": one.series if one.name else "",
        "desk": one.desk,
        "grade": grade(one),
        "word": STATES[one.state],
        "told": told(one),
        "now": measured(one.now, one.unit),
        "limit": measured(one.limit, one.unit),
        "chance": f"{percent(one.chance)} within {lasting(one.horizon_seconds)}",
        "cleaned": "" if habit is None else f"{percent(habit)} that a cleanup comes first",
        "reset": views.moment(one.last_reset_at, now, zone) if one.last_reset_at else None,
        "due": views.moment(one.crosses_at, now, zone) if one.crosses_at else None,
        "at": views.moment(one.at, now, zone),
        "drawing": drawing(one) if one.fan.ahead else None,
    }


def grade(one: Crossing) -> str:
    """How much a line stands out."""
    if one.state == "over":
        return "critical"
    if one.state == "crosses" and one.median is not None:
        return "critical" if one.median < SOON else "major"
    return "minor"


class Drawing(NamedTuple):
    """An inline picture: what came, the fan of 80 and 95 %, its middle, and the limit's height."""

    past: str
    outer: str
    inner: str
    middle: str
    limit: float
    width: float = WIDTH
    height: float = HEIGHT


def drawing(one: Crossing) -> Drawing:
    """The lines of a forecast as the points of an SVG."""
    fan = one.fan
    first, last = (fan.past[0] if fan.past else fan.ahead[0]), fan.ahead[-1]
    span = (last - first).total_seconds() or 1.0
    low, high = min((*fan.values, one.limit)), max((*fan.values, one.limit))
    room = (high - low) or 1.0

    def across(at: datetime) -> float:
        return WIDTH * (at - first).total_seconds() / span

    def down(value: float) -> float:
        share = min(max((value - low) / room, -0.2), 1.2)  # a fan may lead far beyond the picture
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share

    def line(times: Sequence[datetime], values: Sequence[float]) -> str:
        return " ".join(
            f"{across(at):.1f},{down(value):.1f}" for at, value in zip(times, values, strict=True)
        )

    columns = list(zip(*fan.quantiles, strict=True))

    def band(lower: int, upper: int) -> str:
        return f"{line(fan.ahead, columns[lower])} {line(fan.ahead[::-1], columns[upper][::-1])}"

    return Drawing(
        line(fan.past, fan.values), band(0, 4), band(1, 3), line(fan.ahead, columns[2]),
        round(down(one.limit), 1),
    )  # fmt: skip
