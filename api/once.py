"""`Idempotency-Key`: a request that is sent again is answered again, and done once.

As draft-ietf-httpapi-idempotency-key-header has it; the answers are kept in the store, so that
every worker knows them.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import anyio
import orjson
from fastapi import Header
from fastapi.responses import Response
from pydantic import AfterValidator

from api.auth import Caller
from api.problems import Problem
from api.responses import JsonResponse
from api.service import Service
from data.store_answers import Claim, claim_of

KEY = re.compile(r'("?)([!#-\[\]-~]{1,200})\1')
REPLAYED = {"Idempotency-Replayed": "true"}


def read(text: str | None) -> str | None:
    """The key, which may stand in quotes; ValueError where it is none.

    >>> read('"8e03978e"'), read("8e03978e")
    ('8e03978e', '8e03978e')
    """
    if text is None:
        return None
    found = KEY.fullmatch(text)
    if found is None:
        raise ValueError("wanted 1 to 200 visible ASCII characters, with quotes around or without")
    return found[2]


IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="a request of the same key is done once"),
    AfterValidator(read),
]


class Asked(NamedTuple):
    """A request that its caller calls `key`, None where it has no name, and what it holds."""

    caller: Caller
    desk: str
    key: str | None
    given: Any


Work = Callable[[Claim | None], Awaitable[Response]]


async def once(service: Service, asked: Asked, work: Work) -> Response:
    """What `work` answers, or has answered to the same request in the last 24 hours.

    Problem 409 while it is at it, 422 where the key came with another body. What failed is not
    kept: it may be sent again, and under the same key.
    """
    if asked.key is None:
        return await work(None)
    claim = wanted(asked, asked.key, service.now())
    store = await anyio.to_thread.run_sync(service.store)
    known = await anyio.to_thread.run_sync(store.claim, claim)
    if known.holder != claim.holder:
        return again(known, claim)
    try:
        answer = await work(known)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(store.give_up, known)
        raise
    await anyio.to_thread.run_sync(store.keep_answer, known, bytes(answer.body))
    return answer


def wanted(asked: Asked, key: str, now: datetime) -> Claim:
    """Two bodies are the same where they say the same, however they are spelt."""
    body = orjson.dumps(asked.given, option=orjson.OPT_SORT_KEYS)
    return claim_of(asked.caller.name, asked.desk, key, body, now)


def again(known: Claim, claim: Claim) -> Response:
    """The answer of before, if there is one to this body."""
    if known.body_sha256 != claim.body_sha256:
        raise Problem(422, "Idempotency-Key: it came with another body before; take a new one")
    if known.answer is None:
        detail = "Idempotency-Key: the first request is still being answered; send this again"
        raise Problem(409, detail, headers={"Retry-After": "1"})
    return Response(known.answer, media_type=JsonResponse.media_type, headers=REPLAYED)


def id_of(claim: Claim, number: int) -> str:
    """What a ticket without an id is called: the same however often its request is begun."""
    return f"key-{claim.id[:16]}-{claim.begun_at:%Y%m%dT%H%M%S%f}-{number}"
