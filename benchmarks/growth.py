"""Series that grow in the ways disks, quotas and licences do, with the time they cross a limit."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

DAY = 86_400
STEP = 300
PER_DAY = DAY // STEP
PASTS = (7, 14, 28, 42)  # days of history, drawn by the seed
AHEAD = 14  # days in which a crossing counts
START = np.datetime64("2026-03-02T00:00:00", "s")


@dataclass(frozen=True)
class Case:
    """One series up to now, its limit, and how many seconds later it truly got there (or inf)."""

    shape: str
    times: np.ndarray
    values: np.ndarray
    limit: float
    crosses_in: float


Shape = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
"""Days since the start (n,), the day that is now, and chance: the whole path (n,)."""


def rhythm(days: np.ndarray, height: float, rng: np.random.Generator) -> np.ndarray:
    return height * np.sin(2 * np.pi * (days + rng.random())) * np.ones_like(days)


def wander(n: int, daily: float, rng: np.random.Generator) -> np.ndarray:
    """A random walk that moves by `daily` in a day, one standard deviation."""
    return np.cumsum(rng.normal(0, daily / np.sqrt(PER_DAY), n))


def linear(days: np.ndarray, now: int, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0.5, 3) * days + wander(len(days), 0.15, rng)


def noisy(days: np.ndarray, now: int, rng: np.random.Generator) -> np.ndarray:
    """Busy and quiet hours, and some points that are wild."""
    n, slope = len(days), rng.uniform(0.5, 3)
    wild = (rng.random(n) < 0.005) * (days <= now) * rng.exponential(10, n)
    return slope * days + wander(n, 0.5 * slope, rng) + rng.normal(0, slope, n) / 2 + wild


def daily(days: np.ndarray, now: int, rng: np.random.Generator) -> np.ndarray:
    """A rhythm that moves it further within a day than it grows."""
    slope = rng.uniform(0.5, 3)
    swing = rhythm(days, slope * rng.uniform(1, 4), rng)
    return slope * days + swing + wander(len(days), 0.2, rng) + rng.normal(0, 0.1, len(days))


def weekly(days: np.ndarray, now: int, rng: np.random.Generator) -> np.ndarray:
    """Grows on working days."""
    rate = np.where(days % 7 < 5, 1.0, 0.1) * rng.uniform(0.5, 3) / PER_DAY
    return np.cumsum(rate) + wander(len(days), 0.15, rng)


def cleaned(days: np.ndarray, rng: np.random.Generator, kept: float = 0.0) -> np.ndarray:
    """Grows until it is cleaned up at night; `kept` of each round's growth stays."""
    every, slope = int(rng.integers(1, 4)), rng.uniform(1, 4)
    rounds = np.floor((days + 0.9) / every)
    busy = (1 + rng.normal(0, 0.1, len(days)))[rounds.astype(int)]
    grown = slope * busy * (days + 0.9 - rounds * every)
    return grown + kept * slope * every * rounds + rng.normal(0, 0.05 * slope, len(days))


def sawtooth(days: np.ndarray, now: int, rng: np.random.Generator) -> np.ndarray:
    return cleaned(days, rng)


def rotated(days: np.ndarray, now: int, rng: np.random.Generator) -> np.ndarray:
    """A log that is cut whenever it has come to a size, some days slower than others."""
    rate = rng.lognormal(0, 0.3, int(days[-1]) + 1)[days.astype(int)] / PER_DAY
    return np.mod(np.cumsum(rate), rng.uniform(0.5, 2.5)) + rng.normal(0, 0.01, len(days))


def rising_sawtooth(days: np.ndarray, now: int, rng: np.random.Generator) -> np.ndarray:
    return cleaned(days, rng, kept=rng.uniform(0.2, 0.6))


def purged(days: np.ndarray, now: int, rng: np.random.Generator) -> np.ndarray:
    """Somebody made room once, some days ago."""
    path = linear(days, now, rng)
    at = now * rng.uniform(0.4, 0.85)
    return path - (days > at) * rng.uniform(0.3, 0.9) * at


def moved_in(days: np.ndarray, now: int, rng: np.random.Generator) -> np.ndarray:
    """Another system's data moved in once, at a step."""
    path = linear(days, now, rng)
    return path + (days > now * rng.uniform(0.4, 0.85)) * rng.uniform(5, 30)


def bent(days: np.ndarray, now: int, rng: np.random.Generator) -> np.ndarray:
    """Grows two or three times as fast since some days."""
    at, slope = now * rng.uniform(0.5, 0.8), rng.uniform(0.5, 2)
    faster = slope * (rng.uniform(2, 3) - 1)
    return slope * days + faster * np.maximum(days - at, 0) + wander(len(days), 0.15, rng)


def accelerating(days: np.ndarray, now: int, rng: np.random.Generator) -> np.ndarray:
    doubling = now * rng.uniform(0.25, 0.5)
    return 10 * 2 ** (days / doubling) + wander(len(days), 0.2, rng)


def saturating(days: np.ndarray, now: int, rng: np.random.Generator) -> np.ndarray:
    """Comes to rest, a cache that is as large as it may get: it never crosses."""
    rest = now * rng.uniform(0.15, 0.35)
    return 60 * (1 - np.exp(-days / rest)) + rng.normal(0, 0.3, len(days))


def flat(days: np.ndarray, now: int, rng: np.random.Generator) -> np.ndarray:
    return 50 + rhythm(days, rng.uniform(0, 2), rng) + rng.normal(0, 0.5, len(days))


CROSSING: dict[str, Shape] = {
    "linear": linear,
    "noisy": noisy,
    "daily rhythm": daily,
    "working days": weekly,
    "purged once": purged,
    "data moved in": moved_in,
    "faster of late": bent,
    "accelerating": accelerating,
    "rising sawtooth": rising_sawtooth,
}
CALM: dict[str, Shape] = {
    "sawtooth": sawtooth,
    "log rotation": rotated,
    "saturating": saturating,
    "flat": flat,
}


def case(shape: str, ahead: int, seed: int) -> Case:
    """A series of that shape; its limit lies where it comes on day `ahead`, if it grows.

    >>> one = case("linear", 3, seed=0)
    >>> bool(2 * DAY < one.crosses_in <= 3 * DAY), bool(one.values.max() < one.limit)
    (True, True)
    """
    rng = np.random.default_rng([seed, ahead, *shape.encode()])
    past = int(rng.choice(PASTS))
    days = np.arange((past + AHEAD) * PER_DAY) / PER_DAY
    path = (CROSSING | CALM)[shape](days, past, rng)
    n = past * PER_DAY
    known, future = path[:n], path[n:]
    limit = within_day(known, future, ahead, rng) if shape in CROSSING else above(path, rng)
    over = future >= limit
    crosses_in = (over.argmax() + 1.0) * STEP if over.any() else np.inf
    came = rng.random(n) > 0.02
    times = START + (np.arange(n) * STEP).astype("m8[s]")
    return Case(shape, times[came], known[came], float(limit), float(crosses_in))


def within_day(
    known: np.ndarray, future: np.ndarray, ahead: int, rng: np.random.Generator
) -> float:
    """A limit that is first reached on day `ahead`, or on the next day that comes higher."""
    highs = np.maximum.accumulate(future.reshape(-1, PER_DAY).max(axis=1))
    before = np.maximum(np.concatenate([[-np.inf], highs[:-1]]), known[-PER_DAY:].max())
    day = ahead - 1 + int(np.argmax((highs > before)[ahead - 1 :]))
    return float(rng.uniform(before[day], max(highs[day], before[day])))


def above(path: np.ndarray, rng: np.random.Generator) -> float:
    """A limit above all that comes, by a tenth to a half of the range seen."""
    return float(path.max() + rng.uniform(0.1, 0.5) * np.ptp(path))
