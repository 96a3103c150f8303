"""How the metric series of a desk stand."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel

from api.alerts import PRINTABLE, Limit, Offset
from api.auth import Reader, check_desk
from api.service import DeskName, Served
from data.records import SeriesStateName

Part = Annotated[str, Query(pattern=PRINTABLE, description="a part of the series' name")]

router = APIRouter(tags=["alerts"])


class SeriesOut(BaseModel):
    key: str
    state: SeriesStateName
    since: AwareDatetime | None
    until: AwareDatetime | None


class AllSeriesOut(BaseModel):
    """`counts` are of the whole desk, by state."""

    counts: dict[str, int]
    series: list[SeriesOut]
    limit: int
    offset: int


@router.get("/v1/series")
def series(
    service: Served,
    caller: Reader,
    desk: DeskName = None,
    state: SeriesStateName | None = None,
    contains: Part | None = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> AllSeriesOut:
    """The series that are watched, by name, and how each stands: learning (`until` when),
    watching, alerting, flapping, muted, silent or ended."""
    desk = desk or service.settings.desk
    check_desk(caller, desk)
    found = service.store().series_states(
        desk, state=state, contains=contains or "", limit=limit, offset=offset
    )
    return AllSeriesOut(
        counts=service.store().count_states(desk),
        series=[SeriesOut(key=s.key, state=s.state, since=s.since, until=s.until) for s in found],
        limit=limit,
        offset=offset,
    )
