"""Where a surge of tickets comes from: the combination of attributes that isolates it best.

A combination (site=Leeds and device=ThinkPad) isolates a surge where far more of the surge's
tickets have it than of those before. Among all combinations of up to three attributes the one is
named whose count is least a matter of chance, corrected for how many there were to look at; where
none is beyond chance, nothing is named.

To rank combinations by what sets them apart from the rest is the idea of iDice (Lin et al.,
ICSE 2016, "iDice: Problem Identification for Emerging Issues"). Its isolation power is an entropy
without a floor below which nothing is said; here the same counts give the chance of a tail.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.special import betaln, gammaln, logsumexp

DEPTH, SHALLOW = 3, 2  # attributes of a combination; only pairs where tickets have MANY
MANY = 8  # of 16 attributes there are 120 pairs, and 560 triples
LEAST = 3  # tickets of a surge that have the combination: two are no pattern
BEFORE = 50  # earlier tickets that tell the same attributes: fewer do not say what is usual
MOST_OF = 0.35  # of the surge's tickets have it: what leaves two thirds out isolates nothing
FLOOR = 0.01  # the chance that something is named of a surge from everywhere
SWING = 200.0  # a share swings from day to day as much as chance lets it among so many tickets
FIRST = ("site", "device", "app_version", "channel", "customer")  # in the order people name them

Attributes = Mapping[str, str]


class Where(NamedTuple):
    """The combination that isolates a surge: `n` of its `of` tickets have it.

    `usual` in [0, 1] is its share of the tickets before; `chance` in [0, 1] bounds how likely some
    combination is to stand out as much in a surge from everywhere.
    """

    attributes: tuple[tuple[str, str], ...]
    n: int
    of: int
    usual: float
    chance: float

    @property
    def told(self) -> str:
        """In words.

        >>> Where((("site", "Leeds"), ("device", "ThinkPad")), 14, 17, 0.031, 1e-9).told
        '14 of 17 from site=Leeds, device=ThinkPad; usually 3 %'
        """
        names = ", ".join(f"{name}={value}" for name, value in self.attributes)
        usual = f"{100 * self.usual:.0f} %" if self.usual >= 0.01 else "under 1 %"
        return f"{self.n:,} of {self.of:,} from {names}; usually {usual}"


class Columns(NamedTuple):
    """Tickets' attributes as numbers: `codes` (n_tickets, n_names), -1 where one is not told."""

    names: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    codes: np.ndarray


class Group(NamedTuple):
    """The combinations of some attributes, named by their columns, that tickets have.

    `n` and `n_before` (n_combinations,) count the surge's tickets and those before, among `of` and
    `of_before` that tell all of these attributes; `codes` (n_combinations, n_columns) say which.
    """

    columns: tuple[int, ...]
    codes: np.ndarray
    n: np.ndarray
    n_before: np.ndarray
    of: int
    of_before: int


def where(here: Sequence[Attributes], before: Sequence[Attributes]) -> Where | None:
    """What isolates the tickets `here` from those `before`; None where nothing does.

    An attribute that is not told is unknown and no value of its own: a combination is judged among
    the tickets that tell all its attributes.

    >>> before = [{"site": site, "device": "Dell"} for site in ("Leeds", "York", "Hull") * 40]
    >>> where([{"site": "Leeds", "device": "Dell"}] * 12, before).told
    '12 of 12 from site=Leeds; usually 33 %'
    >>> where(before[:12], before) is None
    True
    """
    if len(here) < LEAST or len(before) < BEFORE:
        return None
    table = columns_of([*here, *before])
    groups = [group for group in grouped(table.codes, len(here)) if group.of_before >= BEFORE]
    found = [
        (chance + penalty, len(group.columns), group.columns, at)
        for group, penalty in zip(groups, penalties(groups), strict=True)
        for at, chance in chances(group)
    ]
    if not found or min(found)[0] > np.log(FLOOR):
        return None
    chance, _, columns, at = min(found)
    best = next(group for group in groups if group.columns == columns)
    pairs = [
        (table.names[i], table.values[i][code])
        for i, code in zip(columns, best.codes[at], strict=True)
    ]
    usual = float(best.n_before[at] / best.of_before)
    return Where(tuple(pairs), int(best.n[at]), len(here), usual, float(np.exp(chance)))


def columns_of(tickets: Sequence[Attributes]) -> Columns:
    """The tickets' attributes by column, the well-known ones first.

    >>> columns_of([{"site": "York"}, {"os": "12", "site": "Hull"}])
    Columns(names=('site', 'os'), values=(('Hull', 'York'), ('12',)), codes=array([[ 1, -1],
           [ 0,  0]]))
    """
    known = {name for ticket in tickets for name in ticket}
    names = tuple(name for name in FIRST if name in known) + tuple(sorted(known - {*FIRST}))
    values, codes = [], []
    for name in names:
        told = sorted({ticket[name] for ticket in tickets if name in ticket})
        number = {value: code for code, value in enumerate(told)}
        values.append(tuple(told))
        codes.append([number[ticket[name]] if name in ticket else -1 for ticket in tickets])
    return Columns(names, tuple(values), np.array(codes, int).reshape(len(names), len(tickets)).T)


def grouped(codes: np.ndarray, n_here: int) -> Iterator[Group]:
    """Every set of attributes with its combinations; the first `n_here` tickets are the surge's."""
    n_names, n_values = codes.shape[1], codes.max(axis=0, initial=0) + 1
    deepest = DEPTH if n_names <= MANY else SHALLOW
    for size in range(1, min(deepest, n_names) + 1):
        for columns in combinations(range(n_names), size):
            told = np.all(codes[:, columns] >= 0, axis=1)
            sizes = n_values[list(columns)]
            numbers = np.ravel_multi_index(codes[told][:, columns].T, sizes)
            found, kind = np.unique(numbers, return_inverse=True)
            of = int(told[:n_here].sum())
            n, n_before = (
                np.bincount(some, minlength=len(found)) for some in (kind[:of], kind[of:])
            )
            kinds = np.transpose(np.unravel_index(found, sizes))
            yield Group(columns, kinds, n, n_before, of, len(kind) - of)


def penalties(groups: Sequence[Group]) -> list[float]:
    """What the log of a chance in each group grows by, for all that were looked at.

    Each number of attributes has an equal part of the floor, shared by all combinations of as many
    or fewer: another attribute must earn its place. What too few tickets have, of the surge and
    before together, could never have been named and counts for nothing.
    """
    n_looked_at = np.zeros(DEPTH)
    for group in groups:
        n_looked_at[len(group.columns) - 1] += (group.n + group.n_before >= LEAST).sum()
    shares = np.log(np.maximum(np.cumsum(n_looked_at) * np.count_nonzero(n_looked_at), 1))
    return [float(shares[len(group.columns) - 1]) for group in groups]


def chances(group: Group) -> Iterator[tuple[int, float]]:
    """Each combination that stands out, by its place in the group, and the log of its chance."""
    more = group.n * group.of_before > group.n_before * group.of
    enough = (group.n >= LEAST) & (group.n >= MOST_OF * group.of)
    for at in np.flatnonzero(more & enough).tolist():
        n, n_before = int(group.n[at]), int(group.n_before[at])
        yield at, log_tail(n, group.of, n_before, group.of_before)


def log_tail(n: int, of: int, n_before: int, of_before: int) -> float:
    """The log of the chance that at least `n` of `of` have what `n_before` of `of_before` had.

    A beta-binomial tail: the usual share is only known as well as the tickets before tell it, and
    swings besides (SWING).

    >>> [round(log_tail(n, 17, 31, 1000), 1) for n in (1, 3, 14)]
    [-0.9, -3.8, -33.0]
    """
    weight = min(1.0, SWING / of_before)
    a, b = n_before * weight + 0.5, (of_before - n_before) * weight + 0.5
    k = np.arange(n, of + 1)
    ways = gammaln(of + 1) - gammaln(k + 1) - gammaln(of - k + 1)
    return float(logsumexp(ways + betaln(k + a, of - k + b)) - betaln(a, b))
