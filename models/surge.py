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
WINDOW_MINUTES = (15, 30, 60, 120, 240)
PROFILE_HALF_LIFE = 8.0  # weeks
LEVEL_HALF_LIFE = 14.0 * DAY_SECONDS
TODAY_HALF_LIFE = 8.0 * 3600
DISPERSION_HALF_LIFE = 28.0 * DAY_SECONDS
PRIOR_TICKETS = 10.0  # what an hour of the week must show before it is believed by itself
PRIOR_LEVEL = 30.0  # the same for the ratio of late to usual
FIRST_PHI, PHI_WEIGHT = 0.05, 200.0  # dispersion to start from, and its weight in squared tickets
TAMED_ABOVE = 3.0  # evidence from which an outbreak is learnt as less than it is
USUAL_SIGMAS = 3.0


class Surge(Columns):
    """Evidence that more tickets came than usual, by a scan over windows that end now.

    `values` are the tickets of one step, one column a category. What is usual is a rate for
    each hour of the week, drawn towards the same hour of other days where tickets are few,
    times how busy the last two weeks have been, and this day up to four hours ago. The score is
    max over windows of [n ln(n/m) - (n - m)] / (1 + phi m), 0 where no window has more than
    usual: a likelihood ratio against any excess, divided by how much wilder than Poisson the
    desk's own counts are.

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

    def __init__(
        self,
        n_series: int,
        step_seconds: int = 300,
        timezone: str = "UTC",
        warmup_days: float = 7.0,
        days_off: str = "",
    ) -> None:
        if step_seconds < 1:
            raise ValueError(f"step_seconds must be at least 1, got {step_seconds}")
        self.step_seconds = step_seconds
        self.warmup = warmup_days * DAY_SECONDS / step_seconds
        self.zone = calendar(timezone, days_off)
        steps = [max(round(minutes * 60 / step_seconds), 1) for minutes in WINDOW_MINUTES]
        self.windows = np.unique(steps)
        self.hour_row = int(np.flatnonzero(self.windows >= min(3600 // step_seconds, steps[-1]))[0])
        self._set(self._blank(n_series))

    def _blank(self, n: int) -> dict[str, np.ndarray]:
        longest = int(self.windows[-1])
        return {
            "seen": np.zeros(n),
            "tickets": np.zeros((HOURS, n)),
            "steps": np.zeros((HOURS, n)),
            "level": np.zeros((2, n)),  # decayed tickets, and those expected by the profile
            "today": np.zeros((2, n)),
            "phi": np.stack([np.full(n, FIRST_PHI * PHI_WEIGHT), np.full(n, PHI_WEIGHT)]),
            "counts": np.zeros((longest, n)),  # the last steps, newest last
            "usual": np.zeros((longest, n)),
            "base": np.zeros((longest, n)),  # expected without regard to today
            "tame": np.zeros((longest, n)),  # the counts as they were believed
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
        reach = USUAL_SIGMAS * np.sqrt(usual * (1 + self._phi() * usual))
        return usual, np.maximum(usual - reach, 0.0), usual + reach

    def learn(self, at: np.datetime64, values: np.ndarray) -> Self:
        came = np.isfinite(values)
        if not came.any():
            return self
        values = np.where(came, values, 0.0)
        usual = self._usual(at)
        n, m = self._windowed(values, usual)
        believed = np.minimum(1, TAMED_ABOVE / np.maximum(self._evidence(n, m).max(axis=0), 1e-9))
        tame = usual + believed * (values - usual)
        tame = np.where(self._state["seen"] >= self.warmup, tame, values)
        base = usual / self._busy("today")
        self._learn_level(at, tame, came)
        self._learn_phi(n[self.hour_row], m[self.hour_row], came)
        self._learn_profile(at, tame, came)
        self._shift({"counts": values, "usual": usual, "base": base, "tame": tame}, came)
        self._state["seen"] = self._state["seen"] + came
        return self

    # -- what is usual -----------------------------------------------------------------------

    def _usual(self, at: np.datetime64) -> np.ndarray:
        """Tickets expected in the step at `at`, shape (n_series,)."""
        usual: np.ndarray = self._profile(at) * self._busy("level") * self._busy("today")
        return usual

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
        top, bottom = self._state["phi"]
        phi: np.ndarray = np.maximum(top / bottom, 0.0)
        return phi

    # -- evidence ----------------------------------------------------------------------------

    def _windowed(self, values: np.ndarray, usual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tickets and expected tickets of every window that ends with this step."""
        longest = self.windows[-1]
        n = np.cumsum(np.concatenate([values[None], self._state["counts"][:0:-1]]), axis=0)
        m = np.cumsum(np.concatenate([usual[None], self._state["usual"][:0:-1]]), axis=0)
        last = np.minimum(self.windows, longest) - 1
        return n[last], np.maximum(m[last], 1e-9)

    def _evidence(self, n: np.ndarray, m: np.ndarray) -> np.ndarray:
        """Likelihood ratio of `n` tickets against the mean `m`, damped by the dispersion."""
        ratio = np.maximum(n, 1e-9) / m
        evidence: np.ndarray = (n * np.log(ratio) - (n - m)) / (1 + self._phi() * m)
        return evidence

    # -- learning ----------------------------------------------------------------------------

    def _learn_level(self, at: np.datetime64, tame: np.ndarray, came: np.ndarray) -> None:
        state = self._state
        ready = came & (state["seen"] >= self.warmup)
        profile = self._profile(at)
        keep = 0.5 ** (self.step_seconds / LEVEL_HALF_LIFE)
        now = np.stack([tame, profile])
        state["level"] = np.where(ready, keep * state["level"] + now, state["level"])
        # What leaves the longest window: today's trend must not hide today's outbreak.
        keep = 0.5 ** (self.step_seconds / TODAY_HALF_LIFE)
        left = np.stack([state["tame"][0], state["base"][0]])
        state["today"] = np.where(ready, keep * state["today"] + left, state["today"])

    def _shift(self, newest: dict[str, np.ndarray], came: np.ndarray) -> None:
        for name, new in newest.items():
            ring = self._state[name]
            self._state[name] = np.where(came, np.concatenate([ring[1:], new[None]]), ring)

    def _learn_phi(self, n: np.ndarray, m: np.ndarray, came: np.ndarray) -> None:
        """Moment estimate of the dispersion of an hour's count, outliers pulled in to 3 sigmas."""
        state = self._state
        ready = came & (state["seen"] >= self.warmup)
        spread = m * (1 + self._phi() * m)
        excess = np.minimum((n - m) ** 2, 9 * spread) - m
        keep = 0.5 ** (self.step_seconds / DISPERSION_HALF_LIFE)
        share = self.step_seconds / 3600  # windows of an hour overlap
        prior = (1 - keep) * PHI_WEIGHT * np.array([[FIRST_PHI], [1.0]])
        now = np.stack([excess, m**2]) * share + prior
        state["phi"] = np.where(ready, keep * state["phi"] + now, state["phi"])

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
