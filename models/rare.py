"""Metrics, young or old, with a rhythm by the day and the week or without."""

from typing import NamedTuple, Self

import numpy as np

from features.rhythm import calendar, is_weekend, slot_of_day
from features.robust import MEAN_ABS_TO_SIGMA
from models.columns import Columns
from models.peaks import KEPT, N_BINS, Tail, bits, reached, tail

DAY = 86_400
# The constants were chosen together, on the train parts of the AIOPS KPIs, the first half of NAB
# and simulated desks of seeds from 20 on. Halving or doubling most of them changes little.
NEAR_STEPS, NEAR_SECONDS = 18, 300  # memory of the level that follows closely, the longer one
FAR_SECONDS = 1.5 * DAY  # of the level that a fault of some hours does not carry away
SPREAD_SECONDS = 7 * DAY  # of both levels' spread
SLOT_DAYS = 14.0  # of the spread by the time of day
SLOT_SHARE = 0.75  # of the time of day's own spread, in variance
N_NEAR, N_FAR = 48, 24  # parts of the day that have a spread of their own
FLOOR = 0.01  # of the range seen: less is not worth waking anyone
CLIP = 5.0  # sigmas that one point may pull at what is known
RHYTHM_DAYS = 10.0  # memory of the time of day
N_SLOTS = 144  # of a day
WEEK = np.array([5 / 7, 2 / 7], np.float32)  # working days, weekends
BEATS = 1.05  # a rhythm must lie nearer by so much than none
WEEK_SECONDS = 10 * DAY  # age before weekends may have a rhythm of their own
ERROR_SECONDS = 2 * DAY  # over which the rhythms are compared
USUAL_SIGMAS = 3.0  # how wide the band of `expect` is
FAR_WEIGHT = 0.7  # of the far distance of a single point
TWICE = 1.15  # what two points in a row on one side count more than one
RANGE_WEIGHT, RANGE_SECONDS = 2.0, 60 * DAY  # of what lies beyond all seen; less as a series ages
MEMORY_SECONDS = 7 * DAY  # of the record of peaks
PEAK_SECONDS = 6 * 3600  # one peak within them counts once: a long fault is no habit
CAP = 4.0  # of plain evidence: beyond 15 sigmas only what is rare for the series counts
RARE = 1 / 3  # of a bit: what makes rarity as large as evidence
SHARE, YOUNG_SHARE, YOUNG_SECONDS = 0.5, 0.2, 14 * DAY  # of rarity in the score; more when young
LASTING_SECONDS, LASTING_POINTS = 1200, (4, 20)  # that a distance lasts, at least and at most
LASTING = 1.7  # of its evidence: twenty minutes of three sigmas are worth a page
LOUD, HUSH = 3.4, 0.03  # what a single point says beyond that counts so much: it may be a glitch
NONE, ALL_DAYS, BY_WEEK = range(3)  # the rhythms that a series may follow


class _View(NamedTuple):
    """What is known for one moment; leading axes of 3 are the rhythms."""

    weekend: int
    slot: int
    near_slot: int
    far_slot: int
    base: np.ndarray  # (3, n) the rhythm's value, 0 where there is none
    known: np.ndarray  # (3, n) whether it is known
    daily: np.ndarray  # (n,) whether a rhythm is followed
    weekly: np.ndarray  # (n,) whether that is the one by the week
    floor: np.ndarray  # (n,) the least spread
    scale: np.ndarray  # (n,) of the near distance
    far_scale: np.ndarray  # (n,)

    def chosen(self, each: np.ndarray) -> np.ndarray:
        """Of (3, n), what each series follows."""
        followed: np.ndarray = np.where(self.daily, each[ALL_DAYS], each[NONE])
        if self.weekly.any():
            np.copyto(followed, each[BY_WEEK], where=self.weekly)
        return followed


class _Judged(NamedTuple):
    """One step's points held against a view."""

    own: np.ndarray  # (n,) values less the origin, 0 where no point came
    came: np.ndarray  # (n,)
    near: np.ndarray  # (3, n) distances
    far: np.ndarray  # (3, n)
    sigmas: np.ndarray  # (n,) the near distance followed
    far_sigmas: np.ndarray  # (n,)
    evidence: np.ndarray  # (n,) of this point
    lasting: np.ndarray  # (n,) evidence of what has lasted


class Rare(Columns):
    """How far a point is off, how rare that is for its series, and what lasts.

    Two levels run side by side, one near and one that remembers for a day and a half, with no
    rhythm, one by the time of day, and one that tells weekends apart; each series follows the
    rhythm that has lain nearest lately. *Evidence* is log2(1 + sigmas), the spread being that of
    the time of day. A point's is that of the worse distance, and more where it leaves the range
    seen so far; its *rarity* is a third of the bits of the evidence's tail probability among the
    series' own peaks. A single point scores half of each, and little more than 3.4 however wild
    it is: evidence alone wakes a desk for series that are always wild, rarity alone alarms as
    often on calm series as on sick ones, and both for glitches. What has stayed far off for
    twenty minutes scores 1.7 times its evidence, without a limit: twenty minutes of three sigmas
    are worth a wild point, and a strict budget leaves only what lasts. Ordinary points score
    below 2. In a series' first days whatever is new scores high. Learning is clipped: a fault
    moves what is normal slowly.

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

    Examples
    --------
    >>> at = np.datetime64("2026-01-05T09:00") + np.arange(40) * np.timedelta64(300, "s")
    >>> detector = Rare(n_series=2)
    >>> for step, moment in enumerate(at):
    ...     detector = detector.learn(moment, np.array([10.0 + step % 2, 50.0 + step % 3]))
    >>> calm, wild = detector.score(at[-1] + 300, np.array([10.0, 99.0]))
    >>> bool(calm < 2 < 3.4 < wild)
    True
    """

    def __init__(
        self,
        n_series: int,
        step_seconds: int = 300,
        timezone: str = "UTC",
        warmup: int = 24,
        days_off: str = "",
    ) -> None:
        if step_seconds < 1:
            raise ValueError(f"step_seconds must be at least 1, got {step_seconds}")
        if warmup < 2:
            raise ValueError(f"warmup must be at least 2 points, got {warmup}")
        self.step_seconds = step_seconds
        self.warmup = warmup
        self.zone = calendar(timezone, days_off)
        self.n_day = int(np.clip(DAY // step_seconds, 1, N_SLOTS))
        self.n_near, self.n_far = min(N_NEAR, self.n_day), min(N_FAR, self.n_day)
        self.n_lasting = int(np.clip(-(-LASTING_SECONDS // step_seconds), *LASTING_POINTS))
        self._set(self._blank(n_series))

    def _blank(self, n: int) -> dict[str, np.ndarray]:
        def zeros(*shape: int) -> np.ndarray:
            return np.zeros((*shape, n), np.float32)

        def unknown(*shape: int) -> np.ndarray:
            return np.full((*shape, n), np.float32(np.nan))

        return {
            "origin": np.zeros(n),  # the first value: all else is kept relative to it
            "seen": zeros(3),  # points, and those whose rhythm was known
            "low": zeros(),
            "high": zeros(),
            "rhythm": unknown(2, self.n_day),  # of working days, of weekends
            "near_slots": unknown(self.n_near),  # spreads by the time of day
            "far_slots": unknown(2, self.n_far),
            "near": zeros(3),
            "far": zeros(3),
            "spread": zeros(3),
            "far_spread": zeros(3),
            "error": zeros(3),
            "before": zeros(),  # the last point's sigmas
            "lately": zeros(self.n_lasting - 1),  # far sigmas of the last points
            "top": zeros(),  # the highest evidence of late, and for how many seconds it was
            "topped": np.full(n, np.float32(np.inf)),
            "peaks": zeros(N_BINS),  # how many reached each bin
            "n_peaks": zeros(),  # of how many points
            "tail": tail(zeros(N_BINS)),
        }

    def _set(self, state: dict[str, np.ndarray]) -> None:
        super()._set(state)
        self._now: tuple[np.datetime64, _View] | None = None  # what `_view` last answered
        self._last: tuple[np.ndarray, _Judged] | None = None  # and `_judge`

    # -- the protocol ------------------------------------------------------------------------

    def score(self, at: np.datetime64, values: np.ndarray) -> np.ndarray:
        state, judged = self._state, self._judge(at, values)
        age = state["seen"][NONE] * self.step_seconds
        share = SHARE + YOUNG_SHARE * np.exp(-age / YOUNG_SECONDS)
        rarity = RARE * bits(
            judged.evidence, state["peaks"], state["n_peaks"], Tail(*state["tail"])
        )
        point = (1 - share) * np.minimum(judged.evidence, CAP) + share * rarity
        point = np.minimum(point, LOUD + HUSH * (point - LOUD))
        score = np.maximum(point, LASTING * judged.lasting)
        ready = judged.came & (state["seen"][NONE] >= self.warmup)
        return np.where(ready, score.astype(float), np.nan)

    def expect(self, at: np.datetime64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        state, view = self._state, self._view(at)
        ready = state["seen"][NONE] >= self.warmup
        centre = np.where(ready, view.chosen(view.base + state["far"]) + state["origin"], np.nan)
        reach = USUAL_SIGMAS * view.far_scale
        nothing = (-state["origin"]).astype(np.float32)  # as exactly as the lowest is kept
        positive = state["low"] >= nothing  # what never was negative stays so
        lower = np.minimum(np.maximum(centre - reach, np.where(positive, 0.0, -np.inf)), centre)
        return centre, lower, centre + reach

    def learn(self, at: np.datetime64, values: np.ndarray) -> Self:
        came = np.isfinite(values)
        if not came.any():
            return self
        self._begin(values, came)
        view, judged = self._view(at), self._judge(at, values)
        self._learn_peaks(judged)
        self._learn_slots(view, judged)
        self._learn_rhythm(view, judged)
        self._learn_levels(view, judged)
        state = self._state
        state["before"] = np.where(came, judged.sigmas, state["before"])
        shifted = np.concatenate([state["lately"][1:], judged.far_sigmas[None]])
        state["lately"] = np.where(came, shifted, state["lately"])
        state["low"] = np.minimum(state["low"], judged.own)  # 0 lies within: it is the origin
        state["high"] = np.maximum(state["high"], judged.own)
        state["seen"] = state["seen"] + (came & view.known)
        self._now = self._last = None
        return self

    # -- seeing ------------------------------------------------------------------------------

    def _view(self, at: np.datetime64) -> _View:
        """Scoring, expecting and learning one step look at the same view; it is made once."""
        if self._now is None or self._now[0] != at:
            self._now, self._last = (at, self._look(at)), None
        return self._now[1]

    def _look(self, at: np.datetime64) -> _View:
        state = self._state
        slot, weekend = int(slot_of_day(at, self.n_day, self.zone)), int(is_weekend(at, self.zone))
        near_slot, far_slot = slot * self.n_near // self.n_day, slot * self.n_far // self.n_day
        base, known = self._bases(slot, weekend)
        daily, weekly = self._followed(known)
        rounding = 1e-9 * (1 + np.abs(state["origin"]))
        floor = np.maximum(FLOOR * (state["high"] - state["low"]), rounding).astype(np.float32)
        where = (weekend, slot, near_slot, far_slot)
        view = _View(*where, base, known, daily, weekly, floor, floor, floor)
        return view._replace(
            scale=_scale(state["near_slots"][near_slot], view.chosen(state["spread"]), floor),
            far_scale=_scale(
                state["far_slots"][weekend, far_slot], view.chosen(state["far_spread"]), floor
            ),
        )

    def _bases(self, slot: int, weekend: int) -> tuple[np.ndarray, np.ndarray]:
        """Each rhythm's value and whether it is known; that of all days is the week's mean."""
        days = self._state["rhythm"][:, slot]
        seen = ~np.isnan(days)
        some, both = seen.any(axis=0), seen.all(axis=0)
        mean = np.where(both, WEEK @ days, np.where(seen[0], days[0], days[1]))
        base = np.stack([np.zeros_like(mean), mean, days[weekend]])
        known = np.stack([np.ones_like(some), some, both])
        return np.where(known, base, np.float32(0)), known

    def _followed(self, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which series follow a rhythm, and which of these the one by the week."""
        seen, error = self._state["seen"] * self.step_seconds, self._state["error"]
        best = error[NONE]
        daily = known[ALL_DAYS] & (seen[NONE] > DAY) & (BEATS * error[ALL_DAYS] < best)
        best = np.where(daily, BEATS * error[ALL_DAYS], best)
        old = (seen[NONE] > WEEK_SECONDS) & (seen[BY_WEEK] > DAY)
        weekly = known[BY_WEEK] & old & (BEATS * error[BY_WEEK] < best)
        return daily, weekly

    def _judge(self, at: np.datetime64, values: np.ndarray) -> _Judged:
        view = self._view(at)
        if self._last is None or not np.array_equal(self._last[0], values, equal_nan=True):
            self._last = (values.copy(), self._held(view, values))
        return self._last[1]

    def _held(self, view: _View, values: np.ndarray) -> _Judged:
        state = self._state
        came = np.isfinite(values)
        own = np.where(came, values - state["origin"], 0.0).astype(np.float32)
        off = own - view.base
        near, far = off - state["near"], off - state["far"]
        sigmas, distant = view.chosen(near) / view.scale, view.chosen(far) / view.far_scale
        twice = np.minimum(np.abs(sigmas), np.abs(state["before"]))
        twice *= sigmas * state["before"] > 0
        evidence = np.log2(1 + np.maximum(np.abs(sigmas), FAR_WEIGHT * np.abs(distant)))
        evidence = np.maximum(evidence, TWICE * np.log2(1 + twice))
        least = np.minimum(distant, state["lately"].min(axis=0))
        most = np.maximum(distant, state["lately"].max(axis=0))
        lasting = np.log2(1 + np.maximum(np.maximum(least, -most), 0))
        beyond = self._beyond(own, evidence)
        return _Judged(own, came, near, far, sigmas, distant, beyond, lasting)

    def _beyond(self, own: np.ndarray, evidence: np.ndarray) -> np.ndarray:
        """The evidence, and more of it where a point leaves the range seen."""
        state = self._state
        width = state["high"] - state["low"]
        out = np.maximum(own - state["high"], state["low"] - own)
        new = np.flatnonzero((out > 0) & (width > 0))
        age = state["seen"][NONE, new] * float(self.step_seconds)
        weight = RANGE_WEIGHT * np.exp(-age / RANGE_SECONDS)
        evidence[new] += weight * np.log2(1 + 4 * out[new] / width[new])
        return evidence

    # -- learning ----------------------------------------------------------------------------

    def _begin(self, values: np.ndarray, came: np.ndarray) -> None:
        first = came & (self._state["seen"][NONE] == 0)
        if first.any():
            self._state["origin"] = np.where(first, values, self._state["origin"])
            self._now = self._last = None

    def _rate(self, memory_seconds: float) -> float:
        return 1 - float(np.exp(-self.step_seconds / memory_seconds))

    def _learn_peaks(self, judged: _Judged) -> None:
        """Count a peak for each bin it reached; a full record forgets a seventh."""
        state, came = self._state, judged.came
        stale = state["topped"] > PEAK_SECONDS
        top = np.where(stale & came, 0, state["top"])
        rises = came & (judged.evidence > top)
        state["top"] = np.where(rises, judged.evidence, top)
        since = np.where(rises, 0, state["topped"] + self.step_seconds)
        state["topped"] = np.where(came, since, state["topped"]).astype(np.float32)
        counted = came & (state["seen"][NONE] >= 4)  # the first distances say nothing
        state["n_peaks"] = state["n_peaks"] + counted
        full = state["n_peaks"] > max(MEMORY_SECONDS / self.step_seconds, 7)
        touched = np.flatnonzero((counted & rises & (judged.evidence > 1)) | full)
        if not touched.size:
            return
        new = reached(judged.evidence[touched]) & (counted & rises)[touched]
        kept = np.where(full[touched], KEPT, 1)
        peaks = ((state["peaks"][:, touched] + new) * kept).astype(np.float32)
        state["peaks"][:, touched] = peaks
        state["n_peaks"][touched] *= kept
        state["tail"][:, touched] = tail(peaks)

    def _learn_levels(self, view: _View, judged: _Judged) -> None:
        state, seen = self._state, self._state["seen"]
        here, warm = judged.came & view.known, seen >= self.warmup
        slow = here * np.maximum(self._rate(SPREAD_SECONDS), 1 / np.maximum(seen, 1)) * (seen > 0)
        near_seconds = max(NEAR_SECONDS, NEAR_STEPS * self.step_seconds)
        self._learn_errors(view, judged)
        for level, spread, off, seconds in (
            ("near", "spread", judged.near, near_seconds),
            ("far", "far_spread", judged.far, FAR_SECONDS),
        ):
            reach = CLIP * np.maximum(state[spread], view.floor)
            pull = np.where(warm, np.clip(off, -reach, reach), off)
            sigma = MEAN_ABS_TO_SIGMA * np.abs(pull)
            state[spread] = state[spread] + slow * (sigma - state[spread])
            rate = np.maximum(self._rate(seconds), 1 / (seen + 1))
            state[level] = state[level] + here * rate * pull

    def _learn_errors(self, view: _View, judged: _Judged) -> None:
        """How far off each rhythm has lain of late, wild points clipped alike for all."""
        state, seen = self._state, self._state["seen"]
        limit = 2 * CLIP * np.maximum(state["spread"][NONE], view.floor)
        limit = np.where(seen[NONE] >= self.warmup, limit, np.float32(np.inf))
        missed = np.minimum(np.abs(judged.near), limit)
        rate = np.maximum(self._rate(ERROR_SECONDS), 1 / np.maximum(seen, 1))
        rate = rate * (judged.came & view.known & (seen > 0))
        state["error"] = state["error"] + rate * (missed - state["error"])

    def _learn_slots(self, view: _View, judged: _Judged) -> None:
        """The spreads by the time of day, younger series faster."""
        state, seen = self._state, self._state["seen"][NONE]
        came, warm = judged.came & (seen > 0), seen >= self.warmup
        days = seen * (self.step_seconds / DAY)
        for row, off, scale, age in (
            (state["near_slots"][view.near_slot], judged.near, view.scale, days),
            (
                state["far_slots"][view.weekend, view.far_slot],
                judged.far,
                view.far_scale,
                days * WEEK[view.weekend],
            ),
        ):
            limit = np.where(warm, CLIP * scale, np.float32(np.inf))
            sigma = MEAN_ABS_TO_SIGMA * np.minimum(np.abs(view.chosen(off)), limit)
            n_slots = self.n_near if off is judged.near else self.n_far
            part = min(1.0, self.step_seconds * n_slots / DAY)
            _move(row, sigma, part * np.maximum(1 / SLOT_DAYS, 1 / np.maximum(age, 1)), came)

    def _learn_rhythm(self, view: _View, judged: _Judged) -> None:
        state, seen = self._state, self._state["seen"][NONE]
        reach = CLIP * np.maximum(view.chosen(state["spread"]), view.floor)
        reach = np.where(seen >= self.warmup, reach, np.float32(np.inf))
        off = view.chosen(judged.near)
        tame = judged.own - off + np.clip(off, -reach, reach)
        days = seen * (self.step_seconds / DAY) * WEEK[view.weekend] + 1
        part = min(1.0, self.step_seconds * self.n_day / DAY)
        row = state["rhythm"][view.weekend, view.slot]
        new = np.where(np.isnan(row), judged.own, tame)  # a first Saturday is no wild Friday
        _move(row, new, part / np.minimum(days, RHYTHM_DAYS), judged.came)


def _scale(own: np.ndarray, overall: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """The spread of a time of day, NaN where it has none yet, drawn to that of all the day."""
    own = np.where(np.isnan(own), overall, own)
    scale: np.ndarray = np.sqrt(SLOT_SHARE * own**2 + (1 - SLOT_SHARE) * overall**2 + floor**2)
    return scale


def _move(row: np.ndarray, new: np.ndarray, rate: np.ndarray, where: np.ndarray) -> None:
    """Move `row` towards `new` in place; NaN in it takes `new` as it is."""
    moved = np.where(np.isnan(row), new, row + rate * (new - row))
    np.copyto(row, moved, where=where, casting="same_kind")
