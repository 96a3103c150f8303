"""What the routes share: settings, store, models, figures and the clock."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import Depends, Header, Path, Query, Request

from api.batching import Batcher
from api.champion import Champion, Champions
from api.indexes import Indexes
from api.known import KnownKeys
from api.metrics_text import Figures
from api.ongoing import Incidents
from api.opened import OpenStore
from api.problems import Problem
from api.rates import Buckets
from api.samples import Samples
from api.shadow import Shadows
from api.traffic import Traffic
from data.settings import Settings

NO_MODEL = "no model yet: run `forewarn train FILE --promote`"
DESK = r"^[\w-]{1,64}$"
DeskName = Annotated[str | None, Query(pattern=DESK, description="default: FOREWARN_DESK")]
DeskPath = Annotated[str, Path(pattern=DESK)]
AskedDesk = Annotated[
    str | None,
    Query(alias="desk", pattern=DESK, description="default: FOREWARN_DESK; that of the path"),
]
Version = Annotated[
    str | None,
    Header(
        alias="X-Model-Version", pattern=r"^[\w-]{1,64}$", description="default: what is served"
    ),
]
ASKING = 8
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Service:
    """One endpoint. `scoring` bounds how many threads score at once, `decoding` how many unpack.

    `asking` is for keys alone: writers that all wait for the database leave these threads free.
    """

    settings: Settings
    store: OpenStore
    champions: Champions
    indexes: Indexes
    figures: Figures
    samples: Samples
    batcher: Batcher[Any]
    keys: KnownKeys
    traffic: Traffic
    incidents: Incidents
    shadows: Shadows
    now: Clock = utc_now
    scoring: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(os.cpu_count() or 1))
    asking: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(ASKING))
    decoding: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    rates: Buckets = field(default_factory=Buckets)


async def service_of(request: Request) -> Service:
    # async: a plain function would be given a thread for each request
    return request.app.state.service


def champion_of(service: Service, desk: str) -> Champion:
    """The model that a desk is served by; Problem 503 where there is none yet."""
    champion = service.champions.get(desk)
    if champion is None:
        raise Problem(503, f"{NO_MODEL} (desk {desk})", headers={"Retry-After": "10"})
    return champion


async def model_for(service: Service, desk: str, version: str | None) -> Champion:
    """The champion, or the version that the caller insists on; Problem 404 where it is not here."""
    champion = champion_of(service, desk)
    if version is None or version == champion.version:
        return champion
    try:
        return await anyio.to_thread.run_sync(service.champions.pinned, desk, version)
    except LookupError:
        served = f"{champion.name} is served in version {champion.version}"
        raise Problem(404, f"{served}; the one asked for is not kept here, or damaged") from None


Served = Annotated[Service, Depends(service_of)]
