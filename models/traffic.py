"""What an endpoint did: counts by name, that add up over minutes and processes, and their sums.

Counts are one flat mapping. Its keys are ("requests",), ("status", "429"), ("took", bucket),
("tickets", desk, version, tier), ("decisions", desk, version, target, decision), ("bins", desk,
version, target, bin) and ("sure", desk, version, target), which is a sum of probabilities. Those of
challengers are told in `models.shadow`.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

Key = tuple[str, ...]
Counts = Mapping[Key, float]
LEAST_SECONDS, RATIO = 0.0005, 1.1  # bounds of the buckets: each a tenth above the one before
N_BINS = 10
TOLD_STATUSES = ("429", "503", "5xx")


class Summary(NamedTuple):
    """What counts come to. The share and seconds are NaN where nothing was counted."""

    requests: int
    tickets: int
    full_share: float
    p50: float
    p90: float
    p99: float


def bucket(seconds: float) -> int:
    """The number of the bucket that a time falls into, from 0.

    >>> bucket(0.0), bucket(0.0005), bucket(0.00054), bucket(0.02)
    (0, 0, 1, 39)
    """
    return max(
        0, math.ceil(math.log(max(seconds, LEAST_SECONDS) / LEAST_SECONDS) / math.log(RATIO))
    )


def bin_of(probability: float) -> int:
    """The tenth of [0, 1] that a probability lies in, from 0.

    >>> bin_of(0.0), bin_of(0.55), bin_of(1.0)
    (0, 5, 9)
    """
    return min(int(probability * N_BINS), N_BINS - 1)


def total(parts: Iterable[Counts]) -> Counter[Key]:
    """The counts of all parts together.

    >>> total([{("requests",): 2}, {("requests",): 1, ("took", "3"): 1}])
    Counter({('requests',): 3, ('took', '3'): 1})
    """
    found: Counter[Key] = Counter()
    for part in parts:
        found.update(part)
    return found


def of_desks(counts: Counts, sees: Callable[[str], bool]) -> dict[Key, float]:
    """Those counts that belong to no desk or to one that somebody `sees`.

    >>> of_desks({("requests",): 9, ("tickets", "hr", "1", "fast"): 2}, lambda desk: desk == "it")
    {('requests',): 9}
    """
    of_all = ("requests", "status", "took")
    return {key: n for key, n in counts.items() if key[0] in of_all or sees(key[1])}


def versions(counts: Counts) -> list[tuple[str, str]]:
    """The desks and model versions that scored, in order."""
    return sorted({key[1:3] for key in counts if key[0] == "tickets"})  # type: ignore[misc]


def of_version(counts: Counts, desk: str, version: str) -> dict[Key, float]:
    """What one version said on a desk."""
    return {key: n for key, n in counts.items() if key[1:3] == (desk, version)}


def targets(counts: Counts) -> list[str]:
    """The targets of which anything was said."""
    return sorted({key[3] for key in counts if key[0] == "bins"})


def histogram(counts: Counts, target: str) -> np.ndarray:
    """How many best guesses on `target` were how sure, in tenths of [0, 1]; shape (10,)."""
    found = np.zeros(N_BINS)
    for key, n in counts.items():
        if key[0] == "bins" and key[3] == target:
            found[int(key[4])] += n
    return found


def quantile(counts: Counts, q: float) -> float:
    """Seconds in which the share `q` of the scoring requests was answered; NaN without any.

    It is the upper bound of a bucket: at most a tenth above the true one.

    >>> round(quantile({("took", "39"): 98, ("took", "60"): 2}, 0.5), 4)
    0.0206
    """
    took = sorted((int(key[1]), n) for key, n in counts.items() if key[0] == "took")
    if not took:
        return math.nan
    numbers, ns = np.array(took).T
    reached = np.searchsorted(ns.cumsum(), q * ns.sum(), side="left")
    return float(LEAST_SECONDS * RATIO ** numbers[reached])


def summary(counts: Counts) -> Summary:
    """Everything in a few numbers.

    >>> said = {("tickets", "it", "3", "full"): 1, ("tickets", "it", "3", "fast"): 3}
    >>> summary(said)[:3]
    (0, 4, 0.25)
    """
    tickets = _sum(counts, "tickets")
    return Summary(
        int(_sum(counts, "requests")),
        int(tickets),
        _sum(counts, "tickets", "full") / tickets if tickets else math.nan,
        *(quantile(counts, q) for q in (0.5, 0.9, 0.99)),
    )


def decided(counts: Counts) -> dict[tuple[str, str], Counter[str]]:
    """By desk and target, how often what was decided."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for key, n in sorted(counts.items()):
        if key[0] == "decisions":
            found.setdefault((key[1], key[3]), Counter())[key[4]] += int(n)
    return found


def metrics(counts: Counts) -> dict[str, float]:
    """The counts of a minute under the names that MLflow shows; what is unknown is left out.

    >>> list(metrics({("requests",): 2, ("status", "503"): 1}).items())
    [('requests', 2.0), ('status_503', 1.0)]
    """
    told, found = summary(counts), {"requests": float(_sum(counts, "requests"))}
    found |= {f"status_{key[1]}": float(n) for key, n in counts.items() if key[0] == "status"}
    seconds = {f"seconds_{name}": getattr(told, name) for name in ("p50", "p90", "p99")}
    found |= {**seconds, "full_share": told.full_share}
    for desk, version in versions(counts):
        here = of_version(counts, desk, version)
        found[f"tickets/{desk}/{version}"] = float(_sum(here, "tickets"))
    for (desk, target), kinds in decided(counts).items():
        at = f"{desk}/{target}"
        found |= {f"decisions/{at}/{kind}": float(n) for kind, n in kinds.items()}
        sure = sum(n for k, n in counts.items() if k[0] == "sure" and k[1::2] == (desk, target))
        found[f"confidence/{at}"] = sure / kinds.total()
    return {name: value for name, value in found.items() if not math.isnan(value)}


def refused(counts: Counts) -> str:
    """What was not answered as asked for, in words.

    >>> refused({("status", "503"): 2, ("status", "5xx"): 3})
    '0 × 429, 2 × 503, 3 × 5xx'
    """
    told = (int(counts.get(("status", status), 0)) for status in TOLD_STATUSES)
    return ", ".join(f"{n:,} × {name}" for n, name in zip(told, TOLD_STATUSES, strict=True))


def seconds(value: float) -> str:
    """A time in words.

    >>> seconds(0.0206), seconds(1.25), seconds(math.nan)
    ('21 ms', '1.2 s', 'unknown')
    """
    if math.isnan(value):
        return "unknown"
    return f"{value:.1f} s" if value >= 1 else f"{1000 * value:.0f} ms"


def percent(part: float) -> str:
    """A share in words.

    >>> percent(0.95), percent(math.nan)
    ('95.0 %', 'unknown')
    """
    return "unknown" if math.isnan(part) else f"{100 * part:.1f} %"


def _sum(counts: Counts, kind: str, last: str | None = None) -> float:
    return sum(n for k, n in counts.items() if k[0] == kind and last in (None, k[-1]))
