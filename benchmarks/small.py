"""A desk that has just begun: so many labelled tickets a class, and the names of the classes.

What is tunable was chosen on parts of banking77's training questions; here its test is asked.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from warnings import catch_warnings, simplefilter

import numpy as np
from scipy.sparse import issparse

from benchmarks.page import table
from benchmarks.triage import banking77
from features.embedding import Encoder, Meaning
from features.text import TextFeatures
from models.evaluate import evaluate
from models.head import Features
from models.triage import Triage
from pipelines.dataset import MOST_LOOSE, Dataset, with_loose
from pipelines.encoder import encoder

N_DRAWS = 5
LABELS = (0, 1, 5, 20)
WAYS = ("Forewarn", "Forewarn, unlabelled too", "regression on meaning", "words only")
WANTED = {1: ".62", 5: ".82", 20: ".90"}


class Figure(NamedTuple):
    """By one of `WAYS`, with `k` labels a class: one draw's accuracy and ECE on the test."""

    way: str
    k: int
    accuracy: float
    ece: float


def figures(folder: Path, reader: Encoder) -> Iterator[Figure]:
    parts = banking77(folder)
    (target,) = parts.train.labels
    given = np.array(parts.train.labels[target], dtype=object)
    classes = {target: sorted(set(given))}
    for k in LABELS:
        for seed in range(N_DRAWS if k else 1):  # of no labels there is but one draw
            rows = drawn(given, k, seed)
            known = parts.train.take(rows)
            yield Figure(WAYS[0], k, *ours(known, parts.test, target, classes, reader))
            if k:
                more = with_loose(replace(known, loose=without(parts.train, rows, seed).fields))
                yield Figure(WAYS[1], k, *ours(more, parts.test, target, classes, reader))
                yield from plain(known, parts.test, target, k, reader)


def ours(
    train: Dataset, test: Dataset, target: str, classes: dict[str, list[str]], reader: Encoder
) -> tuple[float, float]:
    """Accuracy and ECE of what `forewarn train` would learn."""
    model = Triage(encoder=reader)
    model.fit(train.fields, train.labels, ordered=False, classes=classes)
    probabilities = model.predict_proba(test.fields)[target]
    one = evaluate(model.classes[target], probabilities, test.labels[target])
    return one.accuracy, one.ece


def without(data: Dataset, rows: np.ndarray, seed: int) -> Dataset:
    """Of the other tickets as many as a training would read."""
    others = np.setdiff1d(np.arange(len(data)), rows)
    return data.take(np.random.default_rng(seed).permutation(others)[:MOST_LOOSE])


def plain(train: Dataset, test: Dataset, target: str, k: int, reader: Encoder) -> Iterator[Figure]:
    """Logistic regression as scikit-learn has it, on meaning and on words."""
    from sklearn.linear_model import LogisticRegression

    readers: tuple[Meaning | TextFeatures, ...] = (Meaning(reader), TextFeatures())
    for way, one in zip(WAYS[2:], readers, strict=True):
        x, asked = one.fit(train.fields).transform(train.fields), one.transform(test.fields)
        with catch_warnings():
            simplefilter("ignore")  # that one label a class is next to none
            head = LogisticRegression(C=penalty(x), max_iter=1000).fit(x, train.labels[target])
        found = evaluate(head.classes_, head.predict_proba(asked), test.labels[target])
        yield Figure(way, k, found.accuracy, found.ece)


def penalty(x: Features) -> float:
    """A C that is good with few labels: higher than is usual, on words even more so."""
    return 100.0 if issparse(x) else 10.0


def drawn(labels: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Rows of `k` tickets of each class.

    >>> drawn(np.array(["a", "b", "a", "b"]), 1, seed=0).tolist()
    [0, 1]
    """
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(labels == one))[:k] for one in sorted(set(labels))]
    return np.sort(np.concatenate(rows))


def markdown(found: list[Figure]) -> str:
    """A row for each number of labels: means over the draws, and their standard errors."""
    rows = []
    for k in LABELS:
        of = {way: [one for one in found if (one.way, one.k) == (way, k)] for way in WAYS}
        cells = [said([one.accuracy for one in of[way]]) for way in WAYS]
        ece = np.mean([one.ece for one in of[WAYS[0]]])
        rows.append([f"{k}", *cells, f"{ece:.3f}", WANTED.get(k, "–")])
    return table(["labels a class", *WAYS, "Forewarn's ECE", "wanted"], rows)


def said(values: list[float]) -> str:
    """A mean and its standard error over draws; a dash where there is none.

    >>> said([0.5, 0.7]), said([0.5]), said([])
    ('0.600 ± 0.100', '0.500', '–')
    """
    if not values:
        return "–"
    if len(values) == 1:
        return f"{values[0]:.3f}"
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.3f} ± {error:.3f}"


def measured(folder: Path) -> str:
    with tempfile.TemporaryDirectory() as home:
        return markdown(list(figures(folder, encoder(Path(home)))))
