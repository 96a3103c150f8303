"""Who is asking: an API key, or the machine itself where that has been allowed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from api.known import PATIENCE
from api.opened import UNREACHABLE
from api.problems import Problem
from api.service import Service
from data.keys import ApiKey, verify
from data.settings import Settings

BEARER = HTTPBearer(auto_error=False, description="`id.secret`, from `forewarn keys create`")
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="the same key")


@dataclass(frozen=True)
class Caller:
    """Somebody who may do what `scopes` say, on the desks in `desks` ("*" is every desk)."""

    name: str
    scopes: frozenset[str]
    desks: frozenset[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes

    def sees(self, desk: str) -> bool:
        """Whether `desk` is one of the caller's.

        >>> Caller("k1", frozenset({"read"}), frozenset({"it"})).sees("hr")
        False
        """
        return desk in self.desks or "*" in self.desks


LOOPBACK = Caller("loopback", frozenset({"admin"}), frozenset({"*"}))


def needs(scope: str) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, who has `scope`."""

    async def caller(
        request: Request,
        _bearer: Annotated[object, Security(BEARER)] = None,
        _header: Annotated[object, Security(HEADER)] = None,
    ) -> Caller:
        found = await identify(request)
        if not found.may(scope):
            raise Problem(
                403,
                f"this needs a key with the scope {scope}; yours has {told(found.scopes)}",
                headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            )
        return found

    return caller


async def identify(request: Request) -> Caller:
    """The caller behind `request`; a Problem 401 where nobody is."""
    token = token_of(request)
    if token is None:
        if request.state.is_open:
            return LOOPBACK
        raise unauthorized("no key came with this request", "")
    service: Service = request.app.state.service
    key = await key_of(service, token)
    if key is None:
        raise unauthorized("this key is unknown, expired or revoked", ', error="invalid_token"')
    check_rate(request, service, key)
    return caller_of(key)


async def key_of(service: Service, token: str) -> ApiKey | None:
    """The key that a token belongs to, if it is good."""
    id = token.partition(".")[0]
    found = service.keys.recent(id) or await asked_for(service, id)
    return verify(token, lambda _: found, service.now())


async def asked_for(service: Service, id: str) -> ApiKey | None:
    """The key as the store has it; as it last had it, where it cannot say so in time."""
    keys = service.keys
    before = keys.remembered(id)
    keys.spare(id)  # one request asks, those beside it go by what is remembered
    try:
        with anyio.fail_after(PATIENCE if before else None):
            return await anyio.to_thread.run_sync(
                keys.find, id, abandon_on_cancel=True, limiter=service.asking
            )
    except (TimeoutError, *UNREACHABLE):
        if before is None:
            raise
        return before


def check_rate(request: Request, service: Service, key: ApiKey) -> None:
    """Count a request of `key`; Problem 429 where it sends more than it may."""
    rate = service.settings.rate_limit if key.rate is None else key.rate
    if rate == 0:
        return
    found = service.rates.take(key.id, rate, service.now())
    if not found.passes:
        fault = f"this key may send {rate:g} requests a second, {found.burst} at once"
        detail = f"{fault}; send the next in {found.retry_seconds} s"
        raise Problem(429, detail, headers=found.headers)
    request.state.headers.update(found.headers)


def caller_of(key: ApiKey) -> Caller:
    return Caller(key.id, key.scopes, key.desks)


def token_of(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.headers.get("x-api-key")


def unauthorized(fault: str, error: str) -> Problem:
    detail = f"{fault}; send `Authorization: Bearer id.secret`, made by `forewarn keys create`"
    return Problem(401, detail, headers={"WWW-Authenticate": f'Bearer realm="forewarn"{error}'})


def check_desk(caller: Caller, desk: str) -> None:
    """Problem 403 where `desk` is not the caller's."""
    if not caller.sees(desk):
        mine = told(caller.desks)
        raise Problem(403, f"this key is for {mine}, not for the desk {desk!r}; name one by `desk`")


def desk_of(caller: Caller, asked: str | None, settings: Settings) -> str:
    """The desk that is asked for, else the only one of the key, else our own.

    >>> desk_of(Caller("k", frozenset(), frozenset({"it"})), None, Settings(desk="hr"))
    'it'
    """
    only = next(iter(caller.desks)) if len(caller.desks) == 1 else "*"
    return asked or (settings.desk if only == "*" else only)


def told(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"


Reader = Annotated[Caller, Depends(needs("read"))]
Scorer = Annotated[Caller, Depends(needs("score"))]
Sender = Annotated[Caller, Depends(needs("tickets"))]
Writer = Annotated[Caller, Depends(needs("metrics"))]
Changer = Annotated[Caller, Depends(needs("changes"))]
Admin = Annotated[Caller, Depends(needs("admin"))]
