"""New topics: tickets that say the same, more of them in the last hours than there ever were."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from features.dense import differing, signs, units

PAST_SECONDS = 28 * 86_400
RECENT_SECONDS = 8 * 3600  # are not held against themselves
WINDOW_MINUTES = (15, 30, 60, 120, 240, 480)
ALIKE = (0.6, 0.7, 0.8)  # cosines: a topic may be wide or narrow
LEAST = 3  # tickets that make a topic
FIRST = 0.5  # tickets like it that are taken to have been there before, where there were none
DAMPED = 1.0  # by how many tickets were expected: frequent things wander, new ones are new
NEAR_HOURS = 2  # of the day, that a ticket is held against first: day and night differ
BELIEVED = 1000  # tickets of these hours from which their own share counts half
ENOUGH = 1000  # tickets of a past to hold anything against
EXACT = 2_000  # tickets that are compared one by one; of more the signs are looked at first
SPARE = 0.06  # of the signs that may differ beside those that the angle takes: three sigmas


class Evidence(NamedTuple):
    """That tickets like one came more often than before.

    `n` of them within `minutes`, where `expected` would have by the share that they had in four
    weeks, up to eight hours ago. `ids` are these tickets, the one that was judged last. A `score`
    of 0 has none of it.
    """

    score: float
    n: int = 0
    expected: float = 0.0
    minutes: int = 0
    ids: tuple[str, ...] = ()


class Topics:
    """The tickets of four weeks by what they say, and what is new among those that come.

    A ticket is judged with those before it: of the tickets whose vectors have a cosine of at least
    0.6, 0.7 or 0.8 with its own, n came in the last quarter of an hour to eight hours, and h of
    the N that came before, so that m = (h + 0.5) / (N + 1) of all in the window were expected, more
    or less by what was usual in these hours of the day. The score is the highest
    [n ln(n/m) - (n - m)] / (1 + m) of all windows and cosines, n at least 3: the likelihood ratio
    of a scan (Kulldorff 2001), damped where much was expected. The number of all tickets in the
    window stands in for the desk's rhythm, so a busy hour is no topic.

    Parameters
    ----------
    n_dimensions
        Length of a vector.

    Examples
    --------
    >>> rng, topics = np.random.default_rng(0), Topics(64)
    >>> past = np.arange(2000) * 600
    >>> for at, vector in zip(past, rng.normal(size=(2000, 64))):
    ...     topics.add([str(at)], np.array([at]), vector[None])
    >>> new = rng.normal(size=64)
    >>> [round(topics.judge(f"T{i}", past[-1] + 60 * i, new).score, 1) for i in range(4)]
    [0.0, 0.0, 21.2, 28.7]

    References
    ----------
    Kulldorff (2001), Prospective time periodic geographical disease surveillance using a scan
    statistic.
    """

    def __init__(self, n_dimensions: int) -> None:
        if n_dimensions < 1:
            raise ValueError(f"n_dimensions must be at least 1, got {n_dimensions}")
        self.n_dimensions = n_dimensions
        self.ids: list[str] = []
        self.start = 0  # rows before are forgotten
        self.times = np.zeros(0, np.int64)
        self.vectors = np.zeros((0, n_dimensions), np.float16)
        self.signs = signs(self.vectors)
        self._hours = -1, np.zeros(24, int)

    def __len__(self) -> int:
        return len(self.ids) - self.start

    def add(self, ids: Sequence[str], at: np.ndarray, vectors: np.ndarray) -> None:
        """Know tickets by their vectors (n_tickets, n_dimensions), opened `at` seconds, in order.

        A ticket that comes out of order is taken to have come when the last one before it did.
        """
        if vectors.shape != (len(ids), self.n_dimensions):
            raise ValueError(
                f"wanted vectors of shape {(len(ids), self.n_dimensions)}, got {vectors.shape}"
            )
        first, end = len(self.ids), len(self.ids) + len(ids)
        self._make_room(end)
        last = self.times[first - 1] if first else np.iinfo(np.int64).min
        self.times[first:end] = np.maximum.accumulate(np.maximum(at, last))
        self.vectors[first:end] = units(vectors)
        self.signs[:, first:end] = signs(self.vectors[first:end])
        self.ids += ids
        self._forget()

    def judge(self, id: str, at: int, vector: np.ndarray) -> Evidence:
        """Take in a ticket, and say whether it and those before it are a new topic."""
        self.add([id], np.array([at]), vector[None])
        now = len(self.ids) - 1
        before = int(np.searchsorted(self.times[self.start : now], at - RECENT_SECONDS))
        if before < ENOUGH or not self.vectors[now].any():
            return Evidence(0.0)
        return self._scan(now, before, *self._alike(now))

    def _scan(self, now: int, before: int, rows: np.ndarray, cosines: np.ndarray) -> Evidence:
        """The best of all windows and cosines."""
        at, best = self.times[now], Evidence(0.0)
        firsts = np.searchsorted(
            self.times[: now + 1], [at - 60 * minutes for minutes in WINDOW_MINUTES]
        )
        for least in ALIKE:
            like = rows[cosines >= least]
            share = self._share(like[: np.searchsorted(like, self.start + before)], at, before)
            for minutes, first in zip(WINDOW_MINUTES, firsts.tolist(), strict=True):
                n = len(like) - int(np.searchsorted(like, first))
                m = float(share * (now + 1 - first))
                if n < LEAST or n <= m:
                    continue
                score = (n * np.log(n / m) - (n - m)) / (1 + DAMPED * m)
                if score > best.score:
                    ids = tuple(self.ids[row] for row in like[-n:].tolist())
                    best = Evidence(float(score), n, m, minutes, ids)
        return best

    def _share(self, like: np.ndarray, at: int, before: int) -> float:
        """The share of tickets like one that is usual at this hour of the day, by those before."""
        usual = (len(like) + FIRST) / (before + 1)
        hour = at // 3600 % 24
        apart = np.abs(self.times[like] // 3600 % 24 - hour)
        n_here = int((np.minimum(apart, 24 - apart) <= NEAR_HOURS).sum())
        here = range(hour - NEAR_HOURS, hour + NEAR_HOURS + 1)
        n_all = int(self._by_hour(at)[[one % 24 for one in here]].sum())
        return (n_here + BELIEVED * usual) / (n_all + BELIEVED)

    def _by_hour(self, at: int) -> np.ndarray:
        """How many tickets there were in each hour of the day, counted anew each hour."""
        if self._hours[0] != at // 3600:
            end = np.searchsorted(self.times[: len(self.ids)], at - RECENT_SECONDS)
            hours = self.times[self.start : end] // 3600 % 24
            self._hours = at // 3600, np.bincount(hours, minlength=24)
        return self._hours[1]

    def _alike(self, now: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows in order whose cosine with the row `now` is high enough, and these cosines."""
        query = self.vectors[now].astype(np.float32)
        if now + 1 - self.start <= EXACT:
            rows = np.arange(self.start, now + 1)
        else:
            differ = differing(self.signs[:, self.start : now + 1], self.signs[:, now : now + 1])
            most = (np.arccos(min(ALIKE)) / np.pi + SPARE) * self.n_dimensions
            rows = self.start + np.flatnonzero(differ <= most)
        cosines = self.vectors[rows].astype(np.float32) @ query
        high = cosines >= min(ALIKE)
        return rows[high], cosines[high]

    def _make_room(self, n: int) -> None:
        more = max(n, 2 * len(self.times)) - len(self.times) if n > len(self.times) else 0
        if more:
            self.times = np.pad(self.times, (0, more))
            self.vectors = np.pad(self.vectors, ((0, more), (0, 0)))
            self.signs = np.pad(self.signs, ((0, 0), (0, more)))

    def _forget(self) -> None:
        """Let go of what is older than four weeks, now and then all at once."""
        end = len(self.ids)
        self.start = int(np.searchsorted(self.times[:end], self.times[end - 1] - PAST_SECONDS))
        if self.start > end // 2:
            self.times = self.times[self.start :].copy()
            self.vectors = self.vectors[self.start :].copy()
            self.signs = self.signs[:, self.start :].copy()
            self.ids, self.start = self.ids[self.start :], 0


MOST_WORDS = 3
SHARED_BY, BY_REQUESTERS = 3, 2  # tickets, and people, that a word must come from


def name_of(
    texts: Sequence[Iterable[str]], others: Sequence[Iterable[str]], who: Sequence[str | None]
) -> tuple[str, ...]:
    """The words that tell a topic from other tickets, at most three, the most telling first.

    `texts` are the words of its tickets and `others` those of tickets beside it. A word must stand
    in at least three of its tickets, from at least two people where `who` wrote them is known: what
    one person writes names nobody's topic. The gain is that of the word over its share elsewhere.

    >>> texts = [{"card", "refund"}, {"refund", "late"}, {"refund", "card", "when"}]
    >>> name_of(texts, [{"card", "lost"}, {"card", "late"}, {"pin"}] * 9, ["a", "b", None])
    ('refund',)
    """
    sets, beside = [set(words) for words in texts], [set(words) for words in others]
    gains: dict[str, float] = {}
    for word in set().union(*sets):
        holding = [i for i, words in enumerate(sets) if word in words]
        people = {who[i] or f"?{i}" for i in holding}
        if len(holding) < SHARED_BY or len(people) < BY_REQUESTERS:
            continue
        here = len(holding) / len(sets)
        there = (sum(word in words for words in beside) + 0.5) / (len(beside) + 1)
        if here > there:
            gains[word] = len(holding) * float(np.log(here / there))
    ranked = sorted(gains, key=lambda word: (-gains[word], word))
    return tuple(word for word in ranked[:MOST_WORDS] if gains[word] >= gains[ranked[0]] / 3)
