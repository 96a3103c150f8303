"""For machines that watch: is it up, can it work, what has it done."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from api.auth import Reader
from api.champion import PREFIX
from api.deliveries import deliveries_text
from api.opened import UNREACHABLE
from api.problems import Problem
from api.readings import readings_text
from api.service import NO_MODEL, Served, Service
from api.shadow_text import shadow_text

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers. Nothing else is looked at."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(request: Request, service: Served) -> JSONResponse:
    """Whether tickets can be scored and alerts be read; 503 says what is missing."""
    missing = [*missing_store(service), *missing_model(service)]
    if missing:
        raise Problem(503, "; ".join(missing), headers={"Retry-After": "5"}, missing=missing)
    return JSONResponse({"status": "ready", "models": models_told(service)})


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(service: Served, caller: Reader) -> PlainTextResponse:
    """Counts and times since the process started, for Prometheus."""
    mine = [c for c in service.champions.all() if caller.sees(c.desk)]
    faults = {name: False for name in service.champions.faults() if caller.sees(desk_of(name))}
    text = service.figures.text(
        [(champion.desk, champion.version, champion.run_id) for champion in mine],
        {champion.name: True for champion in mine} | faults,
        caller.sees,
    )
    text += shadow_text(service, caller.sees)
    if caller.sees(service.settings.desk):
        text += deliveries_text(service) + readings_text(service)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def desk_of(name: str) -> str:
    return name.removeprefix(PREFIX)


def missing_store(service: Service) -> list[str]:
    try:
        service.store.ping()
    except UNREACHABLE as error:
        service.store.say_unreachable(error)
        return ["the database cannot be reached"]
    return []


def missing_model(service: Service) -> list[str]:
    desk = service.settings.desk
    if service.champions.has_stopped:
        return ["promotions are no longer followed; restart, the log says why"]
    if service.champions.get(desk):
        return []
    return [service.champions.faults().get(PREFIX + desk) or f"{NO_MODEL} (desk {desk})"]


def models_told(service: Service) -> list[dict[str, Any]]:
    """The model of our own desk; those of other desks are for their own keys to see."""
    champion = service.champions.get(service.settings.desk)
    fault = service.champions.faults().get(PREFIX + service.settings.desk)
    told = {"name": champion.name, "version": champion.version} if champion else {}
    return [told | ({"fault": fault} if fault else {})]
