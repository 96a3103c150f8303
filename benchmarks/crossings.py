"""Forecast crossings of limits, on simulated growth, beside the lines that operators draw.

What is tunable was chosen on seeds 100 to 119; the page tells of 0 to 19.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.growth import AHEAD, CALM, CROSSING, DAY, Case, case
from benchmarks.page import table
from models.forecast import forecast
from models.trend import sen

SEEDS = range(20)
DAYS = (1, 3, 7)
BLOCKS = 96  # medians that the plain Theil-Sen line is drawn through
WAYS = ("Forewarn", "predict_linear, 4 h", "predict_linear, 1 day", "Theil-Sen, 7 days")


class Answer(NamedTuple):
    """What one way said of one case: seconds to the crossing or inf, and whether it will cross.

    `bounds` are those of 95 and 80 %, from the lowest to the highest; only ours has any.
    """

    case: Case
    ahead: int
    way: str
    seconds: float
    crosses: bool
    bounds: tuple[float, ...] = ()

    @property
    def off(self) -> float:
        """The error of the crossing time, as a share of the true one."""
        return abs(min(self.seconds, AHEAD * DAY) - self.case.crosses_in) / self.case.crosses_in

    @property
    def held(self) -> tuple[bool, bool]:
        """Whether the true time lies in the interval of 80 %, and in that of 95 %."""
        lowest, low, high, highest = self.bounds
        true = self.case.crosses_in
        return low <= true <= high, lowest <= true <= highest


def answers(seeds: Iterable[int] = SEEDS) -> Iterator[Answer]:
    """What each way says of every shape, at each time ahead and seed."""
    for seed in seeds:
        for shape in (*CROSSING, *CALM):
            for ahead in DAYS:
                yield from both(case(shape, ahead, seed), ahead, AHEAD * DAY)


def both(one: Case, ahead: int, horizon: float) -> Iterator[Answer]:
    """What we and the lines say of one case."""
    yield ours(one, ahead, horizon)
    for way, (level, slope) in zip(WAYS[1:], lines(one), strict=True):
        seconds = (one.limit - level) / slope if slope > 0 else np.inf
        seconds = max(seconds, 0.0) if seconds <= horizon else np.inf
        yield Answer(one, ahead, way, seconds, bool(np.isfinite(seconds)))


def ours(one: Case, ahead: int, horizon: float) -> Answer:
    found = forecast(one.times, one.values, one.limit, horizon_seconds=horizon)
    seconds = np.nan_to_num(found.seconds, nan=np.inf)
    crosses = found.state in ("crosses", "over")
    return Answer(one, ahead, WAYS[0], seconds[2], crosses, tuple(np.delete(seconds, 2)))


def lines(one: Case) -> list[tuple[float, float]]:
    """Level now and slope a second of Prometheus's least squares and of Theil-Sen's median."""
    seconds = (one.times - one.times[-1]).astype(float)
    found = []
    for window in (DAY / 6, DAY):
        seen = seconds > -window
        slope, level = np.polyfit(seconds[seen], one.values[seen], 1)
        found.append((float(level), float(slope)))
    parts = np.array_split(one.values[seconds > -7 * DAY], BLOCKS)
    medians = np.array([np.median(part) for part in parts])
    slope = float(sen(medians[None], 7 * DAY / BLOCKS)[0])
    back = 7 * DAY / BLOCKS * (np.arange(BLOCKS) - BLOCKS + 0.5)
    return [*found, (float(np.median(medians - slope * back)), slope)]


def public(folder: Path) -> Iterator[Answer]:
    """What each way says of NAB's real series, held against a limit above all that ever comes.

    None of them grows for long, so that no crossing can be asked for; each is cut at its half and
    at three quarters, and the horizon is what is left of it.
    """
    for path in sorted(folder.glob("real*/*.csv")):
        times, values = np.loadtxt(
            path, delimiter=",", skiprows=1, dtype="U19,f8", unpack=True, encoding="utf-8"
        )
        moments, limit = times.astype("M8[s]"), values.max() + 0.1 * np.ptp(values)
        for part in (0.5, 0.75):
            n = int(part * len(values))
            one = Case(path.stem, moments[:n], values[:n], float(limit), np.inf)
            yield from both(one, 0, float((moments[-1] - moments[n]).astype(float)))


def markdown(found: list[Answer], real: list[Answer]) -> tuple[str, str]:
    """Coverage and errors by shape and by time ahead; and what was said to cross and did not."""
    crossing = [one for one in found if np.isfinite(one.case.crosses_in)]
    calm = [one for one in found if not np.isfinite(one.case.crosses_in)]
    groups: list[tuple[str, Callable[[Answer], bool]]] = [
        *((shape, lambda one, shape=shape: one.case.shape == shape) for shape in CROSSING),
        *((f"on day {day}", lambda one, day=day: one.ahead == day) for day in DAYS),
        ("all", lambda one: True),
    ]
    errors = [row(name, [one for one in crossing if belongs(one)]) for name, belongs in groups]
    wrong = [[shape, *(f"{share(calm, way, shape):.2f}" for way in WAYS)] for shape in CALM]
    n = len({(one.case.shape, len(one.case.times)) for one in real})
    wrong.append([f"{n} cuts of NAB's series", *(f"{share(real, way):.2f}" for way in WAYS)])
    missed = ["missed, of all that cross", *(f"{1 - share(crossing, way):.2f}" for way in WAYS)]
    return (
        table(("series that cross", "80 % holds", "95 % holds", *WAYS), errors),
        table(("said to cross", *WAYS), [*wrong, missed]),
    )


def row(name: str, some: list[Answer]) -> list[str]:
    held = [one.held for one in some if one.way == WAYS[0]]
    offs = [float(np.median([one.off for one in some if one.way == way])) for way in WAYS]
    return [
        name,
        *(f"{part:.2f}" for part in np.mean(held, axis=0)),
        *(f"{off:.2f}" for off in offs),
    ]


def share(some: list[Answer], way: str, shape: str | None = None) -> float:
    """How many of these series are said to cross."""
    said = [one.crosses for one in some if one.way == way and shape in (None, one.case.shape)]
    return float(np.mean(said))
