"""From "so many false alerts a week" to a threshold, anew each day."""

from collections.abc import Iterable
from typing import NamedTuple, Self

import numpy as np

from models.tail import N_WEEKS, UNKNOWN, Record, Tail, level_for
from models.watch import CLOSES_BELOW, Change

DAY, WEEK_SECONDS = 86_400, 604_800
HOLD_SECONDS = 7200  # a watch's quiet hour, and the silent one after it: they hold peaks together
LOWEST = 1.5  # score of a peak worth keeping: nobody is to be woken at two sigmas
MOST_A_DAY = 100  # peaks kept of a day, the highest
YOUNG_SECONDS = 2 * DAY  # in which a series shows ten times as many peaks (AIOPS KPIs, train)
BEYOND = 3.0  # mean excesses over the threshold: chance goes so far one time in twenty
GAIN = 0.4  # of an alert too many, on the logarithm of the budget
FORGETS = 0.98  # of what was made up for, a day
FAR = float(np.log(8))  # the budget that is aimed at lies within an eighth and eight times
NOWHEN = np.iinfo(np.int64).min // 2


class Threshold(NamedTuple):
    """A score to alert at.

    `realised_per_week` is how often alerts opened that nobody found true, over the last `n_weeks`
    in which there was a threshold; `value` is NaN where nothing is known yet.
    """

    value: float
    realised_per_week: float
    n_weeks: float


class Budget:
    """Keeps a watch to so many false alerts a week, for all its series together.

    Give it every step (`take`), and each day ask it for the threshold (`settle`). On record are
    the peaks of the scores, held together as the watch holds an episode: until the score stayed
    below seven tenths of the peak for two hours. A series' first two days are left out, and
    `young` says which series are in them: no budget holds for these. What opened more or less
    often than wanted is made up for: each alert too many lowers the budget that is aimed at
    (Gibbs, Candès 2021, on the logarithm), a week counts for at most twice its share and two.
    An alert that turned out to be true (`forgive`) does not count. Nor does one that nobody has
    called false (`blame`), where it went further beyond the threshold than chance does.

    Parameters
    ----------
    per_week
        The budget of false alerts a week.
    prior
        The tail of scores to go by before there are any (models/tail.py).
    strict
        Never aim above the budget, and count every alert that nobody has found true: for few
        series, whose record is too short to tell a rare true alert from a false one.

    Examples
    --------
    >>> rng, budget = np.random.default_rng(0), Budget(1.0, n_series=5, step_seconds=300)
    >>> for step in range(4 * 2016):
    ...     at = np.datetime64("2026-01-05", "s") + step * np.timedelta64(300, "s")
    ...     threshold = budget.settle(at) if budget.is_due(at) else threshold
    ...     budget.take(at, rng.exponential(1, 5))
    >>> 8 < threshold.value < 12
    True

    References
    ----------
    Gibbs, Candès (2021), Adaptive Conformal Inference Under Distribution Shift, section 2.
    """

    def __init__(
        self,
        per_week: float,
        n_series: int,
        step_seconds: int,
        *,
        prior: Tail | None = None,
        young_seconds: int = YOUNG_SECONDS,
        strict: bool = False,
    ) -> None:
        if per_week <= 0:
            raise ValueError(f"the budget must be above 0 alerts a week, got {per_week}")
        self.per_week = per_week
        self.step_seconds = step_seconds
        self.prior = prior
        self.young_seconds = young_seconds
        self.strict = strict
        self._series = self._blank(n_series)
        self._desk: dict[str, np.ndarray] = {
            "peak": np.zeros(0, np.float32),  # of episodes that ended, with when they were
            "peak_series": np.zeros(0, np.int64),
            "peak_at": np.zeros((2, 0), np.int64),  # began, was last high
            "opened": np.zeros((2, 0), np.int64),  # series and time of every alert
            "height": np.zeros((2, 0)),  # its peak, and beyond what no chance is seen in it
            "excused": np.zeros(0, bool),  # those that are so, as long as nobody objects
            "excess": np.full(1, np.nan),  # of peaks over the threshold, in the mean
            "day": np.full(7 * N_WEEKS, NOWHEN),  # the days on record, the newest last
            "seen": np.zeros(7 * N_WEEKS),  # series-weeks of each
            "watched": np.zeros(7 * N_WEEKS),  # weeks of each with a threshold
            "made_up": np.zeros(1),  # how the budget aimed at differs, a logarithm
            "threshold": np.full(3, np.nan),
        }

    @staticmethod
    def _blank(n: int) -> dict[str, np.ndarray]:
        return {
            "age": np.zeros(n),  # seconds with a score
            "heard": np.zeros(n, bool),  # since the day began
            "top": np.zeros(n, np.float32),  # of the episode that goes on, 0 where it is forgiven
            "at": np.full((2, n), NOWHEN),  # when it began, when it was last high
        }

    @property
    def threshold(self) -> Threshold:
        return Threshold(*self._desk["threshold"].tolist())

    @property
    def young(self) -> np.ndarray:
        """Which series are in their first days, shape (n_series,)."""
        return self.seconds_young > 0

    @property
    def seconds_young(self) -> np.ndarray:
        """For how long still each series is in its first days, shape (n_series,)."""
        left: np.ndarray = np.maximum(self.young_seconds - self._series["age"], 0)
        return left

    def is_due(self, at: np.datetime64) -> bool:
        """Whether a day has begun that there is no threshold for yet."""
        return bool(_seconds(at) // DAY != self._desk["day"][-1])

    def take(self, at: np.datetime64, scores: np.ndarray, changes: Iterable[Change] = ()) -> None:
        """Take in a step's scores (n_series,), NaN for none, and what they opened."""
        own, now = self._series, _seconds(at)
        known = ~np.isnan(scores)
        old = known & ~self.young
        own["heard"] |= known
        self._desk["seen"][-1] += old.sum() * self.step_seconds / WEEK_SECONDS
        high = np.flatnonzero(old & (scores >= LOWEST))
        if high.size:
            self._hold(now, high, scores[high])
        own["age"] += known * float(self.step_seconds)
        for change in changes:
            self._note(change)

    def _note(self, change: Change) -> None:
        """Keep when an alert opened, and how high it went."""
        desk, first = self._desk, _seconds(change.opened_at)
        if change.what == "opened":
            chance = self.threshold.value + BEYOND * float(desk["excess"][0])
            limit = np.inf if self.strict else chance
            desk["opened"] = np.hstack([desk["opened"], [[change.series], [first]]])
            desk["height"] = np.hstack([desk["height"], [[change.score], [limit]]])
            desk["excused"] = np.append(desk["excused"], False)
        else:
            desk["height"][0, self._its(change.series, first)] = change.score

    def _its(self, series: int, opened_at: int) -> np.ndarray:
        """Which alert is meant."""
        its: np.ndarray = (self._desk["opened"] == [[series], [opened_at]]).all(axis=0)
        return its

    def _hold(self, now: int, high: np.ndarray, scores: np.ndarray) -> None:
        own = self._series
        begins = now - own["at"][1, high] > HOLD_SECONDS
        if begins.any():
            self._put_down(high[begins])
            own["top"][high[begins]] = scores[begins]
            own["at"][0, high[begins]] = now
        alive = own["top"][high] > 0
        lasts = scores >= CLOSES_BELOW * own["top"][high]
        own["top"][high] = np.where(alive, np.maximum(own["top"][high], scores), 0)
        own["at"][1, high[lasts]] = now

    def _put_down(self, series: np.ndarray) -> None:
        """Put episodes that ended on record."""
        own, desk = self._series, self._desk
        ended = series[own["top"][series] > 0]
        desk["peak"] = np.concatenate([desk["peak"], own["top"][ended]])
        desk["peak_series"] = np.concatenate([desk["peak_series"], ended])
        desk["peak_at"] = np.hstack([desk["peak_at"], own["at"][:, ended]])

    def settle(self, at: np.datetime64) -> Threshold:
        """The threshold from `at` on, for the day that begins; ask once a day."""
        today = _seconds(at) // DAY
        self._make_up()
        self._put_down(np.flatnonzero(self._series["at"][1] < _seconds(at) - HOLD_SECONDS))
        ended = self._series["at"][1] < _seconds(at) - HOLD_SECONDS
        self._series["top"][ended], self._series["at"][:, ended] = 0, NOWHEN
        self._turn(today)
        self._trim(today)
        n_series = int(self._series["heard"].sum()) or int((self._series["age"] > 0).sum())
        self._series["heard"][:] = False
        aimed = self.per_week * float(np.exp(self._desk["made_up"][0]))
        known = not self.young.all() and (self.prior is not None or self._known())
        found = level_for(self._record(today), n_series, aimed, self.prior) if known else UNKNOWN
        value, self._desk["excess"][0] = found
        self._desk["watched"][-1] = 1 / 7 if np.isfinite(value) else 0.0
        weeks = float(self._desk["watched"][:-1].sum())
        realised = self._desk["opened"].shape[1] / weeks if weeks else np.nan
        self._desk["threshold"] = np.array([value, realised, weeks])
        return self.threshold

    def _known(self) -> bool:
        """Without a prior, two days of scores must have been seen."""
        return int((self._desk["seen"] > 0).sum()) >= 2

    def _make_up(self) -> None:
        """Move the budget aimed at by the day that ended, where it was watched."""
        desk = self._desk
        if not desk["watched"][-1]:
            return
        last = int(desk["day"][-1])
        days = desk["opened"][1] // DAY
        for number in np.flatnonzero((days == last) & (desk["height"][0] > desk["height"][1])):
            desk["excused"][number] = True
            series, first = desk["opened"][:, number].tolist()
            self._drop_peaks(series, first, (last + 1) * DAY)
        days = days[~desk["excused"]]
        before = int(np.sum((days > last - 7) & (days < last)))
        n = min(int(np.sum(days == last)), max(2 + 2 * self.per_week - before, 0))
        gain = self._gain * (n - self.per_week / 7)
        desk["made_up"] = np.clip(FORGETS * desk["made_up"] - gain, -FAR, self._most_made_up)

    @property
    def _most_made_up(self) -> float:
        return 0.0 if self.strict else FAR

    @property
    def _gain(self) -> float:
        """A larger budget is moved by more alerts, each by less."""
        return GAIN / max(float(np.sqrt(self.per_week)), 0.7)

    def _turn(self, today: int) -> None:
        """Begin a day, and with it forget one."""
        desk = self._desk
        for name, new in (("day", today), ("seen", 0), ("watched", 0)):
            desk[name] = np.append(desk[name][1:], new)
        old = today - 7 * N_WEEKS
        self._keep_alerts(desk["opened"][1] // DAY >= old)
        self._keep(desk["peak_at"][0] // DAY >= old)

    def _keep_alerts(self, kept: np.ndarray) -> None:
        for name in ("opened", "height", "excused"):
            self._desk[name] = self._desk[name][..., kept]

    def _trim(self, today: int) -> None:
        """Of yesterday's peaks the highest."""
        days = self._desk["peak_at"][0] // DAY
        recent = np.flatnonzero(days >= today - 1)
        most = MOST_A_DAY + int(2 * self.per_week)
        if len(recent) > most:
            kept = np.ones(len(days), bool)
            kept[recent[np.argsort(self._desk["peak"][recent])[:-most]]] = False
            self._keep(kept)

    def _keep(self, kept: np.ndarray) -> None:
        for name in ("peak", "peak_series", "peak_at"):
            self._desk[name] = self._desk[name][..., kept]

    def _record(self, today: int) -> Record:
        """Peaks that ended and peaks that go on, in weeks before `today`."""
        own, desk = self._series, self._desk
        on = own["top"] > 0
        peaks = np.concatenate([desk["peak"], own["top"][on]])
        days = np.concatenate([desk["peak_at"][0], own["at"][0, on]]) // DAY
        weeks_ago = np.clip((today - 1 - days) // 7, 0, N_WEEKS - 1)
        ago = np.clip((today - 1 - desk["day"]) // 7, 0, N_WEEKS)
        seen = np.bincount(ago, desk["seen"], minlength=N_WEEKS + 1)[:N_WEEKS]
        return Record(peaks, weeks_ago, seen)

    def forgive(self, series: int, opened_at: np.datetime64, closed_at: np.datetime64) -> bool:
        """An alert turned out to be true: it and its peaks count no more. False if unknown."""
        first = _seconds(opened_at)
        its = self._its(series, first)
        if not its.any():
            return False
        if not self._desk["excused"][its].any():
            self._correct(first, +1)
        self._keep_alerts(~its)
        self._drop_peaks(series, first, _seconds(closed_at))
        return True

    def blame(self, series: int, opened_at: np.datetime64) -> None:
        """An alert turned out to be false: it counts, however far it went."""
        first = _seconds(opened_at)
        its = self._its(series, first)
        if self._desk["excused"][its].any():
            self._correct(first, -1)
        self._desk["excused"][its] = False
        self._desk["height"][1, its] = np.inf

    def _correct(self, opened: int, sign: int) -> None:
        """Take back, or make up for, what a day of the past did not know."""
        desk = self._desk
        ago = int(desk["day"][-1]) - opened // DAY
        if ago > 0:
            moved = sign * self._gain * FORGETS**ago
            desk["made_up"] = np.clip(desk["made_up"] + moved, -FAR, self._most_made_up)

    def _drop_peaks(self, series: int, first: int, last: int) -> None:
        desk, own = self._desk, self._series
        began, high = desk["peak_at"]
        self._keep((desk["peak_series"] != series) | (began > last) | (high < first))
        if own["at"][0, series] <= last and own["at"][1, series] >= first:
            own["top"][series] = 0

    def state(self) -> dict[str, np.ndarray]:
        """Everything kept, as plain arrays."""
        return {name: array.copy() for name, array in (self._series | self._desk).items()}

    def restore(self, state: dict[str, np.ndarray]) -> Self:
        """Take over what `state()` gave."""
        missing = (set(self._series) | set(self._desk)) - set(state)
        if missing:
            raise ValueError(f"the budget's state lacks {', '.join(sorted(missing))}")
        self._series = {name: state[name].copy() for name in self._series}
        self._desk = {name: state[name].copy() for name in self._desk}
        return self

    def resize(self, n_series: int) -> Self:
        """Make room for series that are new; those known keep their place and their state."""
        fresh = self._blank(n_series - len(self._series["age"]))
        self._series = {
            name: np.concatenate([array, fresh[name]], axis=-1)
            for name, array in self._series.items()
        }
        return self


def _seconds(at: np.datetime64) -> int:
    return int(at.astype("datetime64[s]").astype(np.int64))
