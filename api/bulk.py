"""Very many tickets in one call: JSON lines in, JSON lines out, in memory that stays the same."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import IO, Any

import anyio
import anyio.to_thread
import orjson
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from api.answers import Scored, model_of
from api.auth import Scorer, check_desk
from api.batching import AT_ONCE
from api.champion import Champion
from api.fields import Fields, Paths, trimmed
from api.native import TicketIn, result_of
from api.problems import Problem, request_id_of, where
from api.scoring import scored_by
from api.service import DeskName, Served, Service, Version, model_for
from api.shadow import TicketName

PATH = "/v1/tickets/score:batch"
LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")
IN_MEMORY = 1_000_000  # bytes of a body that need no file
LONGEST = 1_000_000  # bytes of a line
TEXT: dict[str, Any] = {
    LINES[0]: {"schema": {"type": "string", "description": "a ticket a line, as JSON"}}
}
BODY = {"requestBody": {"required": True, "content": TEXT}}

router = APIRouter(tags=["tickets"])


@router.post(
    PATH, openapi_extra=BODY, response_class=StreamingResponse, responses={200: {"content": TEXT}}
)
async def score_lines(
    request: Request,
    service: Served,
    caller: Scorer,
    desk: DeskName = None,
    fields: Fields = None,
    version: Version = None,
) -> StreamingResponse:
    """A ticket a line; a line of the answer for each, in their order, and a last one that counts.

    A line that is no ticket is answered by what is wrong with it, and the others are scored. The
    answer begins when the last line has come: a client that sends everything before it reads
    would else wait for us while we wait for it.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in LINES:
        raise Problem(415, f"send a JSON object a line, with `Content-Type: {LINES[0]}`")
    desk = desk or service.settings.desk
    check_desk(caller, desk)
    champion = await model_for(service, desk, version)
    body: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
    try:
        async for part in request.stream():
            await anyio.to_thread.run_sync(body.write, part)
    except BaseException:
        body.close()
        raise
    body.seek(0)
    answer = answered(service, champion, body, fields, request_id_of(request))
    return StreamingResponse(answer, media_type=LINES[0])


async def answered(
    service: Service, champion: Champion, body: IO[bytes], fields: Paths | None, request_id: str
) -> AsyncIterator[bytes]:
    """The lines of the answer, some at a time."""
    n_scored, n_lines = 0, 0
    try:
        while lines := await anyio.to_thread.run_sync(next_lines, body):
            read = [line_read(line, champion) for line in lines]
            good = [one for one in read if isinstance(one, TicketIn)]
            found = iter(await scored_lines(service, champion, good))
            told = [
                result_of(one, next(found)) if isinstance(one, TicketIn) else {"line": n, **one}
                for n, one in enumerate(read, n_lines + 1)
            ]
            n_scored, n_lines = n_scored + len(good), n_lines + len(lines)
            yield b"".join(orjson.dumps(trimmed(one, fields)) + b"\n" for one in told)
    finally:
        body.close()
    end = {"scored": n_scored, "refused": n_lines - n_scored, "request_id": request_id}
    yield orjson.dumps({"end": {**end, "desk": champion.desk, "model": model_of(champion)}}) + b"\n"


async def scored_lines(
    service: Service, champion: Champion, tickets: list[TicketIn]
) -> list[Scored]:
    if not tickets:
        return []
    rows = [ticket.model_dump() for ticket in tickets]
    names = champion.triage.features.columns
    columns = {name: [row.get(name) or "" for row in rows] for name in names}
    names = [TicketName(None, ticket.external_id) for ticket in tickets]
    return await scored_by(service, champion, columns, names)


def next_lines(body: IO[bytes]) -> list[bytes]:
    """The next lines, as many as are scored at once; none at the end. A longer one is cut."""
    return list(_some(body, AT_ONCE))


def _some(body: IO[bytes], n: int) -> Iterator[bytes]:
    while n and (line := body.readline(LONGEST)):
        rest = line
        while len(rest) == LONGEST and not rest.endswith(b"\n"):  # of it no more is kept
            rest = body.readline(LONGEST)
        if line.strip():
            yield line
            n -= 1


def line_read(line: bytes, champion: Champion) -> TicketIn | dict[str, Any]:
    """The ticket of a line, or what is wrong with it; never what stands there."""
    if len(line) >= LONGEST:
        return refused(f"longer than {LONGEST:,} bytes")
    try:
        ticket = TicketIn.model_validate(orjson.loads(line))
    except orjson.JSONDecodeError as error:
        return refused(f"not JSON: {error.msg}")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return refused(first["msg"], *first["loc"])
    names, texts = champion.triage.features.columns, ticket.model_dump()
    if not any(texts.get(name) is not None for name in names):
        return refused(f"has none of the texts that this model reads: {', '.join(names)}")
    return ticket


def refused(what: str, *place: str | int) -> dict[str, Any]:
    return {"error": {"where": where(*place), "what": what} if place else {"what": what}}
