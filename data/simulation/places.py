"""Where the people of the simulated desk sit, what they work with, and faults of one place alone.

Drawn with a generator of its own, so that a desk's tickets and metrics are the same without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from data.records import Ticket

SITES = {"Leeds": 0.30, "York": 0.22, "Hull": 0.16, "Bonn": 0.14, "Lyon": 0.11, "Porto": 0.07}
DEVICES = {"ThinkPad": 0.38, "Latitude": 0.27, "MacBook": 0.15, "iPhone": 0.12, "Galaxy": 0.08}
ONE_SITE, ONE_DEVICE = 0.4, 0.3  # of the faults; of these, the part that strikes one device there
STRICT = (
    0.92  # of the tickets of such a fault come from there, the others from colleagues on a trip
)
AT_HOME = 0.95  # of a person's tickets come from their own site and device


def draw_strikes(rng: np.random.Generator, n_faults: int) -> list[dict[str, str]]:
    """For each fault the attributes that it is confined to, mostly none.

    >>> draw_strikes(np.random.default_rng(3), 3)
    [{'site': 'Leeds'}, {}, {'site': 'York'}]
    """
    strikes = []
    for _ in range(n_faults):
        strike = {}
        if rng.random() < ONE_SITE:
            strike["site"] = _pick(rng, SITES)
            if rng.random() < ONE_DEVICE:
                strike["device"] = _pick(rng, DEVICES)
        strikes.append(strike)
    return strikes


def placed(
    rng: np.random.Generator,
    tickets: Sequence[Ticket],
    faults: Sequence[int],
    strikes: Sequence[Mapping[str, str]],
) -> list[Ticket]:
    """The tickets with a site and a device each; `faults` is each one's fault, or -1."""
    homes: dict[str | None, dict[str, str]] = {}
    found = []
    for ticket, fault in zip(tickets, faults, strict=True):
        home = homes.get(ticket.requester) or _home(rng)
        homes[ticket.requester] = home
        at = home if rng.random() < AT_HOME else _home(rng)
        if fault >= 0 and rng.random() < STRICT:
            at = {**at, **strikes[fault]}
        found.append(replace(ticket, attributes=at))
    return found


def _home(rng: np.random.Generator) -> dict[str, str]:
    return {"site": _pick(rng, SITES), "device": _pick(rng, DEVICES)}


def _pick(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    """A name by its share; the shares sum to 1."""
    names = list(shares)
    edges = np.cumsum(list(shares.values()))
    return names[min(int(np.searchsorted(edges, rng.random(), side="right")), len(names) - 1)]
