"""How many requests a second a key may send: a token bucket for each key, in this process."""

import math
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

BURST_SECONDS = 2.0  # worth of requests may come at once


class Allowed(NamedTuple):
    """Whether a request may pass; `left` more may come now, and it is all in `full_seconds`.

    `retry_seconds` is how long a refused one should wait, at least 1, and 0 for one that passes.
    """

    passes: bool
    burst: int
    left: int
    full_seconds: int
    retry_seconds: int
    window_seconds: int

    @property
    def headers(self) -> Mapping[str, str]:
        """What is told of it, as in draft-ietf-httpapi-ratelimit-headers-10.

        >>> Buckets().take("k", 10, datetime(2026, 3, 2)).headers["RateLimit-Policy"]
        '"key";q=20;w=2'
        >>> Buckets().take("k", 10, datetime(2026, 3, 2)).headers["RateLimit"]
        '"key";r=19;t=1'
        """
        told = {
            "RateLimit-Policy": f'"key";q={self.burst};w={self.window_seconds}',
            "RateLimit": f'"key";r={self.left};t={self.full_seconds}',
        }
        return told if self.passes else told | {"Retry-After": str(self.retry_seconds)}


class _Bucket(NamedTuple):
    tokens: float
    at: datetime


class Buckets:
    """A bucket for each name: full, it lets `burst` requests pass, and fills at `rate` a second.

    The burst is two seconds' worth, and one request at least. Threads may share it. Only names
    that are known belong here, for each is remembered.

    >>> buckets, noon = Buckets(), datetime(2026, 3, 2, 12)
    >>> [buckets.take("k", 0.5, noon).passes for _ in range(2)]
    [True, False]
    >>> buckets.take("k", 0.5, noon).retry_seconds
    2
    >>> buckets.take("k", 0.5, datetime(2026, 3, 2, 12, 0, 2)).passes
    True
    """

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def take(self, name: str, rate: float, now: datetime) -> Allowed:
        """Take one request out of the bucket of `name`, if there is one; `rate` is above 0."""
        burst = max(BURST_SECONDS * rate, 1.0)
        with self._lock:
            before = self._buckets.get(name, _Bucket(burst, now))
            # A clock that was set back gives nothing, and takes nothing.
            gained = max((now - before.at).total_seconds(), 0.0) * rate
            tokens = min(before.tokens + gained, burst)
            passes = tokens >= 1.0 - 1e-9
            left = max(tokens - passes, 0.0)
            self._buckets[name] = _Bucket(left, now)
        return Allowed(
            passes,
            math.floor(burst),
            math.floor(left),
            math.ceil((burst - left) / rate),
            0 if passes else max(math.ceil((1.0 - left) / rate), 1),
            math.ceil(burst / rate),
        )
