"""Hidden topics among a desk's tickets: questions of a bank that no category names."""

import csv
import gzip
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.page import table
from benchmarks.surge_desk import ACTIVITY_POWER, EXTRA, WEEK_BINS, _course, activity, draw
from features.dense import units
from features.hashed import HashedWords
from models.surge import Surge
from models.topics import ALIKE, RECENT_SECONDS, Topics
from pipelines.encoder import encoder

N_KNOWN, N_CHOSEN = 50, 13  # kinds on the desk; hidden ones that constants were chosen on
N_COARSE = 10  # categories that the desk has for all of them
TICKETS_A_WEEK, A_WEEK = 3000, 4  # hidden topics
LEARNT_WEEKS, CLEAN_WEEKS, SICK_WEEKS = 4, 12, 12
CLEAN, AGAIN, SICK = range(6000, 6006), range(6100, 6104), range(6200, 6206)  # seeds
BIN_SECONDS = 300
MERGE_SECONDS, GRACE_SECONDS = 3600, 7200  # candidates within an hour are one
PER_WEEK = 1.0
MILLION, N_ASKED = 1_000_000, 60
FILES = ("banking77_train.csv.gz", "banking77_test.csv.gz")
RNG = 7  # of which kinds are known; the same when constants were chosen


class Hidden(NamedTuple):
    """A topic: from when to when, in seconds, and how many tickets in its first working hour."""

    onset: float
    end: float
    size: int


class Pool(NamedTuple):
    """Texts that desks draw from: vectors (n, d), kinds (n,), and cosines (n, n) of all pairs."""

    vectors: np.ndarray
    kinds: np.ndarray
    coarse: np.ndarray
    cosines: np.ndarray
    known: np.ndarray
    hidden: np.ndarray


@dataclass(frozen=True)
class Desk:
    """Tickets in order: when, which text, and the topics hidden among them."""

    times: np.ndarray
    texts: np.ndarray
    hidden: list[Hidden]
    weeks: int


class Pooled(Topics):
    """The detector on texts that come again and again: their cosines are looked up."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(1)
        self.pool = pool

    def _alike(self, now: int) -> tuple[np.ndarray, np.ndarray]:
        texts = self.vectors[self.start : now + 1, 0].astype(np.int64)
        cosines = self.pool.cosines[texts[-1], texts]
        rows = np.flatnonzero(cosines >= min(ALIKE))
        return self.start + rows, cosines[rows]

    def take(self, at: np.ndarray, texts: np.ndarray) -> None:
        """Know all tickets at once: a text stands for its vector."""
        self.times, self.ids = at.astype(np.int64), [""] * len(at)
        self.vectors = texts[:, None].astype(np.float32)


def pool_of(folder: Path, vectors: Callable[[list[str]], np.ndarray]) -> Pool:
    """The questions, each once; ten coarse categories from the middles of the kinds."""
    kinds: dict[str, str] = {}
    for name in FILES:
        with gzip.open(folder / "tickets" / name, "rt", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                kinds.setdefault(row["text"].strip(), row["category"])
    texts, of = list(kinds), np.array(list(kinds.values()))
    made = units(vectors(texts))
    names = np.random.default_rng(RNG).permutation(np.unique(of))
    coarse = coarse_of(made, of, names)
    cosines = (made @ made.T).astype(np.float16)
    return Pool(made, of, coarse, cosines, names[:N_KNOWN], names[N_KNOWN + N_CHOSEN :])


def coarse_of(vectors: np.ndarray, kinds: np.ndarray, names: np.ndarray) -> np.ndarray:
    """A coarse category for each text: that of the known kind whose middle its own kind is near."""
    middles = units(np.array([vectors[kinds == name].mean(axis=0) for name in names]))
    seeds = middles[:N_COARSE]
    for _ in range(20):  # k-means on the middles of the known kinds
        nearest = (middles[:N_KNOWN] @ seeds.T).argmax(axis=1)
        seeds = units(
            np.array([middles[:N_KNOWN][nearest == k].sum(axis=0) for k in range(N_COARSE)])
        )
    of = dict(zip(names.tolist(), (middles @ seeds.T).argmax(axis=1).tolist(), strict=True))
    return np.array([of[kind] for kind in kinds.tolist()])


def desk_of(pool: Pool, seed: int, weeks: int, first_sick: int | None = None) -> Desk:
    """A desk's tickets; from the week `first_sick` on with hidden topics."""
    rng = np.random.default_rng([seed, 5])
    counts = draw(seed, 1, weeks, TICKETS_A_WEEK, quiet_weeks=weeks).counts[:, 0].astype(int)
    bins, columns = np.nonzero(counts)
    repeated = counts[bins, columns]
    bins, columns = np.repeat(bins, repeated), np.repeat(columns, repeated)
    kinds = rng.permutation(pool.known)
    texts = np.zeros(len(bins), dtype=int)
    for column in range(len(kinds)):
        here = columns == column
        texts[here] = rng.choice(np.flatnonzero(pool.kinds == kinds[column]), here.sum())
    hidden = [] if first_sick is None else list(topics_of(pool, rng, first_sick, weeks))
    bins = np.concatenate([bins, *(one[1] for one in hidden)])
    texts = np.concatenate([texts, *(one[2] for one in hidden)])
    times = np.floor((bins + rng.random(len(bins))) * BIN_SECONDS)
    order = np.argsort(times, kind="stable")
    return Desk(times[order], texts[order], [one[0] for one in hidden], weeks)


def topics_of(
    pool: Pool, rng: np.random.Generator, first: int, weeks: int
) -> Iterator[tuple[Hidden, np.ndarray, np.ndarray]]:
    """Hidden topics, each with the bins and the texts of its tickets."""
    usual = np.tile(activity(), weeks)
    for week in range(first, weeks):
        bins = np.arange(week * WEEK_BINS, (week + 1) * WEEK_BINS - 72)
        weights = usual[bins] ** ACTIVITY_POWER
        for onset in rng.choice(bins, A_WEEK, replace=False, p=weights / weights.sum()).tolist():
            size = int(rng.choice(EXTRA))
            rate = size * _course(rng, float(usual[onset]))
            n = rng.poisson(rate)
            kind = rng.choice(pool.hidden)
            at = onset + np.repeat(np.arange(len(n)), n)
            texts = rng.choice(np.flatnonzero(pool.kinds == kind), len(at))
            end = (onset + len(n)) * BIN_SECONDS
            yield Hidden(onset * BIN_SECONDS, end, size), at, texts


# -- what is measured --------------------------------------------------------------------------


class Scored(NamedTuple):
    """Scores (n,) at times (n,) in seconds, of so many weeks that count."""

    times: np.ndarray
    scores: np.ndarray
    weeks: int


def by_topics(pool: Pool, desk: Desk) -> Scored:
    """The detector on every ticket after four weeks."""
    topics = Pooled(pool)
    topics.take(desk.times, desk.texts)
    first = int(np.searchsorted(desk.times, LEARNT_WEEKS * WEEK_BINS * BIN_SECONDS))
    scores = []
    for now in range(first, len(desk.times)):
        at = desk.times[now]
        topics.start = int(np.searchsorted(desk.times, at - 28 * 86_400))
        before = int(np.searchsorted(desk.times[topics.start : now], at - RECENT_SECONDS))
        rows, cosines = topics._alike(now)
        scores.append(topics._scan(now, before, rows, cosines).score)
    return Scored(desk.times[first:], np.array(scores), desk.weeks - LEARNT_WEEKS)


def by_categories(pool: Pool, desk: Desk) -> Scored:
    """The surge detector on the coarse categories and the total, a score a step."""
    n_bins = desk.weeks * WEEK_BINS
    counts = np.zeros((n_bins, N_COARSE + 1))
    bins = (desk.times // BIN_SECONDS).astype(int)
    np.add.at(counts, (bins, 1 + pool.coarse[desk.texts]), 1)
    counts[:, 0] = counts[:, 1:].sum(axis=1)
    detector, start = Surge(N_COARSE + 1), np.datetime64("2025-01-06", "s")
    highest = np.zeros(n_bins)
    for row, values in enumerate(counts):
        at = start + row * np.timedelta64(BIN_SECONDS, "s")
        highest[row] = np.nan_to_num(detector.score(at, values)).max()
        detector.learn(at, values)
    first = LEARNT_WEEKS * WEEK_BINS
    times = (np.arange(first, n_bins) + 1) * BIN_SECONDS  # told when the step is over
    return Scored(times, highest[first:], desk.weeks - LEARNT_WEEKS)


def openings(one: Scored, threshold: float) -> int:
    hot = one.times[one.scores >= threshold]
    return int((np.diff(hot, prepend=-np.inf) > MERGE_SECONDS).sum())


def rate(some: Sequence[Scored], threshold: float) -> float:
    """Candidates a week."""
    return sum(openings(one, threshold) for one in some) / sum(one.weeks for one in some)


def threshold_for(clean: Sequence[Scored], per_week: float) -> float:
    low, high = 0.0, max(float(one.scores.max()) for one in clean)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if rate(clean, middle) > per_week else (low, middle)
    return high


def minutes_of(some: Sequence[Scored], desks: Sequence[Desk], threshold: float) -> np.ndarray:
    """Of each hidden topic its size, and the minutes until a score is so high; NaN if never."""
    rows = []
    for one, desk in zip(some, desks, strict=True):
        hot = one.times[one.scores >= threshold]
        for topic in desk.hidden:
            at = int(np.searchsorted(hot, topic.onset))
            found = at < len(hot) and hot[at] <= topic.end + GRACE_SECONDS
            rows.append((topic.size, (hot[at] - topic.onset) / 60 if found else np.nan))
    return np.array(rows)


COLUMNS = (
    "", *(f"POD, {size} tickets" for size in EXTRA), *(f"minutes, {size}" for size in EXTRA),
    "POD of all", "realised a week",
)  # fmt: skip


def row(
    name: str, way: Callable[[Pool, Desk], Scored], pool: Pool, drawn: dict[str, list[Desk]]
) -> list[str]:
    """What one way finds, at a threshold from clean desks."""
    scored = {part: [way(pool, desk) for desk in desks] for part, desks in drawn.items()}
    threshold = threshold_for(scored["clean"], PER_WEEK)
    sys.stderr.write(f"  {name}: threshold {threshold:.1f}\n")
    found = minutes_of(scored["sick"], drawn["sick"], threshold)
    pods, minutes = [], []
    for size in EXTRA:
        mine = found[found[:, 0] == size, 1]
        hit = mine[~np.isnan(mine)]
        p = len(hit) / len(mine)
        pods.append(f"{p:.2f} ± {np.sqrt(p * (1 - p) / len(mine)):.2f}")
        minutes.append(f"{np.median(hit):.0f}" if len(hit) else "–")
    every = float(np.mean(~np.isnan(found[:, 1])))
    return [name, *pods, *minutes, f"{every:.2f}", f"{rate(scored['again'], threshold):.2f}"]


def rows(folder: Path) -> Iterator[list[str]]:
    """By meaning, by words, and by the categories alone, on the same desks."""
    with tempfile.TemporaryDirectory() as home:
        reader = encoder(Path(home))
        meaning = pool_of(folder, lambda texts: reader.embed(texts))
    drawn, known = drawn_of(meaning), np.isin(meaning.kinds, meaning.known)
    yield row("what tickets mean", by_topics, meaning, drawn)

    def worded(texts: list[str]) -> np.ndarray:
        """Where a desk has no encoder; words weigh by the questions that are there before."""
        before = (text for text, is_known in zip(texts, known.tolist(), strict=True) if is_known)
        return HashedWords().fit(before).transform(texts)

    yield row("their words", by_topics, pool_of(folder, worded), drawn)
    yield row("ten categories, `surge`", by_categories, meaning, drawn)


def drawn_of(pool: Pool) -> dict[str, list[Desk]]:
    weeks = LEARNT_WEEKS + CLEAN_WEEKS
    return {
        "clean": [desk_of(pool, seed, weeks) for seed in CLEAN],
        "again": [desk_of(pool, seed, weeks) for seed in AGAIN],
        "sick": [desk_of(pool, seed, LEARNT_WEEKS + SICK_WEEKS, LEARNT_WEEKS) for seed in SICK],
    }


def speed(n_dimensions: int = 384) -> tuple[float, float]:
    """Milliseconds to judge a ticket with 12,000 and with a million of the last four weeks."""
    return speed_at(12_000, n_dimensions), speed_at(MILLION, n_dimensions)


def speed_at(n: int, n_dimensions: int) -> float:
    """The median of some tickets; vectors lean one way, as those of one trade do."""
    rng = np.random.default_rng(0)
    lean = rng.normal(0, 0.5, n_dimensions).astype(np.float32)
    topics = Topics(n_dimensions)
    at = np.sort(rng.integers(0, 27 * 86_400, n))
    for start in range(0, n, 50_000):
        some = slice(start, min(start + 50_000, n))
        size = (some.stop - some.start, n_dimensions)
        vectors = rng.normal(0, 1, size).astype(np.float32) + lean
        topics.add([""] * size[0], at[some], vectors)
    took = []
    for number in range(N_ASKED):
        vector = rng.normal(0, 1, n_dimensions).astype(np.float32) + lean
        began = time.perf_counter()
        topics.judge(f"T{number}", 27 * 86_400 + number, vector)
        took.append(time.perf_counter() - began)
    return float(np.median(took) * 1e3)


def measured(folder: Path) -> dict[str, object]:
    """All that the section tells."""
    few, many = speed()
    return {
        "known": N_KNOWN,
        "hidden": 77 - N_KNOWN - N_CHOSEN,
        "n_topics": len(SICK) * SICK_WEEKS * A_WEEK,
        "clean": len(CLEAN) * CLEAN_WEEKS,
        "again": len(AGAIN) * CLEAN_WEEKS,
        "table": table(COLUMNS, rows(folder)),
        "few": few,
        "many": many,
    }
