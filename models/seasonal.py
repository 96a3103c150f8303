"""Metrics with a daily or weekly rhythm."""

from typing import NamedTuple, Self

import numpy as np

from features.rhythm import calendar, slot_of_day, slot_of_week
from features.robust import MEAN_ABS_TO_SIGMA, clipped
from models.columns import Columns

DAY = 86_400
# Seconds of memory of the two forecasts: one that follows the last half hour, one that knows
# what is normal by now and is not carried away by a fault.
MEMORY = np.array([[[1_800.0]], [[129_600.0]]])
ERROR_MEMORY = 2 * DAY  # over which rhythm and no rhythm are compared
SCALE_DAYS = 14  # memory of the spread of each half hour of the day
DRIFT_SECONDS = 1_800.0  # how long a small shift is summed up
DRIFT_CLIP = 4.0  # so that one wild point is no drift
LEARN_CLIP = 3.0  # sigmas that a point may pull at what is known
BEATS = np.array([[[1.0], [1.1], [1.05]]])  # a rhythm must be better by a tenth than none
AGE = np.array([0.0, 2.0, 15.0]) * DAY  # seconds before none, day, week may forecast
N_SCALES = 96  # half hours, of working days and of weekends
FLOOR = 0.003  # of the range seen: spread below it is rounding
USUAL_SIGMAS = 3.0  # how wide the band of `expect` is
RECORD_START = 2.0  # evidence that nobody wonders at: log2(1 + 3 sigmas)
RECORD_FADES = 0.05  # of evidence, a day
RECORD_RISES = 0.5  # of the way to what topped it, once an hour
RELATIVE = 0.5  # how far a series' own record counts against what it shows now
WEIGHTS = np.array([[1.0], [0.8]])  # of a jump, of a drift
FAST, SLOW = 0, 1
NONE = 0


class _Slots(NamedTuple):
    day: int
    week: int
    scale: int


class _View(NamedTuple):
    """What one moment looks like: leading axes are (fast, slow) and (none, day, week)."""

    base: np.ndarray  # (3, n) the rhythm's value, NaN where not known
    centre: np.ndarray  # (2, n) the forecasts chosen
    scale: np.ndarray  # (2, n)


class Seasonal(Columns):
    """Distance from a forecast by time of day and week, in sigmas, on a log2 scale.

    Two forecasts run side by side: one follows the series closely and shows jumps, the other
    remembers for days and shows what creeps in. Each takes the daily or weekly rhythm, or
    none, whichever has been nearer lately. The score is log2(1 + |z|) of the worse of a jump
    and a drift, so 2 is three sigmas, 4 is fifteen, less half of what the series' own record
    exceeds 2 by: what a series does every week alarms nobody. Learning is clipped: a fault
    pulls little at what counts as normal.

    Parameters
    ----------
    n_series
        How many series are watched side by side.
    step_seconds
        The time from one point to the next.
    timezone
        Whose clock the rhythm follows, summer time included.
    days_off
        Local dates parted by commas ("2026-12-25,2026-12-26") that the week takes for Sundays.
    warmup
        Points a series must have shown before it gets a score.
    patience
        Steps that a jump must have lasted before it counts. With 1 a single wild point tells,
        which suits series where such points matter; with 3 it is waited for two more.

    Examples
    --------
    >>> at = np.datetime64("2026-01-05T09:00") + np.arange(40) * np.timedelta64(300, "s")
    >>> detector = Seasonal(n_series=2, patience=1)
    >>> for step, moment in enumerate(at):
    ...     detector = detector.learn(moment, np.array([10.0 + step % 2, 50.0 + step % 3]))
    >>> calm, wild = detector.score(at[-1] + 300, np.array([10.0, 99.0]))
    >>> bool(calm < 2 < 4 < wild)
    True
    """

    def __init__(
        self,
        n_series: int,
        step_seconds: int = 300,
        timezone: str = "UTC",
        warmup: int = 24,
        patience: int = 3,
        days_off: str = "",
    ) -> None:
        if step_seconds < 1:
            raise ValueError(f"step_seconds must be at least 1, got {step_seconds}")
        if warmup < 2:
            raise ValueError(f"warmup must be at least 2 points, got {warmup}")
        if patience < 1:
            raise ValueError(f"patience must be at least 1 step, got {patience}")
        self.step_seconds = step_seconds
        self.warmup = warmup
        self.patience = patience
        self.zone = calendar(timezone, days_off)
        self.n_day = int(np.clip(DAY // step_seconds, 1, 288))
        self.n_week = min(7 * self.n_day, 672)
        self._set(self._blank(n_series))

    def _blank(self, n: int) -> dict[str, np.ndarray]:
        unknown = np.float32(np.nan)
        return {
            "seen": np.zeros(n),
            "origin": np.zeros(n),
            "low": np.full(n, np.inf),
            "high": np.full(n, -np.inf),
            "day": np.full((self.n_day, n), unknown),
            "week": np.full((self.n_week, n), unknown),
            "level": np.zeros((2, 3, n)),
            "error": np.full((2, 3, n), np.inf),
            "overall": np.full((2, n), np.nan),
            "scales": np.full((2, N_SCALES, n), unknown),
            "drift": np.zeros(n),
            "drift_scale": np.ones(n),
            "before": np.zeros((self.patience - 1, n)),  # sigmas of the last steps
            "record": np.full((2, n), RECORD_START),  # of jump and drift
            "topped": np.full((2, n), np.inf),  # seconds since a record was topped
        }

    def _set(self, state: dict[str, np.ndarray]) -> None:
        super()._set(state)
        self._now: tuple[np.datetime64, _View] | None = None  # what `_view` last answered

    # -- the protocol ------------------------------------------------------------------------

    def score(self, at: np.datetime64, values: np.ndarray) -> np.ndarray:
        view = self._view(at)
        sigmas = (values - self._state["origin"] - view.centre) / view.scale
        ready = self._state["seen"] >= self.warmup
        evidence = self._evidence(sigmas)
        ordinary = RELATIVE * (self._state["record"] - RECORD_START)
        strange = WEIGHTS * np.maximum(evidence - ordinary, 0.0)
        return np.where(ready, strange.max(axis=0), np.nan)

    def expect(self, at: np.datetime64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        state, view = self._state, self._view(at)
        ready = state["seen"] >= self.warmup
        centre = np.where(ready, view.centre[SLOW] + state["origin"], np.nan)
        reach = USUAL_SIGMAS * view.scale[SLOW]
        floor = np.where(state["low"] >= 0, 0.0, -np.inf)  # what never was negative stays so
        lower = np.minimum(np.maximum(centre - reach, floor), centre)
        return centre, lower, centre + reach

    def learn(self, at: np.datetime64, values: np.ndarray) -> Self:
        came = np.isfinite(values)
        if not came.any():
            return self
        if self._begin(values, came):
            self._now = None
        slots, view = self._slots(at), self._view(at)
        own = np.where(came, values - self._state["origin"], np.nan)
        sigmas = (own - view.centre) / view.scale
        self._learn_records(self._evidence(sigmas), came)
        self._learn_drift(sigmas[SLOW], came)
        self._learn_scales(own - view.centre, view, slots.scale, came)
        self._learn_levels(own, view, came)
        self._learn_rhythms(own, view, slots, came)
        self._state["seen"] = self._state["seen"] + came
        self._now = None
        return self

    # -- seeing ------------------------------------------------------------------------------

    def _slots(self, at: np.datetime64) -> _Slots:
        week = int(slot_of_week(at, self.n_week, self.zone))
        weekend = week * 7 >= 5 * self.n_week
        half_hour = int(slot_of_day(at, N_SCALES // 2, self.zone))
        day = int(slot_of_day(at, self.n_day, self.zone))
        return _Slots(day, week, half_hour + weekend * (N_SCALES // 2))

    def _view(self, at: np.datetime64) -> _View:
        """Scoring, expecting and learning one step look at the same view; it is made once."""
        if self._now is None or self._now[0] != at:
            self._now = (at, self._look(self._slots(at)))
        return self._now[1]

    def _look(self, slots: _Slots) -> _View:
        state = self._state
        n = len(state["seen"])
        base = np.stack([np.zeros(n), state["day"][slots.day], state["week"][slots.week]])
        usable = ~np.isnan(base) & (state["seen"] * self.step_seconds >= AGE[:, None])
        errors = np.where(usable, state["error"] * BEATS, np.inf)
        errors[:, NONE] = np.minimum(errors[:, NONE], np.finfo(float).max)  # always possible
        best = errors.argmin(axis=1)[:, None]
        forecasts = np.nan_to_num(base) + state["level"]
        centre = np.take_along_axis(forecasts, best, axis=1)[:, 0]
        return _View(base, centre, self._scale(slots.scale))

    def _scale(self, slot: int) -> np.ndarray:
        state = self._state
        overall = np.nan_to_num(state["overall"])
        own = state["scales"][:, slot]
        mixed = np.where(np.isnan(own), overall, 0.75 * own + 0.25 * overall)
        width = np.where(state["seen"] > 0, state["high"] - state["low"], 0.0)
        rounding = 1e-9 * (1 + np.abs(np.where(state["seen"] > 0, state["high"], 0.0)))
        scale: np.ndarray = np.maximum(mixed, np.maximum(FLOOR * width, rounding))
        return scale

    def _evidence(self, sigmas: np.ndarray) -> np.ndarray:
        """log2(1 + sigmas) of a jump that lasts and of the drift, shape (2, n)."""
        newest = sigmas[None, FAST if self.patience == 1 else SLOW]
        signed = np.concatenate([self._state["before"], newest])
        jump = np.maximum(np.maximum(signed.min(axis=0), -signed.max(axis=0)), 0.0)
        drift = np.abs(self._drifted(sigmas[SLOW])) / self._state["drift_scale"]
        evidence: np.ndarray = np.log2(1 + np.stack([jump, drift]))
        return evidence

    def _drifted(self, sigmas: np.ndarray) -> np.ndarray:
        """The running sum of clipped sigmas, with this step's, in units of its own sigma."""
        alpha = self._alpha(DRIFT_SECONDS)
        pulled = np.clip(sigmas, -DRIFT_CLIP, DRIFT_CLIP)
        drifted: np.ndarray = self._state["drift"] + alpha * (pulled - self._state["drift"])
        return drifted

    def _alpha(self, memory_seconds: float) -> float:
        return float(np.clip(1 - np.exp(-self.step_seconds / memory_seconds), 0.0, 0.5))

    # -- learning ----------------------------------------------------------------------------

    def _begin(self, values: np.ndarray, came: np.ndarray) -> bool:
        """Take in the range; True where a series began, or went beyond all it had shown."""
        state = self._state
        first = came & (state["seen"] == 0)
        beyond = came & ((values < state["low"]) | (values > state["high"]))
        if not beyond.any():
            return False
        state["origin"] = np.where(first, values, state["origin"])
        state["low"] = np.where(came, np.minimum(state["low"], values), state["low"])
        state["high"] = np.where(came, np.maximum(state["high"], values), state["high"])
        return True

    def _learn_drift(self, sigmas: np.ndarray, came: np.ndarray) -> None:
        state = self._state
        warm = came & (state["seen"] >= self.warmup)
        drift = np.where(warm, self._drifted(sigmas), state["drift"])
        alpha = self._alpha(SCALE_DAYS * DAY)
        size = np.minimum(MEAN_ABS_TO_SIGMA * np.abs(drift), 2 * state["drift_scale"])
        step = np.where(warm, alpha * (size - state["drift_scale"]), 0.0)
        state["drift"], state["drift_scale"] = drift, state["drift_scale"] + step
        shifted = np.concatenate([state["before"], sigmas[None]])[1:]
        state["before"] = np.where(warm, shifted, state["before"])

    def _learn_records(self, evidence: np.ndarray, came: np.ndarray) -> None:
        """The highest evidence each series is used to: topped at most once an hour, fading."""
        state = self._state
        warm = came & (state["seen"] >= self.warmup)
        tops = warm & (evidence > state["record"])
        rise = np.where(tops & (state["topped"] >= 3600), RECORD_RISES, RECORD_RISES / 50)
        step = np.where(tops, rise * (evidence - state["record"]), 0.0)
        fade = np.where(warm, RECORD_FADES * self.step_seconds / DAY, 0.0)
        state["record"] = np.maximum(state["record"] + step - fade, RECORD_START)
        since = np.where(tops, 0.0, state["topped"] + self.step_seconds)
        state["topped"] = np.where(came, since, state["topped"])

    def _learn_scales(
        self, residuals: np.ndarray, view: _View, slot: int, came: np.ndarray
    ) -> None:
        """Means of clipped distances, overall and for the half hour, younger series faster."""
        state = self._state
        reach = np.where(state["seen"] >= self.warmup, LEARN_CLIP * view.scale, np.inf)
        size = MEAN_ABS_TO_SIGMA * np.minimum(np.abs(residuals), reach)
        size = np.where(state["seen"] > 0, size, np.nan)  # the first point is no distance
        alpha = np.maximum(self._alpha(SCALE_DAYS * DAY), 1 / np.maximum(state["seen"], 1))
        state["overall"] = _moved(state["overall"], size, alpha, came)
        days = np.maximum(state["seen"] * self.step_seconds / DAY, 1)
        per_slot = np.maximum(1 / SCALE_DAYS, 1 / days) * min(self.step_seconds / 1800, 1)
        state["scales"][:, slot] = _moved(state["scales"][:, slot], size, per_slot, came)

    def _learn_levels(self, own: np.ndarray, view: _View, came: np.ndarray) -> None:
        state = self._state
        old = state["seen"] >= self.warmup
        off = own - np.nan_to_num(view.base) - state["level"]
        known = came & ~np.isnan(view.base)
        alpha = np.clip(1 - np.exp(-self.step_seconds / MEMORY), 0, 0.5)
        alpha = np.maximum(alpha, 1 / (state["seen"] + 1))
        reach = np.where(old, LEARN_CLIP * view.scale, np.inf)[:, None]
        step = np.clip(off, -reach, reach)
        state["level"] = state["level"] + np.where(known, alpha * step, 0.0)
        weight = np.maximum(self._alpha(ERROR_MEMORY), 1 / (state["seen"] + 1))
        size = np.minimum(np.abs(off), 2 * reach)
        error = np.where(np.isinf(state["error"]), size, state["error"])
        state["error"] = np.where(known, error + weight * (size - error), state["error"])

    def _learn_rhythms(self, own: np.ndarray, view: _View, slots: _Slots, came: np.ndarray) -> None:
        state = self._state
        old = state["seen"] >= self.warmup
        reach = np.where(old, LEARN_CLIP * view.scale[SLOW], np.inf)
        tame = clipped(own, view.centre[SLOW], reach)
        age = state["seen"] * self.step_seconds / DAY
        for name, slot, n_slots, days, memory in (
            ("day", slots.day, self.n_day, age, 10.0),
            ("week", slots.week, self.n_week, age / 7, 5.0),
        ):
            period = DAY if name == "day" else 7 * DAY
            share = min(self.step_seconds * n_slots / period, 1.0)  # of a slot, one point
            alpha = share / np.minimum(days + 1, memory)
            state[name][slot] = _moved(state[name][slot], tame, alpha, came)


def _moved(
    known: np.ndarray, new: np.ndarray, alpha: np.ndarray | float, came: np.ndarray
) -> np.ndarray:
    """`known` moved towards `new` where a point came; NaN in `known` takes `new` as it is."""
    start = np.where(np.isnan(known), new, known)
    moved = start + alpha * (new - start)
    return np.where(came & ~np.isnan(new), moved, known)
