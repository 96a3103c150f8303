"""A detector, its threshold, and the episodes that are open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

import numpy as np

from models.detector import Detector
from models.floors import Floors

CLOSES_BELOW = 0.7  # of the threshold: an episode ends where the score has stayed below
N_FLAPS = 4  # episodes that open within a day make a series one that flaps
FLAP_WITHIN = np.timedelta64(1, "D")
FLAP_QUIET = np.timedelta64(6, "h")  # how long one that flaps must be calm before it closes
OF_EPISODES = (
    "open", "opened_at", "peak_at", "high_at", "peak", "over", "openings", "last_seen", "n_outside",
)  # fmt: skip
What = Literal["opened", "updated", "closed"]
NAT = np.datetime64("NaT", "s")
OWN = "watch."  # what the watch's own arrays are called beside the detector's
DET = "detector."


@dataclass(frozen=True)
class Change:
    """What one step did to one episode. All but `series` and `what` stand as at its peak.

    `closed_at` is None while the episode lasts; it is the last time the score was high. `threshold`
    is the one that it opened at.
    `n_outside` steps in a row, up to the peak, lay outside of what is normal. The episode before
    this one peaked at `last_seen` (None: there was none). `flapping`: this is the fourth or a later
    one within a day. `before`, of an episode that opens, is what the detector knew of the series
    when it judged: the state of a detector of one series.
    """

    what: What
    series: int
    opened_at: np.datetime64
    peak_at: np.datetime64
    closed_at: np.datetime64 | None
    score: float
    observed: float
    expected: float
    lower: float
    upper: float
    threshold: float = np.nan
    n_outside: int = 0
    last_seen: np.datetime64 | None = None
    flapping: bool = False
    before: Mapping[str, np.ndarray] | None = field(default=None, compare=False, repr=False)


class Seen(NamedTuple):
    """One step as the watch saw it, each of shape (n_series,)."""

    scores: np.ndarray
    expected: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


class Recent(NamedTuple):
    """The last steps of one series, oldest first, each of shape (n_steps,)."""

    times: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


class Watch:
    """Takes points step by step and says which episodes open, grow and close.

    An episode opens where a score reaches the threshold, and closes once the score has stayed
    below seven tenths of it for `quiet_seconds`. For `refractory_seconds` after that a series
    stays silent, unless it gets stranger than the episode's peak was. A series that opens its
    fourth episode within a day flaps: that one lasts until six hours were calm. With a NaN
    threshold nothing opens. A step that is not later than the last one is refused. What is muted
    at a step (maintenance, an incident that is declared) is neither scored nor learnt, and opens
    nothing.

    Parameters
    ----------
    detector
        Scores and learns; the watch drives it, so hand over one that nobody else feeds.
    threshold
        The score at which an episode opens.
    recent_seconds
        How far back `recent` reaches.

    Examples
    --------
    >>> from models.rare import Rare
    >>> watch = Watch(Rare(1), threshold=3.0, n_series=1, step_seconds=300)
    >>> start, changes = np.datetime64("2026-01-05T09:00"), []
    >>> for step, value in enumerate([10.0, 11.0] * 20 + [90.0] + [10.0, 11.0] * 10):
    ...     at = start + step * np.timedelta64(300, "s")
    ...     changes += watch.step(at, np.array([value]))
    >>> [(change.what, str(change.opened_at), change.observed) for change in changes]
    [('opened', '2026-01-05T12:20:00', 90.0), ('closed', '2026-01-05T12:20:00', 90.0)]
    """

    def __init__(
        self,
        detector: Detector,
        threshold: float,
        n_series: int,
        step_seconds: int,
        *,
        quiet_seconds: int = 3600,
        refractory_seconds: int = 3600,
        recent_seconds: int = 43_200,
    ) -> None:
        if threshold <= 0:
            raise ValueError(f"threshold must be above 0, or NaN for none yet, got {threshold}")
        self.detector = detector
        self.threshold = threshold
        self.floors: Floors | None = None
        self.step_seconds = step_seconds
        self.quiet = np.timedelta64(quiet_seconds, "s")
        self.refractory = np.timedelta64(refractory_seconds, "s")
        self.n_recent = max(recent_seconds // step_seconds, 1)
        self.seen = Seen(*np.full((4, n_series), np.nan))
        self.counted = self.seen.scores  # those that floors left
        self._own = self._blank(n_series)

    def _blank(self, n: int) -> dict[str, np.ndarray]:
        return {
            "open": np.zeros(n, bool),
            "opened_at": np.full(n, NAT),
            "peak_at": np.full(n, NAT),
            "high_at": np.full(n, NAT),
            "peak": np.full((5, n), np.nan),  # score, observed, expected, lower, upper
            "over": np.full(n, np.nan),  # the threshold that the episode reached
            "openings": np.full((N_FLAPS, n), NAT),  # the latest, newest last
            "last_seen": np.full(n, NAT),  # the peak of the episode before
            "n_outside": np.zeros((2, n), np.int32),  # now, and at the peak
            "times": np.full(self.n_recent, NAT),
            "recent": np.full((self.n_recent, 4, n), np.nan, np.float32),
        }

    @property
    def n_series(self) -> int:
        return len(self._own["open"])

    @property
    def alerting(self) -> np.ndarray:
        """Which series have an episode open, shape (n_series,)."""
        return self._own["open"].copy()

    def flapping(self, at: np.datetime64) -> np.ndarray:
        """Which series opened four episodes or more in the day before `at`, shape (n_series,)."""
        within: np.ndarray = at - self._own["openings"][0] <= FLAP_WITHIN
        return within

    def step(
        self,
        at: np.datetime64,
        values: np.ndarray,
        muted: np.ndarray | None = None,
        young: np.ndarray | None = None,
    ) -> list[Change]:
        """Score `values` (n_series,), learn them, and say what changed.

        Series for which `muted` (n_series,) is True are remembered for the chart alone; those that
        are `young` open nothing yet.
        """
        at = at.astype("datetime64[s]")
        last = self._own["times"][-1]
        if not np.isnat(last) and at <= last:
            raise ValueError(f"steps must go forward in time: {at} came after {last}")
        if values.shape != (self.n_series,):
            raise ValueError(f"values must have shape ({self.n_series},), got {values.shape}")
        off = np.zeros(self.n_series, bool) if muted is None else muted
        heard = np.where(off, np.nan, values)
        scores = np.where(off, np.nan, self.detector.score(at, heard))
        self.seen = Seen(scores, *self.detector.expect(at))
        self.counted = scores
        if self.floors is not None:
            small = ~self.floors.passed(values, self.seen.expected)
            self.counted = np.where(small, np.minimum(scores, 0.0), scores)
        hushed = self.counted if young is None else np.where(young, np.nan, self.counted)
        changes = self._episodes(at, np.stack([hushed, values, *self.seen[1:]]))
        self.detector.learn(at, heard)
        if off.any():
            self.detector.skip(at, off)
        self._remember(at, values)
        return changes

    def _remember(self, at: np.datetime64, values: np.ndarray) -> None:
        times, recent = self._own["times"], self._own["recent"]
        times[:-1], times[-1] = times[1:].copy(), at
        row = int(at.astype(np.int64)) // self.step_seconds % self.n_recent
        recent[row] = np.stack([values, *self.seen[1:]])

    def _episodes(self, at: np.datetime64, now: np.ndarray) -> list[Change]:
        """What changes; only the few series that are open, or open now, are looked at."""
        self._count_outside(now)
        touched = np.flatnonzero(self._own["open"] | (now[0] >= self.threshold))
        if not touched.size:
            return []
        own = {name: self._own[name][..., touched] for name in OF_EPISODES}
        now, scores = now[:, touched], np.nan_to_num(now[0, touched], nan=-np.inf)
        calm = np.isnat(own["high_at"]) | (at - own["high_at"] > self.refractory + self.quiet)
        stranger = scores > np.nan_to_num(own["peak"][0], nan=-np.inf)
        opens = ~own["open"] & (scores >= self.threshold) & (calm | stranger)
        grows = own["open"] & stranger
        own["over"] = np.where(opens, self.threshold, own["over"])
        own["openings"] = np.where(opens, _pushed(own["openings"], at), own["openings"])
        own["last_seen"] = np.where(opens, own["peak_at"], own["last_seen"])
        own["opened_at"] = np.where(opens, at, own["opened_at"])
        own["peak_at"] = np.where(opens | grows, at, own["peak_at"])
        own["peak"] = np.where(opens | grows, now, own["peak"])
        n_outside, at_peak = own["n_outside"]
        own["n_outside"] = np.stack([n_outside, np.where(opens | grows, n_outside, at_peak)])
        high = (own["open"] | opens) & (scores >= CLOSES_BELOW * self.threshold)
        own["high_at"] = np.where(high, at, own["high_at"])
        flapping = at - own["openings"][0] <= FLAP_WITHIN
        quiet = np.where(flapping, max(FLAP_QUIET, self.quiet), self.quiet)
        closes = own["open"] & ~opens & (at - own["high_at"] >= quiet)
        own["open"] = (own["open"] | opens) & ~closes
        for name, array in own.items():
            self._own[name][..., touched] = array
        told: dict[What, np.ndarray] = {"opened": opens, "updated": grows, "closed": closes}
        return [
            self._change(what, series)
            for what, those in told.items()
            for series in touched[those].tolist()
        ]

    def _count_outside(self, now: np.ndarray) -> None:
        """How many steps in a row each series has been outside; no point is neither."""
        _, observed, _, lower, upper = now
        n = self._own["n_outside"][0]
        n[(observed >= lower) & (observed <= upper)] = 0
        n += (observed < lower) | (observed > upper)

    def _change(self, what: What, series: int) -> Change:
        own, last_seen = self._own, self._own["last_seen"][series]
        score, observed, expected, lower, upper = own["peak"][:, series].tolist()
        return Change(
            what,
            series,
            own["opened_at"][series],
            own["peak_at"][series],
            own["high_at"][series] if what == "closed" else None,
            score,
            observed,
            expected,
            lower,
            upper,
            threshold=float(own["over"][series]),
            n_outside=int(own["n_outside"][1, series]),
            last_seen=None if np.isnat(last_seen) else last_seen,
            flapping=bool(self.flapping(own["opened_at"][series])[series]),
            before=self.detector.column(series) if what == "opened" else None,
        )

    def forget_open(self) -> None:
        """Let go of the episodes that are open, as if they never had been."""
        own, was = self._own, self._own["open"]
        for name in ("opened_at", "peak_at", "high_at"):
            own[name] = np.where(was, NAT, own[name])
        own["peak"] = np.where(was, np.nan, own["peak"])
        own["open"] = np.zeros_like(was)

    def recent(self, series: int) -> Recent:
        """What came and what was expected lately, for the chart of an alert."""
        times = self._own["times"]
        known = times[~np.isnat(times)]
        known = (
            known[known > known[-1] - self.n_recent * np.timedelta64(self.step_seconds, "s")]
            if len(known)
            else known
        )
        rows = known.astype(np.int64) // self.step_seconds % self.n_recent
        return Recent(known, *self._own["recent"][rows, :, series].T)

    def state(self) -> dict[str, np.ndarray]:
        """The detector's arrays, the episodes and the recent window, for `numpy.savez`."""
        learnt = {DET + name: array for name, array in self.detector.state().items()}
        own = {OWN + name: array.copy() for name, array in self._own.items()}
        return {**learnt, **own, OWN + "threshold": np.array(self.threshold)}

    def restore(self, state: dict[str, np.ndarray]) -> Self:
        """Take over what `state()` gave; the next step goes on as if nothing had happened."""
        missing = {OWN + name for name in (*self._own, "threshold")} - set(state)
        if missing:
            raise ValueError(f"state lacks {', '.join(sorted(missing))}")
        if len(state[OWN + "times"]) != self.n_recent:
            came = len(state[OWN + "times"])
            raise ValueError(f"state keeps {came} recent steps, wanted {self.n_recent}")
        learnt = {k.removeprefix(DET): a for k, a in state.items() if k.startswith(DET)}
        self.detector.restore(learnt)
        self._own = {name: state[OWN + name].copy() for name in self._own}
        self.threshold = float(state[OWN + "threshold"])
        self.seen = Seen(*np.full((4, self.n_series), np.nan))
        return self

    def resize(self, n_series: int) -> Self:
        """Make room for series that are new; those known keep their place and their state."""
        self.detector.resize(n_series)
        fresh = self._blank(n_series - self.n_series)
        shared = {"times": self._own["times"]}
        grown = {
            name: np.concatenate([array, fresh[name]], axis=-1)
            for name, array in self._own.items()
            if name != "times"
        }
        self._own = grown | shared
        self.seen = Seen(*np.full((4, n_series), np.nan))
        return self


def _pushed(times: np.ndarray, at: np.datetime64) -> np.ndarray:
    """The latest times of each series (n_times, n_series), and `at`; the oldest goes."""
    return np.concatenate([times[1:], np.full((1, times.shape[1]), at)])
