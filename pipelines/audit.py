"""What a person should know of labelled tickets before a model learns from them."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.sources.files import Refusing
from data.sources.tables import read_chunks
from features.text import TextFeatures
from models.audit import LabelError, label_errors, missing
from models.duplicates import conflicting, nearly_same, same
from models.head import Features
from models.signal import N_FOLDS, Signal, signal
from pipelines.columns import TEXTS, columns_for
from pipelines.console import Report, Step, quiet, silent
from pipelines.dataset import Dataset, from_file
from pipelines.languages import languages
from pipelines.split import SplitBy, split
from pipelines.writing import written

READ = 1500  # characters of a text: what a ticket is about stands in its beginning
N_SIGNAL = 2000  # tickets that show whether there is a signal

COPY, NEAR_COPY, LEAK, NEAR_LEAK = "copy", "near copy", "leak", "near leak"
CONFLICT, LABEL = "conflict", "label"
REASONS = {
    LEAK: "test ticket with the text of a training ticket",
    NEAR_LEAK: "test ticket with nearly the words of a training ticket",
    COPY: "repeats a ticket of the same part",
    NEAR_COPY: "has nearly the words of another of the same part",
    CONFLICT: "the same text is labelled otherwise elsewhere",
    LABEL: "label is likely wrong",
}


@dataclass(frozen=True)
class Question:
    """Which tickets to look through, and how: as a training would read and part them."""

    file: Path
    targets: tuple[str, ...]
    text: tuple[str, ...] = TEXTS
    test: Path | None = None
    by: SplitBy | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "UTC"
    precision: float = 0.95
    confidence: float = 0.9


class Finding(NamedTuple):
    """One ticket, by file and line, and what is odd about it. "" and None: does not apply."""

    file: str
    line: int
    reason: str
    target: str = ""
    label: str = ""
    fits: str = ""
    probability: float | None = None
    other_file: str = ""
    other_line: int | None = None


@dataclass(frozen=True)
class TargetAudit:
    """One target. `signal` None: too few tickets.

    `counts` are the classes of all tickets, the largest first; `missing` is how many more tickets
    to learn from each of them needs for a promise of its own.
    """

    counts: dict[str, int]
    missing: dict[str, int]
    signal: Signal | None

    @property
    def n(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Audit:
    """All that was found. `how` says which tickets count as test tickets."""

    n_train: int
    n_test: int
    how: str
    targets: dict[str, TargetAudit]
    languages: dict[str, float]
    findings: list[Finding]
    notes: tuple[str, ...]

    def of(self, reason: str, target: str = "") -> list[Finding]:
        """The findings of one kind."""
        return [one for one in self.findings if (one.reason, one.target) == (reason, target)]


@dataclass(frozen=True)
class Tickets:
    """The tickets of both parts, training first, and where each stands."""

    data: Dataset
    files: list[str]
    lines: list[int]
    n_train: int
    how: str

    def finding(self, row: int, reason: str, other: int | None = None, **more: object) -> Finding:
        found = Finding(self.files[row], self.lines[row], reason, **more)  # type: ignore[arg-type]
        if other is None:
            return found
        return found._replace(other_file=self.files[other], other_line=self.lines[other])

    def leaks(self, row: int, other: int) -> bool:
        """Whether a test ticket is measured on what a training ticket has taught."""
        return other < self.n_train <= row


def audit(question: Question, *, step: Step = quiet) -> Audit:
    """Look through the tickets. `step` does each piece of work under its name."""
    tickets = step("Read the tickets", lambda report: read(question, report))
    texts = tickets.data.texts()
    twins = same(texts)
    findings = step("Look for copies", lambda _: list(copies(tickets, texts, twins)))
    x = step("Weigh the words", lambda _: features(tickets.data))
    targets = {}
    for target in question.targets:
        one = step(
            f"Look for a signal about {target}",
            lambda _, target=target: audit_target(tickets, target, x, twins, question),
        )
        targets[target] = one
        findings += conflicts(tickets, target, texts, twins)
        if one.signal is not None and one.signal.found:
            findings += step(
                f"Judge the labels of {target}",
                lambda report, target=target: list(doubts(tickets, target, x, report)),
            )
    spoken = step("Tell the languages", lambda report: languages(tickets.data.plain(), report))
    n_train, n = tickets.n_train, len(tickets.data)
    return Audit(n_train, n - n_train, tickets.how, targets, spoken, findings, tickets.data.notes)


def read(question: Question, report: Report = silent) -> Tickets:
    """The tickets as a training would part them, but with nothing dropped."""
    data, lines = _read(question, question.file, report)
    files = [question.file.name] * len(data)
    if question.test is None:
        return _parted(Tickets(data, files, lines, len(data), ""), question.by)
    more, more_lines = _read(question, question.test, report)
    both = Dataset(
        {name: data.fields[name] + more.fields[name] for name in data.fields},
        {name: data.labels[name] + more.labels[name] for name in data.labels},
        _joined(data.opened_at, more.opened_at),
        tuple(dict.fromkeys((*data.notes, *more.notes))),
    )
    files += [question.test.name] * len(more)
    return Tickets(both, files, lines + more_lines, len(data), "file")


def copies(
    tickets: Tickets, texts: Sequence[tuple[str, ...]], twins: np.ndarray
) -> Iterator[Finding]:
    """Tickets that repeat another, word for word or nearly."""
    for row in np.flatnonzero(twins >= 0):
        leak = tickets.leaks(row, twins[row])
        yield tickets.finding(row, LEAK if leak else COPY, twins[row])
    alone = np.flatnonzero(twins < 0)
    near = nearly_same([" ".join(texts[row]) for row in alone])
    for at in np.flatnonzero(near >= 0):
        row, other = int(alone[at]), int(alone[near[at]])
        yield tickets.finding(row, NEAR_LEAK if tickets.leaks(row, other) else NEAR_COPY, other)


def conflicts(
    tickets: Tickets, target: str, texts: Sequence[tuple[str, ...]], twins: np.ndarray
) -> list[Finding]:
    """Tickets of one text whose labels contradict each other."""
    labels = tickets.data.labels[target]
    return [
        tickets.finding(
            row,
            CONFLICT,
            int(twins[row]) if twins[row] >= 0 else None,
            target=target,
            label=labels[row],
        )
        for row in np.flatnonzero(conflicting(texts, labels))
    ]


def features(data: Dataset) -> Features:
    """What is counted of each ticket."""
    fields = {name: [text[:READ] for text in texts] for name, texts in data.fields.items()}
    rows = list(map(str, range(len(data))))  # copies count, and names too: nothing is kept
    return TextFeatures(min_authors=2).fit(fields, rows).transform(fields)


def audit_target(
    tickets: Tickets, target: str, x: Features, twins: np.ndarray, question: Question
) -> TargetAudit:
    """Classes of a target, and whether the text says anything about it."""
    labels = tickets.data.labels[target]
    counts = dict(Counter(label for label in labels if label).most_common())
    learnt = Counter(labels[: tickets.n_train])
    rows = [row for row in np.flatnonzero(twins < 0) if labels[row]]
    return TargetAudit(
        counts,
        missing(
            {one: learnt[one] for one in counts},
            *(question.precision, question.confidence),
            ordered=tickets.data.opened_at is not None,
        ),
        _signal(tickets.data, np.array(rows, dtype=int), labels, x),
    )


def doubts(
    tickets: Tickets, target: str, x: Features, report: Report = silent
) -> Iterator[Finding]:
    """Tickets whose label is likely wrong, the least believable first."""
    labels = tickets.data.labels[target]
    rows = [row for row, label in enumerate(labels) if label]
    found: list[LabelError] = label_errors(x[rows], [labels[row] for row in rows], report=report)
    for one in found:
        yield tickets.finding(
            rows[one.row],
            LABEL,
            target=target,
            label=one.label,
            fits=one.fits,
            probability=round(one.probability, 6),
        )


def write(findings: Sequence[Finding], to: Path) -> None:
    """A row a finding, in the order of files and lines; no text of a ticket is in it."""
    with written(to) as file:
        out = csv.writer(file)
        out.writerow(Finding._fields)
        out.writerows(sorted(findings, key=lambda one: (one.file, one.line, one.reason)))


def _read(question: Question, path: Path, report: Report) -> tuple[Dataset, list[int]]:
    asked = question.text, question.targets
    data = from_file(
        path, *asked, mapping=question.mapping, timezone=question.timezone, report=report
    )
    return data, _lines(path, *asked, question.mapping)


def _lines(
    path: Path, text: Sequence[str], targets: Sequence[str], mapping: Mapping[str, str]
) -> list[int]:
    """The line on which each ticket begins that has a label for at least one target."""
    lines: list[int] = []
    for chunk in read_chunks(path, rejects=Refusing(path)):
        found = columns_for(path, list(chunk.columns), [*text, *targets], mapping)
        given = zip(*(chunk.columns[found[target]] for target in targets), strict=True)
        labelled = (any(one.strip() for one in labels) for labels in given)
        lines += [line for line, known in zip(chunk.lines, labelled, strict=True) if known]
    return lines


def _parted(tickets: Tickets, by: SplitBy | None) -> Tickets:
    """Training tickets first, parted by the rule that a training follows."""
    data = tickets.data
    numbered = replace(data, fields={"row": [str(row) for row in range(len(data))]})
    parts = split(numbered, by)
    train, test = ([int(row) for row in part.fields["row"]] for part in (parts.train, parts.test))
    rows = train + test
    lines = [tickets.lines[row] for row in rows]
    return Tickets(data.take(rows), tickets.files, lines, len(train), parts.how)


def _joined(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    return None if first is None or second is None else np.concatenate([first, second])


def _signal(
    data: Dataset, rows: np.ndarray, labels: Sequence[str | None], x: Features
) -> Signal | None:
    """Whether the text tells the label of those tickets, or of a sample of them."""
    if len(rows) > N_SIGNAL:
        rows = np.random.default_rng(0).choice(rows, N_SIGNAL, replace=False)
    given = np.array([labels[row] for row in rows], dtype=object)
    if len(rows) < 2 * N_FOLDS or len(set(given)) < 2:
        return None
    ordered = data.opened_at is not None
    order = np.argsort(data.opened_at[rows], kind="stable") if ordered else np.argsort(rows)
    return signal(x[rows[order]], given[order], ordered=ordered)
