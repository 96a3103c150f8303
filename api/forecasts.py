"""When limits are crossed: what the last forecast said. Nothing is computed here."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.alerts import PRINTABLE, Limit, Offset
from api.auth import Reader, check_desk
from api.service import DeskName, Served
from data.records import CrossingState, Direction

router = APIRouter(tags=["forecasts"])
Series = Annotated[str | None, Query(pattern=PRINTABLE, description="one series' whole key")]


class FanOut(BaseModel):
    past: list[datetime]
    values: list[float]
    ahead: list[datetime]
    quantiles: list[list[float]]


class CrossingOut(BaseModel):
    desk: str
    series: str
    name: str
    unit: str
    limit: float
    direction: Direction
    horizon_seconds: float
    at: datetime
    state: CrossingState
    now: float | None
    crosses_at: datetime | None
    median: float | None
    lower_80: float | None
    upper_80: float | None
    lower_95: float | None
    upper_95: float | None
    chance: float | None
    cleaned_first: float | None
    n_resets: int
    last_reset_at: datetime | None
    why: str
    fan: FanOut


class ForecastsOut(BaseModel):
    forecasts: list[CrossingOut]
    limit: int
    offset: int


@router.get("/v1/forecasts")
def forecasts(
    service: Served,
    caller: Reader,
    desk: DeskName = None,
    state: CrossingState | None = None,
    series: Series = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> ForecastsOut:
    """When the series of one desk cross their limits, the soonest first, as last forecast."""
    desk = desk or service.settings.desk
    check_desk(caller, desk)
    found = [
        one
        for one in service.store().forecasts(desks=[desk])
        if state in (None, one.state) and series in (None, one.series)
    ]
    told = [
        CrossingOut(**asdict(one), crosses_at=one.crosses_at)
        for one in found[offset : offset + limit]
    ]
    return ForecastsOut(forecasts=told, limit=limit, offset=offset)
