"""What each model version said of the tickets of a time, target by target, and how it moved."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from models.drift import Drift
from models.traffic import Counts, decided, of_version, summary, targets, versions

KINDS = ("auto", "suggest", "abstain")


class Spoken(NamedTuple):
    """One target of one version. Shares are of its `tickets`; `psi` is NaN where nothing tells."""

    desk: str
    version: str
    target: str
    tickets: int
    full_share: float
    auto: float
    suggest: float
    abstain: float
    confidence: float
    psi: float


def spoken(counts: Counts, drifts: Iterable[Drift]) -> list[Spoken]:
    """A row for each desk, version and target of which `counts` tell.

    >>> at = ("it", "3", "group")
    >>> counts = {("tickets", "it", "3", "fast"): 4, ("bins", *at, "8"): 4, ("sure", *at): 3.4}
    >>> counts |= {("decisions", *at, "auto"): 3, ("decisions", *at, "abstain"): 1}
    >>> spoken(counts, [Drift(*at, 0.12)])[0][3:]
    (4, 0.0, 0.75, 0.0, 0.25, 0.85, 0.12)
    """
    moved = {tuple(one[:3]): one.psi for one in drifts}
    found = []
    for desk, version in versions(counts):
        here = of_version(counts, desk, version)
        for target in targets(here):
            kinds = decided(here)[desk, target]
            auto, suggest, abstain = (kinds[kind] / kinds.total() for kind in KINDS)
            told, at = summary(here), (desk, version, target)
            found.append(
                Spoken(
                    desk, version, target, told.tickets, told.full_share, auto, suggest, abstain,
                    here["sure", *at] / kinds.total(), moved.get(at, math.nan),
                )
            )  # fmt: skip
    return found
