"""Whether promises are kept: tickets parted at random again and again, each time trained anew."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from benchmarks.triage import existing, once
from features.text import TextFeatures
from models.blend import Blend
from models.conformal import LEVEL
from models.decided import decided
from models.head import HELD_OUT, Features
from models.promise import Promise, promised
from pipelines.dataset import Dataset, from_file

N_SPLITS = 20
PRECISIONS = (0.90, 0.95)
HEADINGS = (
    "set", "target", "promised", "splits", "broken", "decided alone", "of these right",
    "classes with their own", "suggested", f"in sets of {LEVEL:.0%}", "labels a set",
)  # fmt: skip


class Kept(NamedTuple):
    """One split at one promise.

    `n_auto` of `n` test tickets were decided alone and `n_right` of these rightly. Of the others
    `n_inside` had their label in their set, the sets having `n_members` labels together.
    """

    n: int
    n_auto: int
    n_right: int
    n_own: int
    n_suggested: int
    n_inside: int
    n_members: int

    def broken(self, precision: float) -> bool:
        """Whether so few right ones are hard to explain by bad luck: one-sided, at 5 %.

        >>> [Kept(200, 100, right, 0, 0, 0, 0).broken(0.95) for right in (91, 90)]
        [False, True]
        """
        if not self.n_auto:
            return False
        return bool(binomtest(self.n_right, self.n_auto, precision, "less").pvalue <= 0.05)


class Row(NamedTuple):
    """One target at one promise, over all splits."""

    name: str
    target: str
    precision: float
    splits: tuple[Kept, ...]

    @property
    def n_broken(self) -> int:
        return sum(one.broken(self.precision) for one in self.splits)

    def share(self, part: str, *whole: str) -> float:
        """Mean over the splits of a part divided by a whole, or by what is left of it."""
        pairs = [(getattr(one, part), _rest(one, whole)) for one in self.splits]
        shares = [n / of for n, of in pairs if of]
        return float(np.mean(shares)) if shares else float("nan")


def _rest(one: Kept, whole: Sequence[str]) -> int:
    first, *less = (int(getattr(one, name)) for name in whole)
    return first - sum(less)


def pools(folder: Path) -> Iterator[tuple[str, Dataset]]:
    """Each set as one pool of tickets, every text once."""
    for name, files, text, targets in (
        ("banking77", ("banking77_train", "banking77_test"), ["text"], ["category"]),
        ("Endava", ("endava_it_tickets_subset",), ["title", "body"], ["topic_group", "category"]),
        ("NLBSE", ("nlbse24_issues_train", "nlbse24_issues_test"), ["title", "body"], ["label"]),
    ):
        parts = [from_file(existing(folder, f"{one}.csv.gz"), text, targets) for one in files]
        yield name, once(_pooled(parts))


def rows(folder: Path, *, n_splits: int = N_SPLITS) -> Iterator[Row]:
    """Every target of every set. What a text's features are is settled without any label."""
    for name, data in pools(folder):
        xs: dict[str, Features] = {"words": TextFeatures().fit(data.fields).transform(data.fields)}
        for target, labels in data.labels.items():
            known = np.flatnonzero([bool(label) for label in labels])
            own = {view: x[known] for view, x in xs.items()}
            truth = np.array([labels[row] for row in known], dtype=object)
            splits = [split(own, truth, seed) for seed in range(n_splits)]
            for precision in PRECISIONS:
                yield Row(name, target, precision, tuple(one[precision] for one in splits))


def split(xs: Mapping[str, Features], truth: np.ndarray, seed: int) -> dict[float, Kept]:
    """Learn from four fifths drawn at random, and see on the others what was promised."""
    test = np.zeros(len(truth), dtype=bool)
    drawn = np.random.default_rng(seed).permutation(len(truth))
    test[drawn[: round(len(truth) * HELD_OUT)]] = True
    learnt = {view: x[~test] for view, x in xs.items()}
    fitted = Blend.learn(learnt, truth[~test].tolist(), ordered=False)
    classes = fitted.blend.classes
    probabilities = fitted.blend.predict_proba({view: x[test] for view, x in xs.items()})
    found = {}
    for precision in PRECISIONS:
        promise = promised(classes, fitted.probabilities, fitted.truth, precision=precision)
        found[precision] = kept(classes, probabilities, truth[test], promise)
    return found


def kept(
    classes: np.ndarray, probabilities: np.ndarray, truth: np.ndarray, promise: Promise
) -> Kept:
    """What became of the promise on tickets that were not learnt from.

    The sets are looked at before the long ones are left out, as that is what they promise.
    """
    told = decided(classes, probabilities, promise)
    auto = told.decision == "auto"
    members = promise.sets.members(probabilities[~auto])
    inside = members & (classes == truth[~auto, None])
    return Kept(
        n=len(truth),
        n_auto=int(auto.sum()),
        n_right=int((told.labels[auto] == truth[auto]).sum()),
        n_own=len(promise.own),
        n_suggested=int((told.decision == "suggest").sum()),
        n_inside=int(inside.sum()),
        n_members=int(members.sum()),
    )


def _pooled(parts: Sequence[Dataset]) -> Dataset:
    fields, labels = (
        {name: [one for column in columns for one in column[name]] for name in columns[0]}
        for columns in ([part.fields for part in parts], [part.labels for part in parts])
    )
    return Dataset(fields, labels)


def markdown(found: Sequence[Row]) -> str:
    """The rows as a table."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *map(cells, found)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(row: Row) -> list[str]:
    return [
        *(row.name, row.target, f"{row.precision:.0%}", str(len(row.splits)), str(row.n_broken)),
        *(f"{row.share('n_auto', 'n'):.3f}", f"{row.share('n_right', 'n_auto'):.3f}"),
        f"{np.mean([one.n_own for one in row.splits]):.1f}",
        f"{row.share('n_suggested', 'n'):.3f}",
        f"{row.share('n_inside', 'n', 'n_auto'):.3f}",
        f"{row.share('n_members', 'n', 'n_auto'):.2f}",
    ]
