"""Kinds of tickets that nobody has labelled: told apart from known ones, by several signs.

Ten of banking77's classes are taken out of training; its test tickets are then those of known and
of unknown kinds. What the score is made of was chosen on training tickets, with other draws.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from benchmarks.page import table
from benchmarks.triage import banking77
from features.dense import widened
from features.embedding import Encoder
from models.neighbours import nearest
from models.novelty import NEAREST
from models.triage import Triage
from pipelines.encoder import encoder

N_DRAWS, N_UNKNOWN = 5, 10
SIGNS = ("largest probability", "nearest neighbours", "Forewarn")


class Draw(NamedTuple):
    """One draw of unknown classes: AUROC by each of `SIGNS`, and what was called unknown."""

    auroc: tuple[float, ...]
    found: float
    wrongly: float


def draws(folder: Path, reader: Encoder) -> Iterator[Draw]:
    parts = banking77(folder)
    (target,) = parts.train.labels
    given = np.array(parts.train.labels[target], dtype=object)
    for seed in range(N_DRAWS):
        classes = np.unique(given.astype(str))
        away = set(np.random.default_rng(seed).permutation(classes)[:N_UNKNOWN].tolist())
        train = parts.train.take(np.flatnonzero([label not in away for label in given]))
        model = Triage(encoder=reader).fit(train.fields, train.labels, ordered=False)
        truth = np.array([label in away for label in parts.test.labels[target]])
        yield one(model, target, parts.test.fields, truth)


def one(model: Triage, target: str, fields: dict[str, list[str]], truth: np.ndarray) -> Draw:
    assert model.meaning is not None
    assert model.novelty is not None
    x, novelty = model.meaning.transform(fields), model.novelty
    probabilities = model.predict_proba(fields, "full")
    similar = x @ widened(novelty.kept, novelty.scale)
    score = novelty.score(x, probabilities)[target]
    signs = -probabilities[target].max(axis=1), -nearest(similar, NEAREST)[1].mean(axis=1), score
    called = score > novelty.targets[target].threshold
    return Draw(
        tuple(auroc(sign, truth) for sign in signs),
        float(called[truth].mean()),
        float(called[~truth].mean()),
    )


def auroc(score: np.ndarray, truth: np.ndarray) -> float:
    """How often a ticket of an unknown kind scores above one of a known kind.

    >>> auroc(np.array([0.1, 0.9, 0.5]), np.array([False, True, False]))
    1.0
    """
    n = int(truth.sum())
    ranks = rankdata(score)[truth].sum() - n * (n + 1) / 2
    return float(ranks / (n * (len(truth) - n)))


def markdown(found: list[Draw]) -> str:
    """A row a sign: mean AUROC, its standard error, and what the threshold does with it."""
    rows = []
    for at, sign in enumerate(SIGNS):
        values = np.array([draw.auroc[at] for draw in found])
        error = values.std(ddof=1) / np.sqrt(len(values))
        told = ("–", "–")
        if sign == SIGNS[-1]:
            told = tuple(f"{np.mean([d[i] for d in found]):.3f}" for i in (1, 2))
        rows.append([sign, f"{values.mean():.3f} ± {error:.3f}", f"{values.min():.3f}", *told])
    columns = ["by", "AUROC ± s.e.", "worst draw", "unknown called so", "known called so"]
    return table(columns, rows)


def measured(folder: Path) -> str:
    with tempfile.TemporaryDirectory() as home:
        return markdown(list(draws(folder, encoder(Path(home)))))
