"""A challenger beside the champion on the same tickets: which it sees, and how the two compare.

Counts are a mapping as in `models.traffic`, by desk, champion and challenger: ("shadow_tickets",
*at), ("shadow", *at, target, decision, challenger's decision, "same" or "other" label),
("shadow_left", *at, reason), ("shadow_timed", *at) and ("shadow_cpu", *at, whose), in seconds.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from scipy.special import ndtri

from models.intervals import LEVEL, Interval
from models.traffic import Counts, Key

ENOUGH = 50  # judged tickets below which nothing is said of which is better, as at the gate
LUCK = 0.05
CHAMPION, CHALLENGER = "champion", "challenger"
SAME, OTHER = "same", "other"
KINDS = ("auto", "suggest", "abstain")


class Beside(NamedTuple):
    """One target of tickets that both answered; `ours` are the champion's decisions by kind."""

    desk: str
    champion: str
    challenger: str
    target: str
    n: int
    n_same: int
    ours: Counter[str]
    theirs: Counter[str]


class Cost(NamedTuple):
    """CPU milliseconds a ticket of both, over `n` tickets that each read alone; NaN without any."""

    n: int
    champion: float
    challenger: float


class Paired(NamedTuple):
    """The same `n` tickets judged: how many each had right, and how many one of them alone.

    `lead` in [-1, 1] is by how much the challenger is right oftener, with its 95 % interval; `p`
    is the chance that luck makes them differ so much, in either direction.
    """

    n: int
    n_champion: int
    n_challenger: int
    lost: int
    won: int
    lead: float
    interval: Interval
    p: float


def is_drawn(key: str, share: float) -> bool:
    """Whether a ticket falls into that share of all: it depends on nothing but the two.

    What is drawn for a small share is drawn for a larger one too.

    >>> [is_drawn(f"it T{n}", 0.3) for n in range(5)]
    [False, True, True, False, True]
    """
    drawn = int.from_bytes(hashlib.sha256(key.encode("utf-8", "replace")).digest()[:8])
    return drawn < share * 2**64


def noted(
    at: tuple[str, str, str], ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> Counter[Key]:
    """The counts of one ticket, of the targets that both know.

    >>> said = {"group": {"label": "net", "decision": "auto"}}
    >>> list(noted(("it", "3", "4"), said, said))[1][4:]
    ('group', 'auto', 'auto', 'same')
    """
    found: Counter[Key] = Counter({("shadow_tickets", *at): 1})
    for target in ours.keys() & theirs.keys():
        one, other = ours[target], theirs[target]
        same = SAME if one["label"] == other["label"] else OTHER
        found["shadow", *at, target, one["decision"], other["decision"], same] += 1
    return found


def beside(counts: Counts) -> list[Beside]:
    """A row for each target of each two versions of which `counts` tell."""
    found: dict[Key, Beside] = {}
    for key, n in sorted(counts.items()):
        if key[0] != "shadow":
            continue
        desk, champion, challenger, target, ours, theirs, same = key[1:]
        at = (desk, champion, challenger, target)
        row = found.get(at) or Beside(*at, 0, 0, Counter(), Counter())
        row.ours[ours] += int(n)
        row.theirs[theirs] += int(n)
        n_same = row.n_same + int(n) * (same == SAME)
        found[at] = row._replace(n=row.n + int(n), n_same=n_same)
    return list(found.values())


def left(counts: Counts) -> dict[tuple[str, str, str], Counter[str]]:
    """By desk and versions, how many tickets were drawn and not scored, by reason."""
    found: dict[tuple[str, str, str], Counter[str]] = {}
    for key, n in sorted(counts.items()):
        if key[0] == "shadow_left":
            found.setdefault((key[1], key[2], key[3]), Counter())[key[4]] += int(n)
    return found


def cost(counts: Counts, at: tuple[str, str, str]) -> Cost:
    """What a ticket takes of the CPU.

    >>> at = ("it", "3", "4")
    >>> told = {("shadow_timed", *at): 2, ("shadow_cpu", *at, CHAMPION): 0.004}
    >>> cost(told | {("shadow_cpu", *at, CHALLENGER): 0.01}, at)
    Cost(n=2, champion=2.0, challenger=5.0)
    """
    n = int(counts.get(("shadow_timed", *at), 0))
    seconds = (counts.get(("shadow_cpu", *at, who), 0.0) for who in (CHAMPION, CHALLENGER))
    ours, theirs = (1000 * one / n if n else math.nan for one in seconds)
    return Cost(n, ours, theirs)


def paired(ours: Sequence[bool], theirs: Sequence[bool]) -> Paired:
    """Two models on the same tickets, by whether each had them right.

    `p` is McNemar's exact test. The interval is Agresti and Min's, which holds for few tickets too
    and where the two never differ.

    >>> found = paired([True] * 6 + [False] * 4, [True] * 4 + [False] * 2 + [True] * 3 + [False])
    >>> found[:6], found.p
    ((10, 6, 7, 2, 3, 0.1), 1.0)
    >>> found.interval
    (-0.314, 0.481)

    References
    ----------
    Agresti, Min (2005), Simple improved confidence intervals for comparing matched proportions.
    """
    from scipy.stats import binomtest  # here: the endpoint compares nothing, and stays small

    won = sum(their and not our for our, their in zip(ours, theirs, strict=True))
    lost = sum(our and not their for our, their in zip(ours, theirs, strict=True))
    n, differ = len(ours), won + lost
    lead = (won - lost) / n if n else math.nan
    p = float(binomtest(won, differ, 0.5).pvalue) if differ else 1.0
    return Paired(n, sum(ours), sum(theirs), lost, won, lead, _interval(n, lost, won), p)


def _interval(n: int, lost: int, won: int) -> Interval:
    if not n:
        return math.nan, math.nan
    middle = (won - lost) / (n + 2)
    spread = math.sqrt(won + lost + 1 - (won - lost) ** 2 / (n + 2)) / (n + 2)
    far = float(ndtri((1 + LEVEL) / 2)) * spread
    return max(-1.0, middle - far), min(1.0, middle + far)


def verdict(found: Paired, p: float) -> str:
    """What may be said of a target; `p` is corrected for how many were looked at.

    >>> verdict(paired([True] * 9, [False] * 9), 0.004)
    'too early to tell: 9 judged, 50 wanted'
    >>> verdict(paired([True] * 60, [True] * 60), 1.0)
    'no difference beyond luck'
    """
    if found.n < ENOUGH:
        return f"too early to tell: {found.n} judged, {ENOUGH} wanted"
    if p > LUCK:
        return "no difference beyond luck"
    return "the challenger is better" if found.lead > 0 else "the champion is better"


def differences(pairs: Iterable[tuple[str | None, str | None]], most: int) -> list[tuple[str, int]]:
    """Where two said other labels, the commonest first.

    >>> differences([("net", "print"), ("net", None), ("net", "print")], 2)
    [('net → print', 2), ('net → nothing', 1)]
    """
    told = Counter(
        f"{ours or 'nothing'} → {theirs or 'nothing'}" for ours, theirs in pairs if ours != theirs
    )
    return sorted(told.items(), key=lambda one: (-one[1], one[0]))[:most]
