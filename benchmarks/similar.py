"""The past tickets most like one: whether they are of its kind, and how soon they are found."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.page import table
from benchmarks.triage import banking77
from features.embedding import Encoder, Meaning
from features.text import TextFeatures
from models.similar import Similar, folded
from pipelines.encoder import encoder

N_TICKETS, N_ASKED = 100_000, 300
KINDS_COLUMNS = ("read by", "search", "same class among 5", "first of the same class")
SPEED_COLUMNS = ("search", "wall ms a query", "CPU ms a query", "10 nearest found", "MB")
Search = Callable[[np.ndarray, int], list[int]]


def kinds(folder: Path, reader: Encoder) -> list[list[str]]:
    """How often a training ticket of the same class is among the nearest, on banking77's test."""
    parts = banking77(folder)
    words, meaning = TextFeatures().fit(parts.train.fields), Meaning(reader).fit(parts.train.fields)
    known, asked = (
        {"encoder": meaning.transform(part.fields), "words": folded(words.transform(part.fields))}
        for part in (parts.train, parts.test)
    )
    train, test = (np.array(part.labels["category"], object) for part in (parts.train, parts.test))
    rows = []
    for view, x in known.items():
        for name, search in (("Similar", similar(x)), ("brute force", brute(x))):
            found = np.array([search(one, 5) for one in asked[view]])
            same = train[found] == test[:, None]
            rows.append([view, name, f"{same.any(axis=1).mean():.3f}", f"{same[:, 0].mean():.3f}"])
    return rows


def speeds(folder: Path, reader: Encoder) -> list[list[str]]:
    """Searches among 100,000 tickets, one query after the other."""
    parts = banking77(folder)
    meaning = Meaning(reader).fit(parts.train.fields)
    asked = meaning.transform(parts.test.take(list(range(N_ASKED))).fields)
    x = many(meaning.transform(parts.train.fields))
    exact = [set(brute(x)(one, 10)) for one in asked]
    bits = x.shape[1] / 8
    return [
        timed("Similar", similar(x), asked, exact, len(x) * (2 * x.shape[1] + bits) / 1e6),
        timed("brute force, numpy float32", brute(x), asked, exact, x.nbytes / 1e6),
    ]


def many(x: np.ndarray, n: int = N_TICKETS, seed: int = 0) -> np.ndarray:
    """As many vectors as a large desk has: real ones, each with some of another and noise in it.

    >>> made = many(np.eye(4, dtype=np.float32), n=6)
    >>> made.shape, np.linalg.norm(made, axis=1).round(3).tolist()
    ((6, 4), [1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    """
    rng = np.random.default_rng(seed)
    one, other = x[rng.integers(0, len(x), n)], x[rng.integers(0, len(x), n)]
    noise = rng.normal(0, 0.5 / np.sqrt(x.shape[1]), (n, x.shape[1]))
    mixed = one + 0.4 * other + noise
    units: np.ndarray = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return units.astype(np.float32)


def similar(x: np.ndarray) -> Search:
    """Search of `Similar` among the rows of `x`."""
    kept = Similar(x.shape[1])
    kept.add([str(row) for row in range(len(x))], x)
    return lambda one, k: [int(name) for name, _ in kept.search(one, k)]


def brute(x: np.ndarray) -> Search:
    """Every cosine, by numpy."""
    units = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)

    def search(one: np.ndarray, k: int) -> list[int]:
        cosines = units @ one
        best = np.argpartition(-cosines, k)[:k]
        return [int(row) for row in best[np.argsort(-cosines[best])]]

    return search


def timed(
    name: str, search: Search, asked: np.ndarray, exact: list[set[int]], megabytes: float
) -> list[str]:
    """One search's figures; the wall's is the median query's, as others share the machine."""
    walls, began = [], time.process_time()
    found = []
    for one in asked:
        at = time.perf_counter()
        found.append(search(one, 10))
        walls.append(time.perf_counter() - at)
    cpu = (time.process_time() - began) / len(asked)
    recall = np.mean([len(set(got) & want) / 10 for got, want in zip(found, exact, strict=True)])
    wall = np.median(walls)
    return [name, f"{wall * 1e3:.1f}", f"{cpu * 1e3:.1f}", f"{recall:.3f}", f"{megabytes:.0f}"]


def measured(folder: Path) -> tuple[str, str]:
    """Two tables: kinds and speeds."""
    with tempfile.TemporaryDirectory() as home:
        reader = encoder(Path(home))
        return table(KINDS_COLUMNS, kinds(folder, reader)), table(
            SPEED_COLUMNS, speeds(folder, reader)
        )
