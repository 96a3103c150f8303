"""What the routes share: settings, store, models, figures and the clock."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Query, Request

from api.champion import Champion, Champions
from api.indexes import Indexes
from api.metrics_text import Figures
from api.opened import OpenStore
from api.problems import Problem
from api.samples import Samples
from api.traffic import Traffic
from data.settings import Settings

NO_MODEL = "no model yet: run `forewarn train FILE --promote`"
DESK = r"^[\w-]{1,64}$"
DeskName = Annotated[str | None, Query(pattern=DESK, description="default: FOREWARN_DESK")]
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Service:
    """One endpoint. `scoring` bounds how many threads score at once, `decoding` how many unpack."""

    settings: Settings
    store: OpenStore
    champions: Champions
    indexes: Indexes
    figures: Figures
    samples: Samples
    traffic: Traffic
    now: Clock = utc_now
    scoring: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(os.cpu_count() or 1))
    decoding: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))


def service_of(request: Request) -> Service:
    return request.app.state.service


def champion_of(service: Service, desk: str) -> Champion:
    """The model that a desk is served by; Problem 503 where there is none yet."""
    champion = service.champions.get(desk)
    if champion is None:
        raise Problem(503, f"{NO_MODEL} (desk {desk})", headers={"Retry-After": "10"})
    return champion


Served = Annotated[Service, Depends(service_of)]
