"""Prometheus remote-write, 1.0 and 2.0: the bytes of a request to points."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import cramjam
import numpy as np
from google.protobuf.message import DecodeError

from data.points import Points
from data.series_key import NAME, is_counter, key_of
from data.sources.prometheus_wire import message

STALE = 0x7FF0000000000002  # the bits of the NaN by which Prometheus says that a series ended
N_REMEMBERED = 100_000  # series whose labels are not taken apart again
TYPES = {1: "counter", 2: "gauge", 4: "gauge", 6: "gauge", 7: "gauge"}  # of 2.0's metadata


@dataclass(frozen=True)
class Received:
    """What stood in a request: its points, which series are counters, and what was left out.

    `dropped` counts samples by reason: `stale` (the marker that a series ended), `not_finite`,
    `bad_labels`, `histogram`.
    """

    points: Points
    counters: frozenset[str]
    dropped: Counter[str]


class Series(NamedTuple):
    """A series of a request; `key` is None where its labels cannot be used."""

    key: str | None
    counter: bool
    samples: Any
    n_histograms: int


def unpacked(body: bytes, max_bytes: int) -> bytes:
    """A snappy block taken apart; ValueError where it is none, OverflowError where it is too large.

    The size stands in its head, so what is too large is never unpacked.

    >>> unpacked(bytes.fromhex("0408") + b"abcd", 100)
    Traceback (most recent call last):
    ...
    ValueError: the body is no snappy block: wanted snappy's block format, not its frames
    >>> unpacked(cramjam.snappy.compress_raw(b"abcd").read(), 3)
    Traceback (most recent call last):
    ...
    OverflowError: unpacked it has 4 bytes, at most 3 are taken
    """
    try:
        n_bytes = cramjam.snappy.decompress_raw_len(body)
        if n_bytes > max_bytes:
            raise OverflowError(f"unpacked it has {n_bytes} bytes, at most {max_bytes} are taken")
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        wanted = "wanted snappy's block format, not its frames"
        raise ValueError(f"the body is no snappy block: {wanted}") from error


def read_v1(body: bytes) -> Received:
    """The points of a `prometheus.WriteRequest`; ValueError where `body` is none."""
    return _received(body, "WriteRequest", _series_v1)


def read_v2(body: bytes) -> Received:
    """The points of an `io.prometheus.write.v2.Request`; ValueError where `body` is none."""
    return _received(body, "RequestV2", _series_v2)


def _received(body: bytes, name: str, series_of: Callable[[Any], Iterator[Series]]) -> Received:
    try:
        request = message(name).FromString(body)
    except DecodeError as error:
        raise ValueError(f"the body is no {name} of remote-write: {error}") from error
    return _collected(series_of(request))


def _series_v1(request: Any) -> Iterator[Series]:
    for one in request.timeseries:
        yield Series(*_known_v1(tuple(one.labels)), one.samples, len(one.histograms))


@lru_cache(N_REMEMBERED)
def _known_v1(labels: tuple[bytes, ...]) -> tuple[str | None, bool]:
    try:
        told = [message("Label").FromString(label) for label in labels]
        return _named([(label.name, label.value) for label in told])
    except DecodeError:
        return None, False


def _series_v2(request: Any) -> Iterator[Series]:
    symbols = list(request.symbols)
    for one in request.timeseries:
        known = _known_v2(_texts(symbols, one.labels_refs), TYPES.get(one.metadata.type, ""))
        yield Series(*known, one.samples, len(one.histograms))


def _texts(symbols: list[bytes], refs: Any) -> tuple[bytes, ...] | None:
    """Names and values by turns; None where a number leads nowhere."""
    if len(refs) % 2 or max(refs, default=0) >= max(len(symbols), 1):
        return None
    return tuple(symbols[ref] for ref in refs)


@lru_cache(N_REMEMBERED)
def _known_v2(texts: tuple[bytes, ...] | None, kind: str) -> tuple[str | None, bool]:
    try:
        told = [text.decode() for text in texts or ()]
    except UnicodeDecodeError:
        return None, False
    return _named(list(zip(told[::2], told[1::2], strict=True)), kind)


def _named(labels: list[tuple[str, str]], kind: str = "") -> tuple[str | None, bool]:
    """Key, and whether it is a counter; None where the labels make no key."""
    try:
        return key_of(labels), is_counter(dict(labels)[NAME], kind)
    except ValueError:
        return None, False


def _collected(series: Iterator[Series]) -> Received:
    keys: list[str] = []
    at: list[int] = []
    values: list[float] = []
    counters: set[str] = set()
    dropped: Counter[str] = Counter()
    for key, counter, samples, n_histograms in series:
        dropped["histogram"] += n_histograms
        if key is None:
            dropped["bad_labels"] += len(samples)
            continue
        if counter:
            counters.add(key)
        for sample in samples:
            keys.append(key)
            at.append(sample.timestamp)
            values.append(sample.value)
    told = Points(
        np.array(keys, object),
        np.array(at, np.int64).astype("datetime64[ms]"),
        np.array(values, np.float64),
    )
    finite, stale = np.isfinite(told.values), told.values.view(np.uint64) == STALE
    dropped["stale"] = int(stale.sum())
    dropped["not_finite"] = int((~finite & ~stale).sum())
    return Received(taken(told, finite), frozenset(counters), +dropped)


def taken(points: Points, where: np.ndarray) -> Points:
    """Those of the points for which `where` (n,) is True."""
    return Points(points.series[where], points.at[where], points.values[where])
