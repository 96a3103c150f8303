"""What a Prometheus has kept, by its query API."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

import numpy as np

from data.points import Points
from data.series_key import NAME, is_counter, key_of

TIMEOUT_SECONDS = 120.0
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
NAMELESS = "label_replace(..., '__name__', 'NAME', '', '')"


def seconds_of(duration: str) -> int:
    """Whole seconds of a time span as Prometheus writes it.

    >>> seconds_of("90s"), seconds_of("7d"), seconds_of("1h30m")
    (90, 604800, 5400)
    >>> seconds_of("7 days")
    Traceback (most recent call last):
    ...
    ValueError: wanted a time span such as 90s, 30m, 12h, 7d or 4w, got '7 days'
    """
    if not re.fullmatch(r"(?:\d+[smhdw])+", duration) or not int(re.sub(r"\D", "", duration)):
        raise ValueError(f"wanted a time span such as 90s, 30m, 12h, 7d or 4w, got {duration!r}")
    return sum(int(n) * UNITS[unit] for n, unit in re.findall(r"(\d+)([smhdw])", duration))


class Past(NamedTuple):
    """Points, which series are counters, and how many points had labels that make no key."""

    points: Points
    counters: set[str]
    n_refused: int


@dataclass(frozen=True)
class Prometheus:
    """A query to the Prometheus at `url`, answered every `step_seconds`."""

    url: str
    query: str
    step_seconds: int
    token: str | None = None

    def __post_init__(self) -> None:
        if urllib.parse.urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"wanted Prometheus' address, http://HOST:PORT, got {self.url!r}")

    def read(self, start: int, stop: int) -> Past:
        """The points of [start, stop), in seconds since 1970.

        OSError where Prometheus does not answer, ValueError where it refuses.
        """
        asked = {
            "query": self.query,
            "start": str(start),
            "end": str(stop - self.step_seconds),  # which Prometheus takes as within
            "step": str(self.step_seconds),
        }
        told = self._asked("/api/v1/query_range", asked)
        if told.get("resultType") != "matrix":
            raise ValueError(f"the query {self.query!r} gives no series over time")
        return points_of(told["result"])

    def _asked(self, path: str, asked: dict[str, str]) -> dict[str, Any]:
        request = urllib.request.Request(
            self.url.rstrip("/") + path, urllib.parse.urlencode(asked).encode()
        )
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return dict(json.load(answer)["data"])
        except urllib.error.HTTPError as error:
            with error:
                raise refusal(self.url, error.code, error.read()) from error
        except urllib.error.URLError as error:
            raise OSError(f"no Prometheus answers at {self.url}: {error.reason}") from error
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{self.url} does not answer as a Prometheus does") from error


def refusal(url: str, status: int, body: bytes) -> Exception:
    """What to tell of an answer that is an error; OSError where trying again may help.

    >>> refusal("http://p", 400, b'{"status":"error","error":"parse error"}')
    ValueError('Prometheus at http://p refused the query (400): parse error')
    >>> refusal("http://p", 503, b"")
    OSError('Prometheus at http://p refused the query (503): Service Unavailable; try again')
    """
    try:
        said = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        said = HTTPStatus(status).phrase if status in set(HTTPStatus) else "no reason given"
    told = f"Prometheus at {url} refused the query ({status}): {said}"
    if status in (401, 403):
        told += "; name a file with its bearer token by --token-file"
    return OSError(f"{told}; try again") if status >= 500 else ValueError(told)


def points_of(result: Iterable[dict[str, Any]]) -> Past:
    """The points of a matrix. What is not finite is left out.

    >>> metric = {"__name__": "sent_total", "job": "a"}
    >>> points_of([{"metric": metric, "values": [[1435781430.781, "1"], [1435781445.781, "NaN"]]}])
    Past(points=Points(series=array(['sent_total{job="a"}'], dtype=object),
    at=array(['2015-07-01T20:10:30.781'], dtype='datetime64[ms]'), values=array([1.])),
    counters={'sent_total{job="a"}'}, n_refused=0)
    """
    keys: list[str] = []
    counters: set[str] = set()
    pairs: list[tuple[float, str]] = []
    n_refused = 0
    for one in result:
        labels = one["metric"]
        if NAME not in labels:
            raise ValueError(f"the query's series have no name; give them one: {NAMELESS}")
        try:
            key = key_of(labels.items())
        except ValueError:
            n_refused += len(one["values"])
            continue
        if is_counter(labels[NAME]):
            counters.add(key)
        keys += [key] * len(one["values"])
        pairs += one["values"]
    at = np.array([round(at * 1000) for at, _ in pairs], np.int64).astype("datetime64[ms]")
    values = np.array([float(value) for _, value in pairs], np.float64)
    kept = np.isfinite(values)
    points = Points(np.array(keys, object)[kept], at[kept], values[kept])
    return Past(points, counters, n_refused)
