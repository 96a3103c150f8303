"""Triage on public tickets: how often it is right, how honest, how fast.

    python -m benchmarks.triage [FOLDER]

FOLDER holds tickets/*.csv.gz; without it FOREWARN_DATA says where, else ../shared/data.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.triage import Triage
from pipelines.dataset import Dataset, from_file
from pipelines.measure import Measured, measure, predict
from pipelines.split import Split, split

ENDAVA = ("topic_group", "category", "business_service")
PRECISION = 0.95
HEADINGS = (
    "set", "target", "train", "test", "commonest", "accuracy", "± s.e.", "macro-F1", "ECE",
    f"decided alone at {PRECISION:.0%}", "of these right", "training CPU s", "CPU ms a ticket",
)  # fmt: skip


class Row(NamedTuple):
    """One target of one set. `train_seconds` is of all the set's targets together."""

    name: str
    target: str
    n_train: int
    measured: Measured
    train_seconds: float
    ticket_ms: float


def banking77(folder: Path) -> Split:
    """The official split; repeated training texts and test texts seen in training dropped."""
    train, test = (
        from_file(existing(folder, f"banking77_{part}.csv.gz"), ["text"], ["category"])
        for part in ("train", "test")
    )
    return split(once(train), test=test)


def endava(folder: Path) -> Split:
    """A fifth is kept for testing, class by class of the topic group."""
    path = existing(folder, "endava_it_tickets_subset.csv.gz")
    return split(from_file(path, ["title", "body"], ENDAVA), "stratified")


def existing(folder: Path, name: str) -> Path:
    path = folder / "tickets" / name
    if not path.exists():
        raise LookupError(f"{path} is missing; set FOREWARN_DATA to the folder with tickets/ in it")
    return path


def once(data: Dataset) -> Dataset:
    """Each text once, as it came first."""
    first: dict[tuple[str, ...], int] = {}
    for row, texts in enumerate(data.texts()):
        first.setdefault(texts, row)
    return data.take(list(first.values()))


def run(name: str, parts: Split) -> Iterator[Row]:
    """Learn one set and measure each of its targets."""
    began = time.process_time()
    model = Triage(precision=PRECISION).fit(
        parts.train.fields, parts.train.labels, ordered=parts.ordered
    )
    seconds = time.process_time() - began
    cost = ticket_ms(model, parts.test)
    probabilities = predict(model, parts.test.fields)
    decided = model.decide(probabilities)
    for target, given in probabilities.items():
        labels = parts.test.labels[target]
        measured = measure(target, model.classes[target], given, labels, decided)
        n_train = sum(label is not None for label in parts.train.labels[target])
        yield Row(name, target, n_train, measured, seconds, cost)


def ticket_ms(model: Triage, data: Dataset, n: int = 200) -> float:
    """CPU milliseconds to score all targets of one ticket, tickets one by one."""
    some = [data.take([row]).fields for row in range(min(n, len(data)))]
    model.predict_proba(some[0])
    began = time.process_time()
    for fields in some:
        model.decide(model.predict_proba(fields))
    return (time.process_time() - began) / len(some) * 1000


def rows(folder: Path) -> list[Row]:
    """Every set, each trained once and tested once."""
    return [*run("banking77", banking77(folder)), *run("Endava", endava(folder))]


def markdown(found: list[Row]) -> str:
    """The rows as a table."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *map(cells, found)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(row: Row) -> list[str]:
    figures, measured = row.measured.evaluation, row.measured
    right = "–" if np.isnan(measured.auto_precision) else f"{measured.auto_precision:.3f}"
    return [
        *(row.name, row.target, f"{row.n_train:,}", f"{figures.n:,}"),
        *(f"{figures.majority_accuracy:.3f}", f"{figures.accuracy:.3f}"),
        *(f"{figures.accuracy_se:.3f}", f"{figures.macro_f1:.3f}", f"{figures.ece:.3f}"),
        *(f"{measured.coverage:.3f}", right, f"{row.train_seconds:.1f}", f"{row.ticket_ms:.2f}"),
    ]


def main(given: list[str]) -> None:
    beside = Path(__file__).parent.parent.parent / "shared" / "data"
    folder = Path(given[0] if given else os.environ.get("FOREWARN_DATA", beside))
    sys.stdout.write(markdown(rows(folder)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
