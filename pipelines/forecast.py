"""When stored series cross their limits: the forecast as a step, and as lines to be read."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.limit_file import Limit, Limits, read_limits
from data.records import Crossing, Fan
from data.settings import Settings
from data.store_forecasts import soonest
from models.crossing import lasting, measured, percent, told
from models.forecast import Forecast, forecast
from pipelines.console import Report, silent
from pipelines.feeds import instant
from pipelines.workspace import Workspace

PASTS = 3.0  # horizons of past that a forecast reads
SHORTEST, LONGEST = timedelta(days=14), timedelta(days=56)
AT_ONCE = 50  # series that are read together
COLUMNS = ["series", "now", "limit", "crosses", "chance", "last reset"]


class Foretold(NamedTuple):
    """The forecasts, the soonest first, and what else there is to say, a line each."""

    crossings: list[Crossing]
    notes: list[str]


def limits_of(settings: Settings) -> Limits:
    """The limits that FOREWARN_LIMITS names; LookupError where it names none."""
    if not settings.limits:
        raise LookupError(
            "no limit to forecast against: give --limit 95, or name a file in FOREWARN_LIMITS "
            "with a header series,limit,direction,within,name,unit and a row for each limit"
        )
    return read_limits(Path(settings.limits))


def foretell(place: Workspace, given: Limits, now: datetime, report: Report = silent) -> Foretold:
    """Forecast every stored series that a limit's pattern fits, from what came before `now`."""
    stored = place.history.series(place.settings.desk)
    keys = [key for key in stored if fnmatchcase(key, given.only)]
    wanted = [(key, one) for one in given.limits for key in keys if fnmatchcase(key, one.series)]
    notes = [*given.mistakes]
    for one in given.limits:
        if not any(fnmatchcase(key, one.series) for key in stored):
            notes.append(f"no stored series fits {one.series!r}")
    found = []
    for done, crossings in enumerate(_looked(place, wanted, now), start=1):
        found.append(crossings)
        report(done, len(wanted))
    return Foretold(sorted(found, key=soonest), notes)


def forecast_all(place: Workspace, now: datetime, report: Report = silent) -> Foretold:
    """Forecast all that FOREWARN_LIMITS names, and keep it for the endpoint and the page."""
    told = foretell(place, limits_of(place.settings), now, report)
    place.store.put_forecasts(place.settings.desk, told.crossings)
    return told


def _looked(
    place: Workspace, wanted: Sequence[tuple[str, Limit]], now: datetime
) -> Iterator[Crossing]:
    for first in range(0, len(wanted), AT_ONCE):
        some = wanted[first : first + AT_ONCE]
        longest = max(timedelta(seconds=PASTS * one.within_seconds) for _, one in some)
        start = now - min(max(longest, SHORTEST), LONGEST)
        keys = sorted({key for key, _ in some})
        times, keys, matrix = place.history.read(place.settings.desk, keys, start, now)
        columns = {key: matrix[:, column] for column, key in enumerate(keys)}
        for key, one in some:
            found = forecast(
                times,
                columns[key],
                one.limit,
                horizon_seconds=one.within_seconds,
                direction=one.direction,
                at=instant(now),
            )
            yield crossing_of(place.settings.desk, key, one, now, found)


def crossing_of(desk: str, key: str, one: Limit, now: datetime, found: Forecast) -> Crossing:
    """A forecast as a record."""
    lower_95, lower_80, median, upper_80, upper_95 = map(_known, found.seconds.tolist())
    return Crossing(
        desk=desk,
        series=key,
        limit=one.limit,
        direction=one.direction,
        horizon_seconds=one.within_seconds,
        at=now,
        state=found.state,
        now=_known(found.now),
        median=median,
        lower_80=lower_80,
        upper_80=upper_80,
        lower_95=lower_95,
        upper_95=upper_95,
        chance=_known(found.chance),
        cleaned_first=_known(found.cleaned_first),
        n_resets=found.n_resets,
        last_reset_at=None if np.isnat(found.last_reset) else _time(found.last_reset),
        why=found.why,
        name=one.name,
        unit=one.unit,
        fan=Fan(
            tuple(map(_time, found.fan.past)),
            tuple(found.fan.values.tolist()),
            tuple(map(_time, found.fan.ahead)),
            tuple(map(tuple, found.fan.quantiles.tolist())),
        ),
    )


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _time(at: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(at.astype("M8[s]").astype(np.int64)), UTC)


def rows(crossings: Sequence[Crossing]) -> list[list[str]]:
    """A line of the table for each forecast, under `COLUMNS`."""
    return [
        [
            one.name or one.series,
            measured(one.now, one.unit),
            measured(one.limit, one.unit),
            told(one),
            f"{lasting(one.horizon_seconds)}: {percent(one.chance)}",
            f"{one.last_reset_at:%Y-%m-%d %H:%M}" if one.last_reset_at else "-",
        ]
        for one in crossings
    ]
