"""When a series will have crossed a limit: a disk that fills, a quota, licence seats, days left."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from data.records import CrossingState, Direction
from features.robust import MAD_TO_SIGMA, clipped
from models.ahead import LEAST_ORIGINS, origins, paths
from models.beats import beats
from models.resets import cleanups, rolled
from models.trend import trends

STEPS = (60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
MOST_POINTS = 1500  # that are looked at; of what lies between two the median counts
REACH = 3.0  # times its own past, that a forecast looks ahead at most
N_PATHS = 600
QUANTILES = (0.025, 0.1, 0.5, 0.9, 0.975)
SEED = 0  # the same points give the same answer, after a restart too
N_DRAWN = 60  # moments of the past and of the fan that a chart draws
WILD = 6.0  # usual steps, in sigmas, that a point may stand off from those around it
FEW = 0.03  # of all points, that may be called wild
SILENT = 0.05  # of its past, after which a series that says nothing has stopped

NAT = np.datetime64("NaT", "s")
NONE = np.empty(0)


class Fan(NamedTuple):
    """What a chart draws: `values` (n_past,) that came, `quantiles` (n_ahead, 5) of what may."""

    past: np.ndarray = NONE.astype("M8[s]")
    values: np.ndarray = NONE
    ahead: np.ndarray = NONE.astype("M8[s]")
    quantiles: np.ndarray = NONE.reshape(0, 5)


NO_FAN = Fan()


@dataclass(frozen=True)
class Forecast:
    """When a limit is crossed, in seconds from the moment asked about.

    `seconds` are five quantiles, at 2.5, 10, 50, 90 and 97.5 %: the middle one is the median, two
    each bound 80 % and 95 %. One is inf where the limit is not crossed within the horizon with
    that probability, NaN where nothing can be said. `chance` is the probability to cross within
    the horizon, `cleaned_first` that a cleanup comes before the limit and the horizon's end; NaN
    where nobody can say, or no cleanup is a habit. `state` says it in a word: "over" has crossed
    already, "crosses" is likelier than not to do so, "holds" is not, "unknown" cannot be said,
    and `why` says what is missing.
    """

    state: CrossingState
    now: float
    limit: float
    seconds: np.ndarray
    chance: float
    cleaned_first: float = np.nan
    n_resets: int = 0
    last_reset: np.datetime64 = NAT
    fan: Fan = NO_FAN
    why: str = ""


def forecast(
    times: np.ndarray,
    values: np.ndarray,
    limit: float,
    *,
    horizon_seconds: float,
    direction: Direction = "up",
    at: np.datetime64 | None = None,
) -> Forecast:
    """Say when `values` (n_points,) cross `limit`, going `direction`.

    `times` (n_points,) are datetime64 in UTC, in any order and as unevenly as they come; NaN and
    infinite values are left out, of equal times the last counts. `at` is now, the last point's
    time otherwise; later points are not looked at. The trend is a median of slopes between resets
    (`models.trend`, `models.resets`), the interval what such forecasts were off by in the series'
    own past (`models.ahead`). Prometheus's `predict_linear`, a least-squares line, is what the
    benchmark holds it against.

    >>> times = np.datetime64("2026-03-02") + np.arange(24 * 14) * np.timedelta64(1, "h")
    >>> used = 50 + np.arange(24 * 14) / 24  # one percent a day, at 64 by now
    >>> found = forecast(times, used, 70.0, horizon_seconds=14 * 86_400)
    >>> found.state, float(found.seconds[2] / 86_400)
    ('crosses', 6.0)
    >>> forecast(times[:5], used[:5], 70.0, horizon_seconds=86_400).why
    'only 5 points that differ in time'
    """
    if not np.isfinite(limit):
        raise ValueError(f"limit must be a finite number, got {limit}")
    if not horizon_seconds > 0:
        raise ValueError(f"horizon_seconds must be above 0, got {horizon_seconds}")
    if direction == "down":
        return _mirrored(forecast(times, -values, -limit, horizon_seconds=horizon_seconds, at=at))
    times, values = _known(times, values)
    if at is not None:
        at = at.astype("M8[s]")
        times, values = times[times <= at], values[times <= at]
    if not len(times):
        return _unknown(np.nan, limit, "no point yet")
    now, at = float(values[-1]), times[-1] if at is None else at
    if silent(times, at):
        return _unknown(now, limit, f"no point since {times[-1]}Z")
    if now >= limit:
        return Forecast("over", now, limit, np.zeros(5), 1.0)
    if len(times) < 2 * LEAST_ORIGINS:
        return _unknown(now, limit, f"only {len(times)} points that differ in time")
    waited = float((at - times[-1]).astype(float))
    return _looked(_grid(times, values), now, limit, horizon_seconds, waited)


class Grid(NamedTuple):
    """A series as medians of slots, `step` seconds each; `over` is how far its points overtop."""

    first: int  # unix second that the first slot begins at
    step: int
    values: np.ndarray  # (n_slots,), what is missing filled in between
    over: float
    late: float  # seconds from the last point to the end of its slot

    def time(self, slots: np.ndarray) -> np.ndarray:
        return (self.first + slots * self.step).astype("M8[s]")


def _looked(grid: Grid, now: float, limit: float, horizon: float, waited: float) -> Forecast:
    n = len(grid.values)
    n_ahead = int(np.ceil(min(horizon + waited, REACH * n * grid.step) / grid.step))
    values = tamed(grid.values)
    found = cleanups(values)
    rhythm = beats(found.unrolled, grid.first, grid.step, n_ahead)
    steady = found.unrolled - rhythm[:n]
    near = _near(steady, limit - grid.over - values[-1], n_ahead)
    if len(origins(n, near)) < LEAST_ORIGINS:
        past = f"{n * grid.step / 3600:.1f} h of past"
        return _unknown(now, limit, f"{past}: too short to see how a forecast would have fared")
    rng = np.random.default_rng(SEED)
    free = paths(steady, near, n_ahead, N_PATHS, rng) + rhythm[n:]
    rolling = rolled(free + (values[-1] - found.unrolled[-1]), found, rng)
    crossed = _first(rolling.paths >= limit - grid.over)
    seconds = (crossed - rng.random(N_PATHS)) * grid.step + grid.late - waited
    seconds = np.maximum(seconds, 0.0)
    seconds[seconds > horizon] = np.inf
    told = Forecast(
        "unknown",
        now,
        limit,
        np.full(5, np.nan),
        np.nan,
        n_resets=len(found.at),
        last_reset=grid.time(found.at[-1:])[0] if len(found.at) else NAT,
        fan=_fan(grid, rolling.paths),
    )
    chance = float(np.isfinite(seconds).mean())
    if chance < 0.5 and n_ahead * grid.step < horizon:
        days, reach = n * grid.step / 86_400, n_ahead * grid.step / 86_400
        why = f"{days:.1f} days of past say nothing of more than {reach:.1f} days ahead"
        return replace(told, why=why)
    cleaned = rolling.first < np.minimum(crossed, n_ahead + 1)
    return replace(
        told,
        state="crosses" if chance >= 0.5 else "holds",
        seconds=np.quantile(seconds, QUANTILES, method="inverted_cdf"),
        chance=chance,
        cleaned_first=np.nan if found.habit == "none" else float(cleaned.mean()),
    )


def _known(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is finite, in the order of time, the last of equal times."""
    if times.shape != values.shape or times.ndim != 1:
        raise ValueError(
            f"times and values must have one shape (n_points,), got {times.shape}, {values.shape}"
        )
    fine = np.isfinite(values) & ~np.isnat(times)
    times, values = times[fine].astype("M8[s]"), values[fine].astype(float)
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    last = np.append(times[1:] != times[:-1], True)[: len(times)]
    return times[last], values[last]


def silent(times: np.ndarray, at: np.datetime64) -> bool:
    """Whether nothing came for longer than twice the longest gap, and for a good while.

    >>> times = np.datetime64("2026-03-02", "s") + 60 * np.arange(1000)
    >>> silent(times, times[-1] + 600), silent(times, times[-1] + 6000)
    (False, True)
    """
    seconds = (at - times).astype(float)  # since each point, falling
    longest = -np.diff(seconds).min(initial=0.0)
    return bool(seconds[-1] > max(2 * longest, SILENT * (seconds[0] - seconds[-1])))


def _grid(times: np.ndarray, values: np.ndarray) -> Grid:
    seconds = times.astype(np.int64)
    span, usual = seconds[-1] - seconds[0], np.median(np.diff(seconds))
    fits = (s for s in STEPS if s >= 0.99 * usual and span <= MOST_POINTS * s)
    step = next(fits, int(max(usual, span / MOST_POINTS, STEPS[-1])))
    slots = seconds // step
    first = int(slots[0])
    order = np.lexsort((values, slots))
    known, starts, counts = np.unique(slots[order], return_index=True, return_counts=True)
    medians = values[order][starts + (counts - 1) // 2]
    tops = values[order][starts + counts - 1] - medians
    every = np.interp(np.arange(first, int(slots[-1]) + 1), known, medians)
    late = float((int(slots[-1]) + 1) * step - seconds[-1])
    return Grid(first * step, step, every, float(np.median(tops)), late)


def tamed(values: np.ndarray) -> np.ndarray:
    """A series (n_points,) with wild points pulled in to what stands around them, if they are few.

    What lasts for three points is let stand, and so is what comes every day for an hour.

    >>> tamed(np.append(np.arange(40.0), [99.0, 41.0, 42.0]))[-3:].round(1).tolist()
    [49.9, 41.0, 42.0]
    """
    beside = np.pad(values, 2, mode="reflect")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(beside, 5), axis=1)
    reach = WILD * MAD_TO_SIGMA * np.median(np.abs(np.diff(values)))
    pulled = clipped(values, middle, np.full(len(values), reach))
    return pulled if (pulled != values).mean() < FEW else values


def _near(steady: np.ndarray, room: float, n_ahead: int) -> int:
    """How far ahead to look how forecasts fared: about as far as the limit is, by a first guess."""
    n = len(steady)
    guess = trends(steady, np.array([n - 1]), max(n // 4, 8), bends=False)
    slope = float(guess.slope[0])
    steps = room / slope if slope > 0 else np.inf
    return int(np.clip(steps, 8, max(min(n_ahead, n // 3), 8)))


def _first(over: np.ndarray) -> np.ndarray:
    """The step, from 1, in which each path (n_paths, n_steps) is over; inf where it never is."""
    return np.where(over.any(axis=1), over.argmax(axis=1) + 1.0, np.inf)


def _fan(grid: Grid, drawn: np.ndarray) -> Fan:
    n, n_ahead = len(grid.values), drawn.shape[1]
    past = np.unique(np.linspace(0, n - 1, 2 * N_DRAWN).astype(int))
    ahead = np.unique(np.linspace(0, n_ahead - 1, N_DRAWN).astype(int))
    quantiles = np.quantile(drawn[:, ahead], QUANTILES, axis=0).T
    return Fan(grid.time(past), grid.values[past], grid.time(n + ahead), quantiles)


def _unknown(now: float, limit: float, why: str) -> Forecast:
    return Forecast("unknown", now, limit, np.full(5, np.nan), np.nan, why=why)


def _mirrored(found: Forecast) -> Forecast:
    """A forecast upside down: what was counted downwards, as it is."""
    fan = found.fan._replace(values=-found.fan.values, quantiles=-found.fan.quantiles[:, ::-1])
    return replace(found, now=-found.now, limit=-found.limit, fan=fan)
