"""The metrics of the simulated desk's services: load, latency, errors, and their bad manners."""

from collections.abc import Iterable

import numpy as np

from data.simulation.activity import BINS_PER_HOUR, BINS_PER_WEEK, Calendar, ar1, rhythm
from data.simulation.desk import MEMORY_SERIES, SERVICES, Service, series_keys
from data.simulation.faults import Fault, profile

MISSING_SHARE = 0.005
SPIKE_SHARE = 0.0006
HOLIDAY_LOAD = {"shop": 0.95}


def draw_signals(rng: np.random.Generator, when: Calendar, faults: Iterable[Fault]) -> np.ndarray:
    """Values of every series, shape (n_bins, n_series), at least 0; NaN where no point came."""
    columns = [column for service in SERVICES for column in _service(rng, when, service)]
    values = np.stack([*columns, _memory(rng, when)], axis=1)
    _deploy(rng, values)
    _strike(values, faults)
    _spike(rng, values)
    _lose(rng, values)
    return np.round(np.maximum(values, 0), 2)


def _service(rng: np.random.Generator, when: Calendar, service: Service) -> list[np.ndarray]:
    """Requests, errors and latency of one service, as nothing were wrong."""
    load = _load(rng, when, service)
    counted = rng.normal(0, 1, load.size) * np.sqrt(service.requests_per_min * load / 5)
    requests = np.maximum(service.requests_per_min * load + counted, 0)
    restarts = _restarts(rng, when)
    requests[restarts] *= 0.05
    noise = ar1(rng, load.size, 1, 0.85, 0.06)[:, 0] + 0.05 * rng.standard_t(4, load.size)
    latency = service.latency_ms * (0.7 + 0.3 * load**1.5) * np.exp(noise)
    latency[restarts + 2] *= 1.8  # caches are cold
    if service.name == "erp":
        latency *= _nightly_batch(rng, when)
    shares = service.error_share * rng.gamma(4, 0.25, load.size)
    errors = rng.poisson(5 * requests * shares) / 5
    return [requests, errors, latency]


def _load(rng: np.random.Generator, when: Calendar, service: Service) -> np.ndarray:
    """Load as a part of a usual working hour's, never quite zero."""
    n_days = int(when.day_number[-1]) + 1
    usual = rhythm(service.rhythm, when.hour, when.day)
    usual = usual / rhythm(service.rhythm, np.full(5, 11.0), np.arange(5)).mean()
    usual = usual * np.where(when.holiday, HOLIDAY_LOAD.get(service.rhythm, 0.25), 1)
    day = ar1(rng, n_days, 1, 0.6, 0.06)[when.day_number, 0]
    drift = np.linspace(0, rng.uniform(-0.05, 0.12), usual.size)
    wander = ar1(rng, usual.size, 1, 0.93, 0.06)[:, 0]
    return (0.04 + 0.96 * usual) * np.exp(day + drift + wander)


def _restarts(rng: np.random.Generator, when: Calendar) -> np.ndarray:
    """Bins in which the service was being restarted: about once in two weeks, in quiet hours."""
    quiet = np.flatnonzero((when.hour < 5) | (when.hour >= 22))[:-4]
    n_restarts = rng.poisson(0.5 * when.starts.size / BINS_PER_WEEK)
    first = rng.choice(quiet, n_restarts)
    return np.unique(np.concatenate([first, first + 1]))


def _nightly_batch(rng: np.random.Generator, when: Calendar) -> np.ndarray:
    """The posting run: slow from about 01:30 for an hour or so, not equally long each night."""
    factors = np.ones(when.starts.size)
    n_days = int(when.day_number[-1]) + 1
    start = rng.normal(1.5, 0.12, n_days)[when.day_number]
    length = rng.lognormal(0.1, 0.25, n_days)[when.day_number]
    height = rng.uniform(0.8, 2.2, n_days)[when.day_number]
    inside = (when.hour >= start) & (when.hour < start + length) & (when.day < 5)
    factors[inside] += height[inside] * rng.uniform(0.6, 1.2, inside.sum())
    return factors


def _memory(rng: np.random.Generator, when: Calendar) -> np.ndarray:
    """A leak: climbs with the load until the restart early on Sunday, like a counter's reset."""
    climb = 0.4 + 2.2 * rhythm("office", when.hour, when.day) * rng.gamma(9, 1 / 9, when.hour.size)
    reset = (when.day == 6) & (when.hour == 4)
    total = np.cumsum(climb)
    floor = np.maximum.accumulate(np.where(reset, total, 0.0))
    return 2100 + total - floor + rng.normal(0, 25, total.size)


def _deploy(rng: np.random.Generator, values: np.ndarray) -> None:
    """Two series change their level for good: a release, a new line; nothing is wrong."""
    latencies = [i for i, key in enumerate(series_keys()) if key.endswith("latency_p95_ms")]
    for column in rng.choice(latencies, 2, replace=False):
        at = rng.integers(values.shape[0] // 8, values.shape[0])
        values[at:, column] *= rng.choice((0.8, 1.18, 1.3))


def _strike(values: np.ndarray, faults: Iterable[Fault]) -> None:
    """Multiply what each fault moves; a service that makes no errors at all begins to."""
    keys = series_keys()
    for fault in faults:
        own = ((key, fault.metric_delay, factor) for key, factor in fault.effects.items())
        for key, delay, factor in (*own, *fault.echoes):
            felt, column = profile(fault, delay, values.shape[0]), keys.index(key)
            values[:, column] *= 1 + (factor - 1) * felt
            if key.endswith("errors_per_min"):
                values[:, column] += 0.15 * factor * felt


def _spike(rng: np.random.Generator, values: np.ndarray) -> None:
    """Single points far too high, of which nobody should hear."""
    rows, columns = np.nonzero(rng.random(values.shape) < SPIKE_SHARE)
    rates = np.array([key != MEMORY_SERIES for key in series_keys()])[columns]
    rows, columns = rows[rates], columns[rates]
    values[rows, columns] *= 1 + rng.gamma(2, 1, rows.size)


def _lose(rng: np.random.Generator, values: np.ndarray) -> None:
    """Points that never came: one here and there, and all of a service's for up to an hour."""
    n_bins = values.shape[0]
    values[rng.random(values.shape) < MISSING_SHARE] = np.nan
    for i in range(len(SERVICES)):
        for at in rng.integers(0, n_bins, rng.poisson(0.7 * n_bins / BINS_PER_WEEK)):
            values[at : at + rng.integers(3, BINS_PER_HOUR), 3 * i : 3 * i + 3] = np.nan
