"""What the routes share: settings, store, models, figures and the clock."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from api.champion import Champions
from api.metrics_text import Figures
from api.opened import OpenStore
from data.settings import Settings

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Service:
    """One endpoint. `scoring` bounds how many threads score at once."""

    settings: Settings
    store: OpenStore
    champions: Champions
    figures: Figures
    now: Clock = utc_now
    scoring: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(os.cpu_count() or 1))


def service_of(request: Request) -> Service:
    return request.app.state.service


Served = Annotated[Service, Depends(service_of)]
