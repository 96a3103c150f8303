"""A desk's priority matrix: which priority an impact and an urgency make."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from features.plain import strings

SOURCES = ("impact", "urgency")
NAME = "priority"


@dataclass(frozen=True)
class Matrix:
    """Which priority an impact and an urgency make; levels go from the highest to the lowest.

    `priority[i][j]` is that of the i-th impact and the j-th urgency. A desk's label is a level
    if it is spelt alike or has its number or its name: "1 - High", "1", "1.0" and "high" are one.

    >>> ITIL.of("2 - Medium", "High"), ITIL.of("3", "low")
    ('P2', 'P4')
    >>> ITIL.of("2", "critical")
    Traceback (most recent call last):
    ...
    ValueError: urgency 'critical' is none of '1 - High', '2 - Medium', '3 - Low'
    """

    impact: tuple[str, ...]
    urgency: tuple[str, ...]
    priority: tuple[tuple[str, ...], ...]

    @cached_property
    def priorities(self) -> tuple[str, ...]:
        """Every priority there is, that of the highest impact and urgency first."""
        return tuple(dict.fromkeys(label for row in self.priority for label in row))

    def of(self, impact: str, urgency: str) -> str:
        """The priority of two labels; ValueError says which of them is no level."""
        row = _level("impact", impact, self.impact)
        return self.priority[row][_level("urgency", urgency, self.urgency)]

    def called(self, label: str) -> str | None:
        """The priority that a desk's own spelling means, None where it is none of them.

        >>> ITIL.called("1 - Critical"), ITIL.called("p4"), ITIL.called("soon")
        ('P1', 'P4', None)
        """
        at = _alike(label, self.priorities)
        return None if at is None else self.priorities[at]

    def cells(self, impacts: Sequence[str], urgencies: Sequence[str]) -> np.ndarray:
        """The place in `priorities` of each pair of labels, (n_impacts, n_urgencies).

        >>> ITIL.cells(["1", "3"], ["High", "Medium", "Low"])
        array([[0, 1, 2],
               [2, 3, 3]])
        """
        return np.array(
            [[self.priorities.index(self.of(i, u)) for u in urgencies] for i in impacts], dtype=int
        )

    def all_of(self, labels: Mapping[str, np.ndarray]) -> np.ndarray:
        """The priority of each ticket, by its impact and urgency, (n_tickets,)."""
        pairs = zip(*(labels[name] for name in SOURCES), strict=True)
        return np.array([self.of(impact, urgency) for impact, urgency in pairs], dtype=object)

    def joined(
        self, classes: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Probabilities of `priorities` (n_tickets, n_priorities), from those of both classes."""
        cells = self.cells(*(classes[name].tolist() for name in SOURCES))
        return join(given["impact"], given["urgency"], cells, len(self.priorities))

    @classmethod
    def parsed(cls, path: Path, given: Any) -> Self:
        """A matrix out of JSON, {"impact": [...], "urgency": [...], "priority": [[...], ...]}.

        ValueError says what in it is wrong; `path` is where it came from.
        """
        if not isinstance(given, dict) or given.keys() != {*SOURCES, NAME}:
            raise ValueError(f"{path}: wanted an object of impact, urgency and priority, no more")
        impact, urgency = (_levels(path, name, given[name]) for name in SOURCES)
        return cls(impact, urgency, _rows(path, given[NAME], impact, urgency))


def _levels(path: Path, name: str, given: Any) -> tuple[str, ...]:
    levels = strings(path, name, given)
    if not levels:
        raise ValueError(f"{path}: {name} is empty, wanted its levels from the highest on")
    for at, level in enumerate(levels):
        if (other := _alike(level, levels[:at])) is not None:
            raise ValueError(f"{path}: {name} {levels[other]!r} and {level!r} mean the same")
    return levels


def _rows(
    path: Path, given: Any, impacts: Sequence[str], urgencies: Sequence[str]
) -> tuple[tuple[str, ...], ...]:
    if not isinstance(given, list) or len(given) != len(impacts):
        came = f"{len(given)} rows" if isinstance(given, list) else type(given).__name__
        raise ValueError(f"{path}: priority is {came}, wanted {len(impacts)}, one for each impact")
    for number, (impact, row) in enumerate(zip(impacts, given, strict=True), 1):
        where = f"{path}: priority row {number} (impact {impact!r})"
        if not isinstance(row, list) or len(row) != len(urgencies):
            came = f"{len(row)} columns" if isinstance(row, list) else type(row).__name__
            raise ValueError(f"{where} is {came}, wanted {len(urgencies)}, one for each urgency")
        for column, (urgency, cell) in enumerate(zip(urgencies, row, strict=True), 1):
            if not isinstance(cell, str) or not cell.strip():
                raise ValueError(
                    f"{where} column {column} (urgency {urgency!r}) is {cell!r}, wanted a label"
                    " such as P1"
                )
    return tuple(map(tuple, given))


SPELLING = re.compile(r"(?:(?:priority|prio|p)\s*)?(\d+)(?:\.0)?(?:\s*[-–:.)]?\s*([^\W\d].*))?")


@lru_cache(maxsize=4096)  # a desk has few labels, and many tickets
def spellings(label: str) -> frozenset[str]:
    """What a level may be called: all of its label, its number, its name.

    >>> sorted(spellings("1 - High")), sorted(spellings("P2")), sorted(spellings(" Very  low"))
    (['1', '1 - high', 'high'], ['2', 'p2'], ['very low'])
    """
    whole = " ".join(label.casefold().split())
    found = SPELLING.fullmatch(whole)
    return frozenset([whole, *filter(None, found.groups() if found else ())])


def _alike(label: str, levels: Sequence[str]) -> int | None:
    wanted = spellings(label)
    found = [at for at, level in enumerate(levels) if wanted & spellings(level)]
    return found[0] if len(found) == 1 else None


def _level(name: str, label: str, levels: Sequence[str]) -> int:
    at = _alike(label, levels)
    if at is None:
        raise ValueError(f"{name} {label!r} is none of {', '.join(map(repr, levels))}")
    return at


def itil() -> Matrix:
    """The usual matrix: the sum of both levels, less one, and no priority below the fourth."""
    levels = ("1 - High", "2 - Medium", "3 - Low")
    rows = tuple(tuple(f"P{min(i + u - 1, 4)}" for u in (1, 2, 3)) for i in (1, 2, 3))
    return Matrix(levels, levels, rows)


ITIL = itil()


def join(impact: np.ndarray, urgency: np.ndarray, cells: np.ndarray, n: int) -> np.ndarray:
    """Probabilities of `n` priorities (n_tickets, n), summed over the cells of each.

    `impact` (n_tickets, n_impacts) and `urgency` (n_tickets, n_urgencies) are taken to be
    independent of each other once the ticket is known; `cells` is `Matrix.cells`.

    >>> join(np.array([[0.5, 0.5]]), np.array([[0.8, 0.2]]), np.array([[0, 1], [1, 2]]), 3)
    array([[0.4, 0.5, 0.1]])
    """
    both = impact[:, :, None] * urgency[:, None, :]
    joined: np.ndarray = both.reshape(len(both), -1) @ np.eye(n)[cells.ravel()]
    return joined
