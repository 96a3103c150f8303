"""What stands behind the faults: the change that began one, and the services that it takes along.

Drawn with a generator of its own, so that a desk's tickets and metrics are the same without it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data.simulation.activity import BINS_PER_HOUR, BINS_PER_WEEK
from data.simulation.desk import CATEGORIES, DEPENDS_ON, SERVICES
from data.simulation.faults import Echo, Fault

CHANGES_A_WEEK = 10  # that begin nothing
CAUSED = 0.5  # of the faults by a change
ECHOED = 0.7  # of the services that depend on one at fault feel it
BEFORE = (1, BINS_PER_HOUR)  # bins from a change to the fault that it begins
TITLES = ("Deploy {}", "New configuration of {}", "Rotate the certificates of {}", "Scale {}")


class Made(NamedTuple):
    """One change to a service, counted in bins of five minutes."""

    at: int
    service: str
    title: str


def service_at_fault(fault: Fault) -> str:
    """Where a fault began."""
    return str(CATEGORIES[next(iter(fault.categories))].service)


def echoing(rng: np.random.Generator, fault: Fault) -> Fault:
    """The same fault, which also strikes services that depend on the one at fault, a little later.

    Those that depend on these feel it in their turn.
    """
    echoes: list[Echo] = []
    reached = [(service_at_fault(fault), fault.metric_delay)]
    known = {reached[0][0]}
    for service, since in reached:
        for other in (name for name, needs in DEPENDS_ON.items() if service in needs):
            if other in known or rng.random() >= ECHOED:
                continue
            delay = since + rng.uniform(1, 4)
            known.add(other)
            reached.append((other, delay))
            echoes += [
                Echo(f"{other}.errors_per_min", delay, float(np.exp(rng.uniform(0.9, 2.3)))),
                Echo(f"{other}.latency_p95_ms", delay, rng.uniform(1.3, 2.5)),
            ]
    return fault._replace(echoes=tuple(echoes))


def draw_changes(rng: np.random.Generator, faults: Sequence[Fault], n_bins: int) -> list[Made]:
    """Changes in the order of time: half of the faults had one before, most begin nothing."""
    made = [
        _made(rng, fault.onset - int(rng.integers(*BEFORE)), service_at_fault(fault))
        for fault in faults
        if rng.random() < CAUSED
    ]
    names = [service.name for service in SERVICES]
    for at in rng.integers(0, n_bins, rng.poisson(CHANGES_A_WEEK * n_bins / BINS_PER_WEEK)):
        made.append(_made(rng, int(at), names[rng.integers(len(names))]))
    return sorted(made)


def _made(rng: np.random.Generator, at: int, service: str) -> Made:
    return Made(max(at, 0), service, TITLES[rng.integers(len(TITLES))].format(service))
