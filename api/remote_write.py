"""Prometheus' remote-write: metric samples into the history. Nothing is detected here."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated

import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Header, Request, Response

from api.auth import Writer, check_desk, desk_of
from api.problems import Problem
from api.service import DESK, DeskName, Served, Service
from data.points import Points
from data.sources.remote_write import Received, read_v1, read_v2, taken, unpacked

UNPACKED = 8  # times FOREWARN_MAX_BODY_BYTES; samples shrink to a third or a tenth
AHEAD = timedelta(minutes=10)  # as far as clocks may differ
PROTO = "application/x-protobuf"
READERS: dict[str, Callable[[bytes], Received]] = {
    "prometheus.WriteRequest": read_v1,
    "io.prometheus.write.v2.Request": read_v2,
}
REFUSED = {
    "too_old": "older than FOREWARN_RETENTION_DAYS, or from before 1970",
    "too_new": "more than 10 minutes ahead of this machine's clock: set both clocks right",
    "bad_labels": "in a series without a name, or with labels that cannot be read",
    "histogram": "native histograms, which are not taken",
}
OPENAPI = {
    "requestBody": {
        "required": True,
        "description": "a snappy block of protobuf, as Prometheus' remote_write sends it",
        "content": {PROTO: {"schema": {"type": "string", "format": "binary"}}},
    }
}
PATHS = frozenset({"/v1/metrics/write", "/api/v1/write"})  # whose bodies come compressed
DeskHeader = Annotated[str | None, Header(alias="X-Forewarn-Desk", pattern=DESK)]

router = APIRouter(tags=["metrics"])


@router.post("/v1/metrics/write", status_code=204, openapi_extra=OPENAPI)
@router.post("/api/v1/write", status_code=204, openapi_extra=OPENAPI)
async def write(
    request: Request,
    service: Served,
    caller: Writer,
    desk: DeskName = None,
    desk_header: DeskHeader = None,
) -> Response:
    """Store the samples that Prometheus sends, 1.0 or 2.0; 400 says which were refused.

    The others of such a request are stored all the same.
    """
    read = reader_of(request.headers)
    desk = desk_of(caller, desk or desk_header, service.settings)
    check_desk(caller, desk)
    body = await request.body()
    received = await anyio.to_thread.run_sync(
        told, read, body, service.settings.max_body_bytes, limiter=service.decoding
    )
    points, dropped = in_time(received.points, service.now(), service.settings.retention_days)
    if len(points):
        await service.samples.write(desk, points, received.counters)
    return answer(service, desk, points, received.dropped + dropped)


def reader_of(headers: Mapping[str, str]) -> Callable[[bytes], Received]:
    """What reads the body that these headers announce; Problem 415 where nothing does.

    >>> reader_of({"content-type": "application/x-protobuf", "content-encoding": "snappy"}).__name__
    'read_v1'
    """
    kind, _, parameters = headers.get("content-type", "").partition(";")
    named = dict(part.strip().partition("=")[::2] for part in parameters.split(";"))
    proto = named.get("proto", "prometheus.WriteRequest").strip('"')
    if headers.get("content-encoding", "").lower() != "snappy":
        raise Problem(415, "send a snappy block, with `Content-Encoding: snappy`")
    if kind.strip().lower() != PROTO or proto not in READERS:
        known = " or ".join(f"`{PROTO};proto={name}`" for name in READERS)
        raise Problem(415, f"send Prometheus remote-write, with `Content-Type: {known}`")
    return READERS[proto]


def told(read: Callable[[bytes], Received], body: bytes, max_bytes: int) -> Received:
    """What a body holds; Problem 400 or 413 where it cannot be had."""
    try:
        return read(unpacked(body, max_bytes * UNPACKED))
    except OverflowError as error:
        mend = (
            "lower max_samples_per_send, or raise FOREWARN_MAX_BODY_BYTES, of which this is 8 times"
        )
        raise Problem(413, f"{error}: {mend}") from None
    except ValueError as error:
        raise Problem(400, str(error)) from None


def in_time(points: Points, now: datetime, retention_days: int) -> tuple[Points, Counter[str]]:
    """The points that are neither past their time nor of the future, and how many others were.

    >>> from datetime import UTC
    >>> at = np.array(["1969-07-20", "2026-03-04T10:09", "2026-03-04T10:11"], "M8[ms]")
    >>> points = Points(np.array(["up"] * 3, object), at, np.ones(3))
    >>> kept, dropped = in_time(points, datetime(2026, 3, 4, 10, tzinfo=UTC), 0)
    >>> len(kept), dropped
    (1, Counter({'too_old': 1, 'too_new': 1}))
    """
    at, now_ms = points.at.astype(np.int64), int(now.timestamp() * 1000)
    age = timedelta(days=retention_days) // timedelta(milliseconds=1)
    old = at < (max(now_ms - age, 0) if age else 0)
    new = at > now_ms + AHEAD // timedelta(milliseconds=1)
    dropped = Counter({"too_old": int(old.sum()), "too_new": int(new.sum())})
    return taken(points, ~old & ~new), +dropped


def answer(service: Service, desk: str, points: Points, dropped: Counter[str]) -> Response:
    """Count, and say what was written: 204, or a Problem 400 where something was refused."""
    n = len(points) + dropped.total()
    service.figures.count_received(desk, n, dropped, service.now().timestamp())
    # A marker that a series ended was taken, though it is no value: a request of nothing else
    # would otherwise pass for one that was not understood.
    prefix, written = "X-Prometheus-Remote-Write", len(points) + dropped["stale"]
    headers = {
        f"{prefix}-Samples-Written": str(written),
        f"{prefix}-Histograms-Written": "0",
        f"{prefix}-Exemplars-Written": "0",
    }
    refused = {reason: dropped[reason] for reason in REFUSED if dropped[reason]}
    if refused:
        why = "; ".join(f"{count} {REFUSED[reason]}" for reason, count in refused.items())
        detail = f"{sum(refused.values())} of {n} samples were refused, the others stored: {why}"
        raise Problem(400, detail, headers=headers)
    return Response(status_code=204, headers=headers)
