"""The endpoint, `python -m uvicorn serve:app`: puts the app together, trains nothing."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache

import anyio
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from threadpoolctl import threadpool_limits

from api import (
    alerts,
    audit_log,
    bulk,
    changes,
    desks,
    documented,
    feedback,
    forecasts,
    health,
    incidents,
    logs,
    maintenance,
    mlflow_scoring,
    native,
    open_inference,
    problems,
    remote_write,
    series,
    similar,
    tickets,
)
from api.answers import answered_plainly, answered_soon
from api.batching import Batcher
from api.challengers import Challengers
from api.champion import POLL_SECONDS, Champions
from api.guard import Guard
from api.indexes import Indexes
from api.known import KnownKeys
from api.limits import BodyLimit, Bounds
from api.metrics_text import Figures
from api.ongoing import Incidents
from api.opened import UNREACHABLE, OpenStore
from api.samples import Samples
from api.service import Clock, Service, utc_now
from api.shadow import Shadows
from api.shedding import Shed
from api.traffic import Traffic
from data.settings import Settings
from ops import page


def create_app(
    settings: Settings, *, now: Clock = utc_now, poll_seconds: float = POLL_SECONDS
) -> FastAPI:
    """The ASGI app. It reads and connects to nothing before it is started."""
    store, champions = (
        OpenStore(settings.database_url, settings.database_seconds),
        Champions(settings.home),
    )
    indexes = Indexes(settings.home, store, champions)
    figures = Figures()
    samples = Samples(store, settings.home / "history", figures)
    batcher = Batcher(answered_plainly, answered_soon, settings.max_wait_seconds)
    keys, traffic, ongoing = KnownKeys(store), Traffic(store, now), Incidents(store)
    shadows = Shadows(
        Challengers(settings.home), answered_plainly, store, traffic, batcher.is_busy, now
    )
    service = Service(
        settings,
        store,
        champions,
        indexes,
        figures,
        samples,
        batcher,
        keys,
        traffic,
        ongoing,
        shadows,
        now,
    )
    forms = mlflow_scoring.FORMS | open_inference.FORMS
    shed = Shed(batcher.is_full, lambda: count_shed(service), forms)
    app = FastAPI(
        title="Forewarn",
        summary="Ticket triage and incident detection",
        version="1",
        docs_url=None,  # its page loads scripts from the internet
        redoc_url=None,
        lifespan=lambda _: running(service, poll_seconds, shed),
    )
    app.state.service = service
    ours = (
        native,
        bulk,
        mlflow_scoring,
        open_inference,
        tickets,
        feedback,
        desks,
        similar,
        alerts,
        incidents,
        series,
        maintenance,
        audit_log,
        changes,
        forecasts,
        remote_write,
        health,
    )
    app.include_router(native.direct)
    for part in ours:
        app.include_router(part.router)
    app.mount("/ops", page.create(settings, service.store, service.champions.all, now))
    app.add_api_route("/", to_page, include_in_schema=False)
    problems.install(app, forms)
    documented.install(app, forms)
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.max_body_bytes,
        larger={
            bulk.PATH: Bounds(settings.max_lines_bytes, "FOREWARN_MAX_LINES_BYTES", parts=True)
        },
        seconds=settings.body_seconds,
        unpack=remote_write.PATHS,
    )
    app.add_middleware(
        Guard,
        hosts=settings.allowed_hosts,
        open_loopback=settings.open_loopback,
        figures=service.figures,
        traffic=traffic,
        shadows=shadows,
    )
    return app


def count_shed(service: Service) -> None:
    """Count a request that was refused before its route was looked for."""
    service.figures.count_request("POST", "shed", 429, 0.0)
    service.traffic.count("shed", 429, 0.0)


@asynccontextmanager
async def running(
    service: Service, poll_seconds: float, shed: Shed
) -> AsyncIterator[dict[str, Shed]]:
    """Open what the app needs, follow promotions and tickets while it runs, and close.

    Its state is what `api.door` finds there.
    """
    logs.start(service.settings.log_level)
    await anyio.to_thread.run_sync(open_store, service)
    await anyio.to_thread.run_sync(service.champions.refresh)
    await anyio.to_thread.run_sync(service.shadows.challengers.refresh)
    service.traffic.begin()
    followers = []
    shadows = service.shadows
    every = (
        service.champions,
        service.indexes,
        service.traffic,
        service.incidents,
        shadows.challengers,
        shadows,
    )
    for followed in every:
        followers.append(asyncio.create_task(followed.follow(poll_seconds)))
        followers[-1].add_done_callback(followed.say_stopped)
    try:
        # A ticket's matrices are small: threads that share one wait for each other.
        with threadpool_limits(1):
            yield {"shed": shed}
    finally:
        for following in followers:
            following.cancel()
        await asyncio.wait(followers)
        await anyio.to_thread.run_sync(service.shadows.close)
        await anyio.to_thread.run_sync(service.traffic.close)
        service.store.close()
    for following in followers:
        with suppress(asyncio.CancelledError):
            await following


def open_store(service: Service) -> None:
    """Open it now, so that the first request need not; without a database, answer 503s."""
    try:
        service.store()
    except UNREACHABLE as error:
        service.store.say_unreachable(error)


async def to_page() -> RedirectResponse:
    return RedirectResponse("/ops/alerts", status_code=303)


@cache
def _app() -> FastAPI:
    return create_app(Settings.from_env(os.environ))


def __getattr__(name: str) -> FastAPI:
    """`app` comes to be when uvicorn asks for it, not when this file is imported."""
    if name == "app":
        return _app()
    raise AttributeError(f"module 'serve' has no attribute {name!r}")
