"""What the audit finds in public tickets: known copies, and labels made wrong on purpose.

A tenth of the labels of whole sets are flipped, each to any other class. How the audit judges
labels was chosen on training parts, with other draws.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.page import table
from benchmarks.triage import ENDAVA, answers, existing
from models.audit import label_errors
from models.compare import Baseline, against_commonest
from models.signal import Signal
from models.triage import Triage
from pipelines import audit
from pipelines.audit import COPY, LEAK, Question, Tickets
from pipelines.dataset import from_file
from pipelines.gate import baseline_reasons
from pipelines.split import split

N_DRAWS, SHARE = 5, 0.1


class Control(NamedTuple):
    """A set of which nothing can be learnt: the audit's verdict, and a model's on unseen tickets.

    `refused` says what the gate has against serving that model; "" is nothing.
    """

    name: str
    target: str
    signal: Signal
    baseline: Baseline
    refused: str


class Planted(NamedTuple):
    """One target's draws, each of shape (n_draws,): `found` of the planted, `right` of the list."""

    name: str
    target: str
    n_classes: int
    n: int
    listed: np.ndarray
    found: np.ndarray
    right: np.ndarray


def banking77(folder: Path) -> Tickets:
    """Both official files, nothing dropped."""
    train, test = (existing(folder, f"banking77_{part}.csv.gz") for part in ("train", "test"))
    return audit.read(Question(train, ("category",), ("text",), test=test))


def endava(folder: Path) -> Tickets:
    path = existing(folder, "endava_it_tickets_subset.csv.gz")
    return audit.read(Question(path, ENDAVA, ("title", "body")))


def flipped(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The labels (n_tickets,), about a tenth of them another of those that there are.

    >>> given = np.array(["net", "print"] * 500, dtype=object)
    >>> int((flipped(given, np.random.default_rng(0)) != given).sum())
    89
    """
    classes, codes = np.unique(labels.astype(str), return_inverse=True)
    away = rng.integers(1, len(classes), len(codes))
    chosen = rng.random(len(codes)) < SHARE
    noisy: np.ndarray = classes[(codes + away * chosen) % len(classes)].astype(object)
    return noisy


def planted(name: str, tickets: Tickets) -> Iterator[Planted]:
    x = audit.features(tickets.data)
    for target, given in tickets.data.labels.items():
        rows = np.flatnonzero([bool(label) for label in given])
        labels = np.array([given[row] for row in rows], dtype=object)
        draws = np.array([draw(x[rows], labels, seed) for seed in range(N_DRAWS)])
        yield Planted(name, target, len(set(labels)), len(labels), *draws.T)


def draw(x: audit.Features, labels: np.ndarray, seed: int) -> tuple[int, float, float]:
    """How many labels are listed, the share of the planted among these found, and of it right."""
    noisy = flipped(labels, np.random.default_rng(seed))
    wrong = noisy != labels
    listed = [one.row for one in label_errors(x, noisy.tolist())]
    hits = int(wrong[listed].sum())
    return len(listed), hits / int(wrong.sum()), hits / max(len(listed), 1)


def rows(folder: Path) -> Iterator[Planted]:
    yield from planted("banking77", banking77(folder))
    yield from planted("Endava", endava(folder))


COLUMNS = (
    "set", "target", "classes", "tickets", "listed", "planted found", "worst draw",
    "of the list planted", "worst draw",
)  # fmt: skip


def markdown(found: Sequence[Planted]) -> str:
    return table(COLUMNS, [
        [
            *(one.name, one.target, f"{one.n_classes}", f"{one.n:,}", f"{one.listed.mean():,.0f}"),
            *(f"{one.found.mean():.3f}", f"{one.found.min():.3f}"),
            *(f"{one.right.mean():.3f}", f"{one.right.min():.3f}"),
        ]
        for one in found
    ])  # fmt: skip


def copies(folder: Path) -> dict[str, int]:
    """How many tickets of banking77 the audit names as copies, and as leaks into the test."""
    tickets = banking77(folder)
    texts = tickets.data.texts()
    n = Counter(one.reason for one in audit.copies(tickets, texts, audit.same(texts)))
    return {"leaks": n[LEAK], "copies": n[COPY]}


def controls(folder: Path) -> list[Control]:
    """The two sets of which nothing can be learnt: whoever reports a gain on them leaks."""
    hadoop = existing(folder, "gitbugs_hadoop.csv.gz")
    invented = existing(folder, "SYNTHETIC_kaggle_customer_support_tickets.csv.gz")
    return [
        control("Hadoop issues", hadoop, ("Summary", "Description"), "Priority"),
        control("invented tickets", invented, ("Ticket Subject", "Ticket Description"),
                "Ticket Type"),
    ]  # fmt: skip


def control(name: str, path: Path, text: tuple[str, ...], target: str) -> Control:
    """Audit one, and learn it by words nevertheless."""
    question = audit.Question(path, (target,), text)
    tickets = audit.read(question)
    twins = audit.same(tickets.data.texts())
    audited = audit.audit_target(tickets, target, audit.features(tickets.data), twins, question)
    parts = split(from_file(path, text, (target,)))
    model = Triage().fit(parts.train.fields, parts.train.labels, ordered=parts.ordered)
    (given,) = answers(model, parts.test).values()
    truth = np.array([label or "" for label in given.labels], dtype=object)
    guess = given.classes[given.probabilities.argmax(axis=1)]
    baseline = against_commonest(truth[truth != ""], guess[truth != ""])
    against, _ = baseline_reasons("1", {target: baseline})
    assert audited.signal is not None, "both are large enough"
    return Control(name, target, audited.signal, baseline, "; ".join(against))


CONTROLS = ("set", "target", "test", "commonest", "accuracy", "audit: a signal", "gate")


def controls_markdown(found: Sequence[Control]) -> str:
    """The controls as a table."""
    return table(CONTROLS, [
        [
            *(one.name, one.target, f"{one.baseline.n:,}", f"{one.baseline.majority:.3f}"),
            f"{one.baseline.accuracy:.3f}",
            "yes" if one.signal.found else "no, a trace" if one.signal.trace else "no",
            "refused" if one.refused else "served",
        ]
        for one in found
    ])  # fmt: skip
