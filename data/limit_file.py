"""The limits that series are held against, as an operator writes them down: CSV or TOML."""

import csv
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from data.records import Direction

FIELDS = ("series", "limit", "direction", "within", "name", "unit")
NEEDED = ("series", "limit")
WITHIN = "14d"
UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LONGEST = 366 * 86_400  # a year: nothing here looks further ahead
EXAMPLE = "series,limit,direction,within,name,unit"


@dataclass(frozen=True)
class Limit:
    """What series whose key fits the pattern `series` must not cross, looked for so far ahead."""

    series: str
    limit: float
    direction: Direction = "up"
    within_seconds: float = 14 * 86_400
    name: str = ""
    unit: str = ""


class Limits(NamedTuple):
    """The limits of a file, and what is wrong with its other rows, a line each.

    `only` is a pattern that a series must fit besides.
    """

    limits: list[Limit]
    mistakes: list[str]
    only: str = "*"


def read_limits(path: Path) -> Limits:
    """Read a file of limits; ValueError where nothing in it can be used.

    A CSV has the columns series and limit, and may have direction (up, down), within (14d), name
    and unit. A TOML has a table `[[limit]]` of the same fields for each.
    """
    try:
        rows = list(_toml(path) if path.suffix.lower() == ".toml" else _csv(path))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file; FOREWARN_LIMITS names it") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: wanted UTF-8 text, got other bytes") from error
    limits, mistakes = [], []
    for place, row in rows:
        try:
            limits.append(limit_of(row))
        except ValueError as error:
            mistakes.append(f"{path.name}, {place}, {error}")
    if not limits:
        raise ValueError(
            "; ".join(mistakes[:3]) or f"{path}: wanted a row for each limit, got none"
        )
    return Limits(limits, mistakes)


def _csv(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        names = [name.strip().lower() for name in rows.fieldnames or ()]
        if missing := [name for name in NEEDED if name not in names]:
            raise ValueError(f"{path}, line 1: wanted columns as {EXAMPLE}, got no {missing[0]!r}")
        rows.fieldnames = names
        for row in rows:
            yield f"line {rows.line_num}", row


def _toml(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is no TOML: {error}") from error
    tables = given.get("limit")
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise ValueError(f'{path}: wanted tables [[limit]] with series = "disk*" and limit = 95')
    for number, row in enumerate(tables, start=1):
        yield f"limit {number}", row


def limit_of(row: Mapping[str, object]) -> Limit:
    """One row as a limit; ValueError names the field.

    >>> limit_of({"series": "disk_*", "limit": "95", "within": "7d", "unit": "%"})
    Limit(series='disk_*', limit=95.0, direction='up', within_seconds=604800.0, name='', unit='%')
    >>> limit_of({"series": "disk_*", "limit": "lots"})
    Traceback (most recent call last):
    ...
    ValueError: field limit: wanted a number, got 'lots'
    """
    if odd := [str(name) for name in row if name not in FIELDS and (name is None or row[name])]:
        raise ValueError(f"field {odd[0]}: wanted only {', '.join(FIELDS)}")
    given = {name: str(row[name]).strip() for name in FIELDS if row.get(name) not in (None, "")}
    if not given.get("series"):
        raise ValueError("field series: wanted a series or a pattern such as disk_*, got nothing")
    return Limit(
        series=given["series"],
        limit=number(given.get("limit", "")),
        direction=direction(given.get("direction") or "up"),
        within_seconds=within(given.get("within") or WITHIN),
        name=given.get("name", ""),
        unit=given.get("unit", ""),
    )


def number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"field limit: wanted a number, got {text!r}")
    return value


def direction(text: str) -> Direction:
    if text.lower() not in ("up", "down"):
        raise ValueError(f"field direction: wanted up or down, got {text!r}")
    return cast(Direction, text.lower())


def within(text: str) -> float:
    """A length of time in seconds.

    >>> within("36h"), within("2w")
    (129600.0, 1209600.0)
    >>> within("soon")
    Traceback (most recent call last):
    ...
    ValueError: field within: wanted a time such as 12h, 14d or 4w, a year at most, got 'soon'
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mhdw])", text.strip().lower())
    seconds = float(found[1]) * UNITS[found[2]] if found else 0.0
    if not 60 <= seconds <= LONGEST:
        wanted = "wanted a time such as 12h, 14d or 4w, a year at most"
        raise ValueError(f"field within: {wanted}, got {text!r}")
    return seconds
