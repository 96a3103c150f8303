"""The store's forecasts: when each series crosses its limit, as last said."""

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select

from data import tables
from data.records import Crossing, Fan
from data.rows import Rows

TIMES = ("at", "last_reset_at")


class ForecastRows(Rows):
    """Forecasts."""

    def put_forecasts(self, desk: str, crossings: Sequence[Crossing]) -> None:
        """Let these be the desk's forecasts, instead of those that were; all of it or nothing."""
        others = sorted({one.desk for one in crossings} - {desk})
        if others:
            raise ValueError(f"wanted forecasts of desk {desk!r}, got some of {', '.join(others)}")
        rows = {
            (one.series, one.direction, one.limit): {
                "desk": desk,
                "series": one.series,
                "direction": one.direction,
                "limit_value": one.limit,
                "told": json.dumps(document(one)),
            }
            for one in crossings
        }
        with self.engine.begin() as connection:
            connection.execute(delete(tables.forecasts).where(tables.forecasts.c.desk == desk))
            if rows:
                connection.execute(insert(tables.forecasts), list(rows.values()))

    def forecasts(self, *, desks: Collection[str] | None = None) -> list[Crossing]:
        """The forecasts of these desks, the soonest first; None means all desks."""
        query = select(tables.forecasts.c.told)
        if desks is not None:
            query = query.where(tables.forecasts.c.desk.in_(desks))
        with self.reading.connect() as connection:
            found = [crossing(json.loads(told)) for told in connection.execute(query).scalars()]
        return sorted(found, key=soonest)


def soonest(one: Crossing) -> tuple[float, float, str, float]:
    """Sorts forecasts: what crosses by when, then by its chance; what is unknown is the last.

    >>> from dataclasses import replace
    >>> when = datetime(2026, 3, 4, tzinfo=UTC)
    >>> some = [None] * 4
    >>> holds = Crossing("it", "a", 9.0, "up", 60.0, when, "holds", 1.0, None, *some, 0.2)
    >>> crosses = replace(holds, series="b", state="crosses", median=5.0, chance=0.9)
    >>> unknown = replace(holds, series="c", state="unknown", chance=None)
    >>> [one.series for one in sorted([unknown, holds, crosses], key=soonest)]
    ['b', 'a', 'c']
    """
    by = math.inf if one.crosses_at is None else one.crosses_at.timestamp()
    return by, 2.0 if one.chance is None else -one.chance, one.series, one.limit


def document(one: Crossing) -> dict[str, Any]:
    """A forecast as JSON has it: times in ISO 8601, None for what JSON cannot say."""
    fields = asdict(one) | {"crosses_at": one.crosses_at}
    told: dict[str, Any] = json.loads(json.dumps(fields, default=datetime.isoformat))
    return told


def crossing(told: dict[str, Any]) -> Crossing:
    """The forecast behind a document."""
    fan = told.pop("fan")
    told.pop("crosses_at")
    times = {name: None if told[name] is None else _time(told[name]) for name in TIMES}
    drawn = Fan(
        tuple(map(_time, fan["past"])),
        tuple(fan["values"]),
        tuple(map(_time, fan["ahead"])),
        tuple(map(tuple, fan["quantiles"])),
    )
    return Crossing(**told | times, fan=drawn)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
