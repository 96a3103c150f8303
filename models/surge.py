"""Tickets that come faster than the desk's rhythm explains."""

from typing import Self

import numpy as np

from features.rhythm import (
    DAY_SECONDS,
    WEEK_SECONDS,
    Calendar,
    calendar,
    local_seconds,
    slot_of_week,
)
from models.columns import Columns

HOURS = 168  # of the week
WINDOW_MINUTES = (15, 30, 60, 120, 240, 360)
PROFILE_HALF_LIFE = 8.0  # weeks
LEVEL_HALF_LIFE = 14.0 * DAY_SECONDS
TODAY_HALF_LIFE, TODAY_LAG = 8.0 * 3600, 4 * 3600  # today's trend must not hide an outbreak
COMMON_HALF_LIFE = 1.5 * 3600  # of how busy the whole desk is right now
COMMON_MOST = 1.25  # more than this at once is no busy hour: it is to be told
DISPERSION_HALF_LIFE = 28.0 * DAY_SECONDS
PRIOR_TICKETS = 10.0  # what an hour of the week must show before it is believed by itself
PRIOR_LEVEL, PRIOR_COMMON = 30.0, 60.0  # the same for the ratios of late to usual
FIRST_PHI, PHI_WEIGHT = 0.05, 200.0  # dispersion to start from, and its weight in squared tickets
DAMPED = 0.35  # of the dispersion: all of it takes more evidence away than chance adds
TAMED_ABOVE = 3.0  # evidence from which an outbreak is learnt as less than it is
USUAL_SIGMAS = 3.0


class Surge(Columns):
    """Evidence that more tickets came than usual, by a scan over windows that end now.

    `values` are the tickets of one step, one column a category. What is usual is a rate for
    each hour of the week, drawn towards the same hour of other days where tickets are few,
    times how busy the last two weeks have been, this day up to four hours ago, and the whole desk
    in the last hour or two (up to a quarter more: a desk that doubles is told). The score is
    max over windows of [n ln(n/m) - (n - m)] / (1 + .35 phi m), 0 where no window has more than
    usual: a likelihood ratio against any excess, damped by how much wilder than Poisson the
    category's own counts are in windows as long.

    Parameters
    ----------
    n_series
        How many categories are watched side by side.
    step_seconds
        The length of one step.
    timezone
        Whose clock the rhythm follows, summer time included.
    days_off
        Local dates parted by commas ("2026-12-25,2026-12-26") that the week takes for Sundays.
    warmup_days
        Days a category must have been counted before it gets a score.
    desks
        How many desks the series belong to, as many to each, side by side; one desk's total may be
        among its series.

    Examples
    --------
    >>> detector, at = Surge(n_series=1, step_seconds=3600), np.datetime64("2026-01-05T00:00")
    >>> for hour in range(24 * 14):
    ...     detector = detector.learn(at + np.timedelta64(hour, "h"), np.array([5.0 + hour % 2]))
    >>> later = at + np.timedelta64(14, "D")
    >>> detector.score(later, np.array([25.0])) > detector.score(later, np.array([9.0]))
    array([ True])

    References
    ----------
    Noufaily et al. (2013), An improved algorithm for outbreak detection in multiple surveillance
    systems; Kulldorff (2001), Prospective time periodic geographical disease surveillance using
    a scan statistic.
    """

    common = True

    def __init__(
        self,
        n_series: int,
        step_seconds: int = 300,
        timezone: str = "UTC",
        warmup_days: float = 7.0,
        days_off: str = "",
        desks: int = 1,
    ) -> None:
        if step_seconds < 1:
            raise ValueError(f"step_seconds must be at least 1, got {step_seconds}")
        self.step_seconds = step_seconds
        self.desks = desks
        self.warmup = warmup_days * DAY_SECONDS / step_seconds
        self.zone = calendar(timezone, days_off)
        steps = [max(round(minutes * 60 / step_seconds), 1) for minutes in WINDOW_MINUTES]
        self.windows = np.unique(steps)
        self.longest = int(self.windows[-1])
        self.lag = max(round(TODAY_LAG / step_seconds), 1)
        self._set(self._blank(n_series))

    def _blank(self, n: int) -> dict[str, np.ndarray]:
        n_windows = len(self.windows)
        phi = np.array([FIRST_PHI * PHI_WEIGHT, PHI_WEIGHT])[:, None, None]
        return {
            "seen": np.zeros(n),
            "last": np.full(n, np.nan),  # the step learnt last, counted from 1970
            "tickets": np.zeros((HOURS, n)),
            "steps": np.zeros((HOURS, n)),
            "level": np.zeros((2, n)),  # decayed tickets, and those expected by the profile
            "today": np.zeros((2, n)),
            "common": np.zeros((2, n)),  # the same for every series of a desk
            "phi": np.tile(phi, (1, n_windows, n)),
            "counts": np.zeros((self.longest, n)),  # of the last steps, each in its place
            "usual": np.zeros((self.longest, n)),
            "windowed": np.zeros((2, n_windows, n)),  # of both, in each window less its newest step
            "tame": np.zeros((self.lag, n)),  # the counts as they were believed
            "base": np.zeros((self.lag, n)),  # expected without regard to the day so far
        }

    # -- the protocol ------------------------------------------------------------------------

    def score(self, at: np.datetime64, values: np.ndarray) -> np.ndarray:
        n, m = self._windowed(values, self._usual(at))
        ready = self._state["seen"] >= self.warmup
        excess = np.where(n > m, self._evidence(n, m), 0.0).max(axis=0)
        return np.where(ready & np.isfinite(values), excess, np.nan)

    def expect(self, at: np.datetime64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ready = self._state["seen"] >= self.warmup
        usual = np.where(ready, self._usual(at), np.nan)
        reach = USUAL_SIGMAS * np.sqrt(usual * (1 + self._phi()[0] * usual))
        return usual, np.maximum(usual - reach, 0.0), usual + reach

    def learn(self, at: np.datetime64, values: np.ndarray) -> Self:
        came = np.isfinite(values)
        if not came.any():
            return self
        now = _step(at, self.step_seconds)
        self._empty_missed(now)
        values, usual = np.where(came, values, 0.0), np.where(came, self._usual(at), 0.0)
        n, m = self._windowed(values, usual)
        ready = self._state["seen"] >= self.warmup
        believed = np.minimum(1, TAMED_ABOVE / np.maximum(self._evidence(n, m).max(axis=0), 1e-9))
        tame = np.where(ready, usual + believed * (values - usual), values)
        base = np.where(came, self._base(at), 0.0)
        self._learn_level(at, now, tame, base * self._common(), came)
        self._learn_common(np.stack([tame, base]) * (came & ready))
        self._learn_phi(n, m, came)
        self._learn_profile(at, tame, came)
        self._shift(now, np.stack([values, usual]))
        self._state["seen"] = self._state["seen"] + came
        self._state["last"] = np.where(came, float(now), self._state["last"])
        return self

    # -- what is usual -----------------------------------------------------------------------

    def _usual(self, at: np.datetime64) -> np.ndarray:
        """Tickets expected in the step at `at`, shape (n_series,)."""
        usual: np.ndarray = self._base(at) * self._common() * self._busy("today")
        return usual

    def _base(self, at: np.datetime64) -> np.ndarray:
        """The same without regard to today."""
        base: np.ndarray = self._profile(at) * self._busy("level")
        return base

    def _common(self) -> np.ndarray:
        tickets, expected = self._state["common"]
        ratio: np.ndarray = (tickets + PRIOR_COMMON) / (expected + PRIOR_COMMON)
        ratio = np.minimum(ratio, COMMON_MOST)
        return ratio

    def _busy(self, name: str) -> np.ndarray:
        tickets, expected = self._state[name]
        ratio: np.ndarray = (tickets + PRIOR_LEVEL) / (expected + PRIOR_LEVEL)
        return ratio

    def _profile(self, at: np.datetime64) -> np.ndarray:
        """The rate of the hour of the week, in a straight line from middle to middle."""
        past_middle = _into_the_hour(at, self.zone) - 0.5
        hour = int(slot_of_week(at, HOURS, self.zone))
        towards = at + np.timedelta64(1800 if past_middle > 0 else -1800, "s")
        neighbour = int(slot_of_week(towards, HOURS, self.zone))  # past midnight, another day
        weight = abs(past_middle)
        rate: np.ndarray = (1 - weight) * self._rate(hour) + weight * self._rate(neighbour)
        return rate

    def _rate(self, hour: int) -> np.ndarray:
        """Tickets a step in one hour of the week, shrunk: own < same hour of such days < all."""
        tickets, steps = self._state["tickets"], self._state["steps"]
        alike = slice(hour % 24, 120, 24) if hour < 120 else slice(120 + hour % 24, HOURS, 24)
        overall = (tickets.sum(axis=0) + 0.5) / (steps.sum(axis=0) + 1.0)
        group = _shrunk(tickets[alike].sum(axis=0), steps[alike].sum(axis=0), overall)
        return _shrunk(tickets[hour], steps[hour], group)

    def _phi(self) -> np.ndarray:
        """How much wilder than Poisson: the variance of n is m + phi m^2; (n_windows, n_series)."""
        top, bottom = self._state["phi"]
        phi: np.ndarray = np.maximum(top / bottom, 0.0)
        return phi

    # -- evidence ----------------------------------------------------------------------------

    def _windowed(self, values: np.ndarray, usual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tickets and expected tickets of every window that ends with this step."""
        n, m = self._state["windowed"]
        return n + values, np.maximum(m + usual, 1e-9)

    def _evidence(self, n: np.ndarray, m: np.ndarray) -> np.ndarray:
        """Likelihood ratio of `n` tickets against the mean `m`, damped by the dispersion."""
        ratio = np.maximum(n, 1e-9) / m
        evidence: np.ndarray = (n * np.log(ratio) - (n - m)) / (1 + DAMPED * self._phi() * m)
        return evidence

    # -- learning ----------------------------------------------------------------------------

    def _learn_level(
        self, at: np.datetime64, now: int, tame: np.ndarray, base: np.ndarray, came: np.ndarray
    ) -> None:
        state, row = self._state, now % self.lag
        ready = came & (state["seen"] >= self.warmup)
        keep = 0.5 ** (self.step_seconds / LEVEL_HALF_LIFE)
        new = np.stack([tame, self._profile(at)])
        state["level"] = np.where(ready, keep * state["level"] + new, state["level"])
        keep = 0.5 ** (self.step_seconds / TODAY_HALF_LIFE)
        left = np.stack([state["tame"][row], state["base"][row]])
        state["today"] = np.where(ready, keep * state["today"] + left, state["today"])
        state["tame"][row] = np.where(came, tame, 0)
        state["base"][row] = base

    def _learn_common(self, now: np.ndarray) -> None:
        """How busy the desk is right now, tame tickets against those expected: all categories."""
        keep = 0.5 ** (self.step_seconds / COMMON_HALF_LIFE)
        known = self._state["common"].reshape(2, self.desks, -1).max(axis=2)  # new ones have 0
        sums = keep * known + now.reshape(2, self.desks, -1).sum(axis=2)
        self._state["common"] = np.repeat(sums, now.shape[1] // self.desks, axis=1)

    def _shift(self, now: int, newest: np.ndarray) -> None:
        """Put the newest step into its place, and move every window on by one."""
        state = self._state
        for ring, windowed, new in zip(
            (state["counts"], state["usual"]), state["windowed"], newest, strict=True
        ):
            ring[now % self.longest] = new
            windowed += new - ring[(now + 1 - self.windows) % self.longest]

    def _empty_missed(self, now: int) -> None:
        """Steps that nobody learnt count as without tickets, of which none were expected."""
        state = self._state
        last = np.nanmax(state["last"], initial=-np.inf)
        if not 1 < now - last < np.inf:
            return
        for name, length in (("counts", self.longest), ("usual", self.longest),
                             ("tame", self.lag), ("base", self.lag)):  # fmt: skip
            missed = np.arange(max(int(last) + 1, now - length), now) % length
            state[name][missed] = 0
        rows = (now - 1 - np.arange(self.longest)) % self.longest  # the newest first
        for ring, windowed in zip(("counts", "usual"), state["windowed"], strict=True):
            sums = np.cumsum(state[ring][rows], axis=0)
            windowed[:] = np.where(self.windows[:, None] > 1, sums[self.windows - 2], 0)

    def _learn_phi(self, n: np.ndarray, m: np.ndarray, came: np.ndarray) -> None:
        """Moment estimate of the dispersion in each window, outliers pulled in to 3 sigmas."""
        state = self._state
        ready = came & (state["seen"] >= self.warmup)
        spread = m * (1 + self._phi() * m)
        excess = np.minimum((n - m) ** 2, 9 * spread) - m
        keep = 0.5 ** (self.step_seconds / DISPERSION_HALF_LIFE)
        prior = (1 - keep) * PHI_WEIGHT * np.array([FIRST_PHI, 1.0])[:, None, None]
        overlap = np.minimum(self.step_seconds / 3600, 1.0)
        new = np.stack([excess, m**2]) * overlap + prior
        state["phi"] = np.where(ready, keep * state["phi"] + new, state["phi"])

    def _learn_profile(self, at: np.datetime64, tame: np.ndarray, came: np.ndarray) -> None:
        state, hour = self._state, int(slot_of_week(at, HOURS, self.zone))
        keep = 0.5 ** (self.step_seconds / 3600 / PROFILE_HALF_LIFE)
        for name, new in (("tickets", tame), ("steps", np.ones_like(tame))):
            state[name][hour] = np.where(came, keep * state[name][hour] + new, state[name][hour])


def _into_the_hour(at: np.datetime64, zone: Calendar) -> float:
    """How much of its hour has gone, in [0, 1)."""
    return float(local_seconds(at, zone) % WEEK_SECONDS % 3600) / 3600


def _shrunk(tickets: np.ndarray, steps: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """A rate, as if `PRIOR_TICKETS` tickets had been seen beforehand at the rate `towards`."""
    rate: np.ndarray = (tickets + PRIOR_TICKETS) / (steps + PRIOR_TICKETS / towards)
    return rate


def _step(at: np.datetime64, step_seconds: int) -> int:
    """Which step since 1970 this is."""
    return int(at.astype("datetime64[s]").astype(np.int64)) // step_seconds
