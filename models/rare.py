"""Metrics of which single points matter, with a daily rhythm or none, young or old."""

from typing import NamedTuple, Self

import numpy as np

from features.rhythm import calendar, slot_of_day
from features.robust import MEAN_ABS_TO_SIGMA
from models.columns import Columns

DAY = 86_400
# The constants were chosen together, on the train parts of the AIOPS KPIs and the first half of
# NAB. Halving or doubling most of them changes little; those that do not forgive say so.
NEAR_STEPS, NEAR_SECONDS = 24, 300  # memory of the level that follows closely, the longer one
FAR_SECONDS = DAY  # of the level that a fault of some hours does not carry away
SPREAD_SECONDS = 7 * DAY  # of both levels' spread
SCALE_DAYS, N_SCALES = 14.0, 48  # of the spread by the half hour
SLOT_SHARE = 0.75  # of the half hour's own spread, in variance
FLOOR = (
    0.01  # of the range seen: less is not worth waking anyone (.003 took a fifth of NAB's score)
)
CLIP = 5.0  # sigmas that one point may pull at what is known
RHYTHM_DAYS = 10.0  # memory of the time of day
BEATS = 1.05  # a rhythm must lie nearer by so much than none
ERROR_SECONDS = 2 * DAY  # over which the two are compared
USUAL_SIGMAS = 3.0  # how wide the band of `expect` is
FAR_WEIGHT = 0.8  # of the far distance
LASTING = 1.1  # what two points in a row on one side count more than one
RANGE_WEIGHT, RANGE_SECONDS = 2.0, 60 * DAY  # of what lies beyond all seen; less as a series ages
BIN, N_BINS = 1 / 6, 42  # of the record of evidence, from 1 (one sigma) to 8
MEMORY_SECONDS = 7 * DAY  # of the record
PEAK_SECONDS = 6 * 3600  # one peak within them counts once: a long fault is no habit
TAIL_PEAKS = 3.0  # beyond the third highest peak the record is continued by a tail,
TAIL_MEAN, TAIL_PRIOR = 0.2, 20.0  # exponential in evidence, Pareto in sigmas
UNSEEN = 20.0  # points more than seen, so that nothing is impossible
CAP = 4.5  # of plain evidence: beyond 22 sigmas only what is rare for the series counts
LOG2_E = float(np.log2(np.e))
RARE = 1 / 3  # of a bit: what makes rarity as large as evidence
SHARE, YOUNG_SHARE, YOUNG_SECONDS = 0.5, 0.3, 14 * DAY  # of rarity in the score; more when young


class _View(NamedTuple):
    """What is known for one moment; leading axes of 2 are (no rhythm, rhythm)."""

    slot: int
    half_hour: int
    base: np.ndarray  # (2, n) the rhythm's value, 0 where there is none
    known: np.ndarray  # (2, n) whether it is known
    rhythm: np.ndarray  # (n,) whether it is followed
    floor: np.ndarray  # (n,) the least spread
    spread: np.ndarray  # (2, n) of the near level
    scale: np.ndarray  # (n,) of the near distance
    far_scale: np.ndarray  # (n,)


class _Judged(NamedTuple):
    """One step's points held against a view."""

    own: np.ndarray  # (n,) values less the origin, 0 where no point came
    came: np.ndarray  # (n,)
    near: np.ndarray  # (2, n) distances
    far: np.ndarray  # (2, n)
    sigmas: np.ndarray  # (n,)
    evidence: np.ndarray  # (n,)


class Rare(Columns):
    """How far a point lies from what is normal now, and how rare that is for its series.

    Two levels run side by side, one near and one that remembers for a day, both with and
    without a rhythm by time of day; the rhythm is followed where it has been nearer lately.
    *Evidence* is log2(1 + sigmas) of the worse distance, the spread being the half hour's, and
    more where a point leaves the range seen so far. *Rarity* is a third of the bits of its tail
    probability among the series' own past peaks, with a Pareto tail beyond the third highest.
    The score is half of each: evidence alone wakes a desk for series that are always wild,
    rarity alone alarms as often on calm series as on sick ones. A young series leans on rarity.
    Ordinary points score below 2; on public series 3.4 was worth a page. In a series' first
    days whatever is new scores high. Learning is clipped: a fault moves what is normal slowly.

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
    >>> bool(calm < 2 < 4 < wild)
    True

    References
    ----------
    Vovk, Gammerman, Shafer (2005), Algorithmic Learning in a Random World, section 2.2: the
    rank among the past as a probability. Siffer, Fouque, Termier, Largouet (2017), Anomaly
    Detection in Streams with Extreme Value Theory, section 3: the tail beyond what was seen.
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
        self.n_day = int(np.clip(DAY // step_seconds, 1, 288))
        self.n_scales = min(N_SCALES, self.n_day)
        self._set(self._blank(n_series))

    def _blank(self, n: int) -> dict[str, np.ndarray]:
        def zeros(*shape: int) -> np.ndarray:
            return np.zeros((*shape, n), np.float32)

        return {
            "origin": np.zeros(n),  # the first value: all else is kept relative to it
            "seen": zeros(2),  # points, and those whose rhythm was known
            "low": zeros(),
            "high": zeros(),
            "day": np.full((self.n_day, n), np.float32(np.nan)),
            "scales": np.full((self.n_scales, n), np.float32(np.nan)),
            "near": zeros(2),
            "far": zeros(2),
            "spread": zeros(2),
            "far_spread": zeros(2),
            "error": zeros(2),
            "before": zeros(),  # the last point's sigmas
            "top": zeros(),  # the highest evidence of late, and for how many seconds it was
            "topped": np.full(n, np.float32(np.inf)),
            "peaks": zeros(N_BINS),  # how many reached each bin
            "n_peaks": zeros(),  # of how many points
            "tail": _tail(zeros(N_BINS)),  # from where, how many peaks, their mean excess
        }

    def _set(self, state: dict[str, np.ndarray]) -> None:
        super()._set(state)
        self._now: tuple[np.datetime64, _View] | None = None  # what `_view` last answered
        self._last: tuple[np.ndarray, _Judged] | None = None  # and `_judge`

    # -- the protocol ------------------------------------------------------------------------

    def score(self, at: np.datetime64, values: np.ndarray) -> np.ndarray:
        judged = self._judge(at, values)
        age = self._state["seen"][0] * self.step_seconds
        share = SHARE + YOUNG_SHARE * np.exp(-age / YOUNG_SECONDS)
        evidence = np.minimum(judged.evidence, CAP)
        score = (1 - share) * evidence + share * self._rarity(judged.evidence)
        ready = judged.came & (self._state["seen"][0] >= self.warmup)
        return np.where(ready, score.astype(float), np.nan)

    def expect(self, at: np.datetime64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        state, view = self._state, self._view(at)
        ready = state["seen"][0] >= self.warmup
        level = _chosen(view.base + state["far"], view.rhythm)
        centre = np.where(ready, level + state["origin"], np.nan)
        reach = USUAL_SIGMAS * view.far_scale
        positive = state["low"] + state["origin"] >= 0  # what never was negative stays so
        lower = np.minimum(np.maximum(centre - reach, np.where(positive, 0.0, -np.inf)), centre)
        return centre, lower, centre + reach

    def learn(self, at: np.datetime64, values: np.ndarray) -> Self:
        came = np.isfinite(values)
        if not came.any():
            return self
        self._begin(values, came)
        view, judged = self._view(at), self._judge(at, values)
        self._learn_peaks(judged)
        self._learn_levels(view, judged)
        self._learn_rhythm(view, judged)
        state = self._state
        state["before"] = np.where(came, judged.sigmas, state["before"])
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
        slot = int(slot_of_day(at, self.n_day, self.zone))
        half_hour = slot * self.n_scales // self.n_day
        known = ~np.isnan(state["day"][slot])
        base = np.where(known, state["day"][slot], np.float32(0))
        old = state["seen"][0] * self.step_seconds > DAY
        rhythm = known & old & (state["error"][1] * BEATS < state["error"][0])
        rounding = 1e-9 * (1 + np.abs(state["origin"]))
        width = state["high"] - state["low"]
        floor = np.maximum(FLOOR * width, rounding).astype(np.float32)
        spread = _chosen(state["spread"], rhythm)
        own = state["scales"][half_hour]
        own = np.where(np.isnan(own), spread, own)
        scale = np.sqrt(SLOT_SHARE * own**2 + (1 - SLOT_SHARE) * spread**2 + floor**2)
        far_scale = np.hypot(_chosen(state["far_spread"], rhythm), floor)
        return _View(
            slot,
            half_hour,
            np.stack([np.zeros_like(base), base]),
            np.stack([np.ones_like(known), known]),
            rhythm,
            floor,
            np.maximum(state["spread"], floor),
            scale,
            far_scale,
        )

    def _judge(self, at: np.datetime64, values: np.ndarray) -> _Judged:
        view = self._view(at)
        if self._last is None or not np.array_equal(self._last[0], values, equal_nan=True):
            self._last = (values.copy(), self._held(view, values))
        return self._last[1]

    def _held(self, view: _View, values: np.ndarray) -> _Judged:
        state = self._state
        came = np.isfinite(values)
        own = np.where(came, values - state["origin"], 0.0).astype(np.float32)
        near, far = own - view.base - state["near"], own - view.base - state["far"]
        sigmas = _chosen(near, view.rhythm) / view.scale
        distant = FAR_WEIGHT * np.abs(_chosen(far, view.rhythm)) / view.far_scale
        evidence = np.log2(1 + np.maximum(np.abs(sigmas), distant))
        lasts = np.minimum(np.abs(sigmas), np.abs(state["before"]))
        lasts *= sigmas * state["before"] > 0
        evidence = np.maximum(evidence, LASTING * np.log2(1 + lasts))
        return _Judged(own, came, near, far, sigmas, self._beyond(own, evidence))

    def _beyond(self, own: np.ndarray, evidence: np.ndarray) -> np.ndarray:
        """The evidence, and more of it where a point leaves the range seen."""
        state = self._state
        width = state["high"] - state["low"]
        out = np.maximum(own - state["high"], state["low"] - own)
        new = np.flatnonzero((out > 0) & (width > 0))
        age = state["seen"][0, new] * float(self.step_seconds)
        weight = RANGE_WEIGHT * np.exp(-age / RANGE_SECONDS)
        evidence[new] += weight * np.log2(1 + 4 * out[new] / width[new])
        return evidence

    def _rarity(self, evidence: np.ndarray) -> np.ndarray:
        """Bits of the tail probability of `evidence` in each series' record, times RARE."""
        state = self._state
        place = np.clip((evidence - 1) / BIN, 0, N_BINS - 1.001)
        lower = place.astype(np.int32)
        fraction, column = place - lower, np.arange(len(evidence))
        least = 1 / (state["n_peaks"] + UNSEEN)
        of = 1 / np.maximum(state["n_peaks"], 1)
        here = np.log2(state["peaks"][lower, column] * of + least)
        next_up = np.log2(state["peaks"][lower + 1, column] * of + least)
        start, n_beyond, mean = state["tail"]
        within = here + fraction * (next_up - here)
        excess = (evidence - start) / mean
        tail = np.log2(n_beyond * of + least) - excess * LOG2_E
        bits = -np.where(excess > 0, tail, within)
        rarity: np.ndarray = RARE * np.where(evidence > 1, np.maximum(bits, 0), 0)
        return rarity

    # -- learning ----------------------------------------------------------------------------

    def _begin(self, values: np.ndarray, came: np.ndarray) -> None:
        first = came & (self._state["seen"][0] == 0)
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
        counted = came & (state["seen"][0] >= 4)  # the first distances say nothing
        state["n_peaks"] = state["n_peaks"] + counted
        full = state["n_peaks"] > max(MEMORY_SECONDS / self.step_seconds, 7)
        touched = np.flatnonzero((counted & rises & (judged.evidence > 1)) | full)
        if not touched.size:
            return
        bins = 1 + BIN * np.arange(N_BINS)[:, None]
        reached = (judged.evidence[touched] >= bins) & (counted & rises)[touched]
        kept = np.where(full[touched], 6 / 7, 1)
        peaks = ((state["peaks"][:, touched] + reached) * kept).astype(np.float32)
        state["peaks"][:, touched] = peaks
        state["n_peaks"][touched] *= kept
        state["tail"][:, touched] = _tail(peaks)

    def _learn_levels(self, view: _View, judged: _Judged) -> None:
        state = self._state
        seen = state["seen"]
        here = judged.came & view.known
        age = 1 / np.maximum(seen, 1)
        next_age = 1 / (seen + 1)
        warm = seen >= self.warmup
        reach = np.where(warm, CLIP * view.spread, np.float32(np.inf))
        far_reach = np.where(
            warm, CLIP * np.maximum(state["far_spread"], view.floor), np.float32(np.inf)
        )
        near_seconds = max(NEAR_SECONDS, NEAR_STEPS * self.step_seconds)
        slow = here * np.maximum(self._rate(SPREAD_SECONDS), age) * (seen > 0)
        error = here[1] * np.maximum(self._rate(ERROR_SECONDS), age[1]) * (seen[1] > 0)
        size, far_size = np.abs(judged.near), np.abs(judged.far)
        missed = np.minimum(size, 2 * reach[0])
        state["error"] = state["error"] + error * (missed - state["error"])
        for name, sizes, limit in (
            ("spread", size, reach),
            ("far_spread", far_size, far_reach),
        ):
            sigma = MEAN_ABS_TO_SIGMA * np.minimum(sizes, limit)
            state[name] = state[name] + slow * (sigma - state[name])
        for name, off, limit, memory in (
            ("near", judged.near, reach, near_seconds),
            ("far", judged.far, far_reach, FAR_SECONDS),
        ):
            rate = here * np.maximum(self._rate(memory), next_age)
            state[name] = state[name] + rate * np.clip(off, -limit, limit)
        self._learn_scales(view, judged)

    def _learn_scales(self, view: _View, judged: _Judged) -> None:
        """The spread of the half hour, younger series faster."""
        state, seen = self._state, self._state["seen"][0]
        size = np.abs(_chosen(judged.near, view.rhythm))
        limit = np.where(seen >= self.warmup, CLIP * view.scale, np.float32(np.inf))
        sigma = MEAN_ABS_TO_SIGMA * np.minimum(size, limit)
        days = np.maximum(seen * (self.step_seconds / DAY), 1)
        part = min(1.0, self.step_seconds * self.n_scales / DAY)
        rate = part * np.maximum(1 / SCALE_DAYS, 1 / days)
        row = state["scales"][view.half_hour]
        _move(row, sigma, rate, judged.came & (seen > 0))

    def _learn_rhythm(self, view: _View, judged: _Judged) -> None:
        state, seen = self._state, self._state["seen"][0]
        reach = _chosen(view.spread, view.rhythm)
        reach = np.where(seen >= self.warmup, CLIP * reach, np.float32(np.inf))
        off = _chosen(judged.near, view.rhythm)
        tame = judged.own - off + np.clip(off, -reach, reach)
        days = seen * (self.step_seconds / DAY) + 1
        part = min(1.0, self.step_seconds * self.n_day / DAY)
        _move(state["day"][view.slot], tame, part / np.minimum(days, RHYTHM_DAYS), judged.came)


def _chosen(both: np.ndarray, rhythm: np.ndarray) -> np.ndarray:
    """Of (no rhythm, rhythm), what each series follows."""
    chosen: np.ndarray = np.where(rhythm, both[1], both[0])
    return chosen


def _move(row: np.ndarray, new: np.ndarray, rate: np.ndarray, where: np.ndarray) -> None:
    """Move `row` towards `new` in place; NaN in it takes `new` as it is."""
    moved = np.where(np.isnan(row), new, row + rate * (new - row))
    np.copyto(row, moved, where=where, casting="same_kind")


def _tail(peaks: np.ndarray) -> np.ndarray:
    """Where the tail begins, how many peaks lie beyond and their mean excess, shape (3, n).

    `peaks` (N_BINS, n) says how many reached each bin. The mean is drawn to TAIL_MEAN.

    >>> _tail(np.where(np.arange(N_BINS)[:, None] < 12, 5.0, 0.0)).round(2).T
    array([[3. , 0. , 0.2]], dtype=float32)
    """
    beyond = peaks <= TAIL_PEAKS
    beyond[-1] = True
    first = beyond.argmax(axis=0)
    n = np.take_along_axis(peaks, first[None], axis=0)[0]
    excess = BIN * np.where(beyond, peaks, 0).sum(axis=0)
    tail = [1 + BIN * first, n, (excess + TAIL_MEAN * TAIL_PRIOR) / (n + TAIL_PRIOR)]
    return np.stack(tail).astype(np.float32)
