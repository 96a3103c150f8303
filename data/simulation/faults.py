"""The faults that strike the simulated desk: when, how hard, whom, and what they move."""

from typing import NamedTuple

import numpy as np

from data.simulation.activity import BINS_PER_HOUR, BINS_PER_WEEK
from data.simulation.desk import CATEGORIES, METRICS

FAULTS_A_WEEK = 3.5
SIZES = (6, 12, 25)  # extra tickets in the first hour, in a working hour at 3,000 tickets a week
GAP_BINS = 6 * BINS_PER_HOUR
ELASTICITY = 0.7  # a desk half as busy notices a fault in more than half as many tickets


class Echo(NamedTuple):
    """A series of another service that a fault moves, `delay` bins after its onset."""

    key: str
    delay: float
    factor: float


class Fault(NamedTuple):
    """One fault. Times are counted in bins of five minutes.

    `categories` maps an index into `CATEGORIES` to its part of the extra tickets, `effects` a
    series key to the factor that it is multiplied by while the fault is at its worst. The
    earlier of tickets and metrics starts at `onset`, the other `*_delay` bins later. `echoes` are
    what services that depend on the one at fault feel.
    """

    onset: int
    size: int
    ramp: float
    plateau: float
    tail: float
    ticket_delay: float
    metric_delay: float
    categories: dict[int, float]
    effects: dict[str, float]
    echoes: tuple[Echo, ...] = ()

    @property
    def duration(self) -> float:
        """Bins until a tenth of the worst is left."""
        delay = max(self.ticket_delay, self.metric_delay)
        return delay + self.ramp + self.plateau + self.tail * np.log(10)


def draw_faults(rng: np.random.Generator, activity: np.ndarray, incident_weeks: int) -> list[Fault]:
    """Faults in the last `incident_weeks` weeks, at least six hours apart, ordered by onset.

    A fault strikes when people work: the chance of an onset is proportional to activity ** 0.7.
    """
    n_bins = activity.size
    free = np.arange(n_bins) >= n_bins - incident_weeks * BINS_PER_WEEK
    faults: list[Fault] = []
    for _ in range(round(FAULTS_A_WEEK * incident_weeks)):
        fault = _draw_fault(rng)
        length = int(np.ceil(fault.duration))
        chances = np.where(_fits(free, length), activity**ELASTICITY, 0.0)
        fault = fault._replace(onset=int(rng.choice(n_bins, p=chances / chances.sum())))
        free[max(fault.onset - GAP_BINS, 0) : fault.onset + length + GAP_BINS] = False
        faults.append(fault)
    return sorted(faults, key=lambda fault: fault.onset)


def _fits(free: np.ndarray, length: int) -> np.ndarray:
    """Whether `length` free bins in a row begin at each bin."""
    taken = np.concatenate([[0], np.cumsum(~free), np.full(length, free.size + 1)])
    return taken[length : length + free.size] == taken[: free.size]


def _draw_fault(rng: np.random.Generator) -> Fault:
    exposed = [i for i, category in enumerate(CATEGORIES) if category.service]
    category = int(rng.choice(exposed))
    lag = rng.uniform(-3, 3) if rng.random() < 0.4 else 0.0
    return Fault(
        onset=0,
        size=int(rng.choice(SIZES)),
        ramp=rng.uniform(1, 12),
        plateau=rng.uniform(1, 4) * BINS_PER_HOUR,
        tail=rng.uniform(3, 10),
        ticket_delay=max(lag, 0.0),
        metric_delay=max(-lag, 0.0),
        categories=_draw_categories(rng, category),
        effects=_draw_effects(rng, str(CATEGORIES[category].service)),
    )


def _draw_categories(rng: np.random.Generator, category: int) -> dict[int, float]:
    if rng.random() >= 0.3:
        return {category: 1.0}
    names = [c.name for c in CATEGORIES]
    first, second = (names.index(name) for name in CATEGORIES[category].neighbours)
    return {category: 0.7, first: 0.2, second: 0.1}


def _draw_effects(rng: np.random.Generator, service: str) -> dict[str, float]:
    """One fault in six shows mildly in one metric alone, the rest in one, two or three."""
    if rng.random() < 1 / 6:
        return {f"{service}.latency_p95_ms": rng.uniform(1.3, 1.5)}
    draws = {
        "requests_per_min": rng.uniform(0.25, 0.8),
        "errors_per_min": np.exp(rng.uniform(np.log(2.5), np.log(15))),
        "latency_p95_ms": np.exp(rng.uniform(np.log(1.3), np.log(4))),
    }
    n_moved = rng.choice((1, 2, 3), p=(0.2, 0.4, 0.4))
    moved = sorted(rng.choice(len(METRICS), size=n_moved, replace=False))
    return {f"{service}.{METRICS[i]}": float(draws[METRICS[i]]) for i in moved}


def profile(fault: Fault, delay: float, n_bins: int) -> np.ndarray:
    """How much of the fault is felt in each bin, in [0, 1]: ramp, plateau, exponential tail.

    >>> fault = Fault(2, 6, 4.0, 2.0, 3.0, 0.0, 0.0, {0: 1.0}, {})
    >>> profile(fault, 0.0, 10).round(2)
    array([0.  , 0.  , 0.12, 0.38, 0.62, 0.88, 1.  , 1.  , 0.85, 0.61])
    """
    since = np.arange(n_bins) + 0.5 - fault.onset - delay
    ramp = np.clip(since / fault.ramp, 0, 1)
    fading = np.maximum(since - fault.ramp - fault.plateau, 0) / fault.tail
    return ramp * np.exp(-np.minimum(fading, 50))


def extra_rates(fault: Fault, activity: np.ndarray, tickets_a_week: float) -> np.ndarray:
    """Extra tickets that the fault causes in each bin, all categories together: (n_bins,).

    In the first hour after the first of them they come to `size`, scaled by the activity at
    onset and by the size of the desk.
    """
    shape = profile(fault, fault.ticket_delay, activity.size) * activity**ELASTICITY
    first = fault.onset + int(fault.ticket_delay)
    scale = (activity[fault.onset] * tickets_a_week / 3000) ** ELASTICITY
    rates = shape * fault.size * scale / shape[first : first + BINS_PER_HOUR].sum()
    rates[rates < rates.max() * 0.01] = 0
    return rates
