"""Tickets to learn from, out of a file or the store."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from data.masking import mask
from data.sources.files import read_table
from data.sources.times import date_order, parse_times, zone_of
from models.logistic import ENOUGH
from pipelines.columns import TEXTS, column_for, columns_for, field_names
from pipelines.console import Report, silent

if TYPE_CHECKING:
    from data.records import Feedback, Ticket
    from data.store import Store

MOST_LOOSE = 4000  # more of them cost time and change nothing
TIME = "opened_at"
REQUESTER, PRIORITY = BESIDE = ("requester", "priority")
"""Columns that are kept beside texts and labels where there are any, for what else is to be known:
who wrote a ticket, and what priority it had."""


class Unlabelled(ValueError):
    """There is no ticket, or none with a label, to learn from."""


@dataclass(frozen=True)
class Dataset:
    """Texts and labels of tickets, column by column; one entry a ticket, None for no label.

    `opened_at` (n_tickets,) is datetime64[ms] in UTC, or None where the tickets have no times.
    `notes` says what a person should know of how it came about. `beside` has the columns of
    `BESIDE` that there are; a requester tells people apart and is never kept. `loose` has the
    texts of tickets without any label, column by column: where labels are few, these teach too.
    """

    fields: dict[str, list[str]]
    labels: dict[str, list[str | None]]
    opened_at: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    beside: dict[str, list[str | None]] = field(default_factory=dict)
    loose: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.fields.values())))

    @property
    def hash(self) -> str:
        """SHA-256 of all that is learnt from: the same tickets in the same order, the same hash."""
        digest = hashlib.sha256()
        for kind in (self.fields, self.labels, self.beside, self.loose):
            for name, column in kind.items():
                digest.update(json.dumps([name, column]).encode())
        if self.opened_at is not None:
            digest.update(self.opened_at.astype("int64").tobytes())
        return digest.hexdigest()

    def take(self, rows: Sequence[int] | np.ndarray) -> Self:
        """The tickets of those rows, in that order."""
        at = None if self.opened_at is None else self.opened_at[np.asarray(rows, dtype=int)]
        fields = {name: [texts[row] for row in rows] for name, texts in self.fields.items()}
        labels, beside = (
            {name: [given[row] for row in rows] for name, given in kind.items()}
            for kind in (self.labels, self.beside)
        )
        return type(self)(fields, labels, at, self.notes, beside, self.loose)

    def plain(self) -> list[str]:
        """Each ticket's columns as one text."""
        return ["\n".join(texts) for texts in zip(*self.fields.values(), strict=True)]

    def texts(self) -> list[tuple[str, ...]]:
        """All that stands in each ticket, whatever its case and its blanks."""
        tickets = zip(*self.fields.values(), strict=True)
        return [tuple(" ".join(text.casefold().split()) for text in texts) for texts in tickets]


def from_file(
    path: Path,
    text: Sequence[str],
    targets: Sequence[str],
    *,
    mapping: Mapping[str, str] | None = None,
    timezone: str = "UTC",
    report: Report = silent,
) -> Dataset:
    """The text and target columns of a CSV, JSON lines or Parquet file.

    Texts are masked, as the store masks them, so that a model never learns an address by heart.
    """
    if not (text and targets):
        raise ValueError("wanted at least one text column (--text) and one target (--target)")
    names, raw = field_names(text), _read(path, text, targets, mapping or {}, report)
    fields = {names[column]: raw[column] for column in text}
    labels, beside = (
        {name: [one.strip() or None for one in raw[name]] for name in wanted}
        for wanted in (targets, [name for name in BESIDE if name in raw])
    )
    at, notes = _times(raw.get(TIME, []), timezone)
    return labelled(Dataset(fields, labels, at, notes, beside), str(path))


def _read(
    path: Path,
    text: Sequence[str],
    targets: Sequence[str],
    mapping: Mapping[str, str],
    report: Report,
) -> dict[str, list[str]]:
    found: dict[str, str] = {}
    raw: dict[str, list[str]] = {}
    for table in read_table(path):
        if not found:
            found = _find(path, list(table.columns), text, targets, mapping)
            raw = {name: [] for name in found}
        for name, column in found.items():
            raw[name].extend(map(mask, table[column]) if name in text else table[column])
        report(len(raw[targets[0]]), None)
    if not raw or not raw[targets[0]]:
        raise ValueError(f"{path} holds no rows; wanted tickets with their labels")
    return raw


def _find(
    path: Path,
    columns: list[str],
    text: Sequence[str],
    targets: Sequence[str],
    mapping: Mapping[str, str],
) -> dict[str, str]:
    found = columns_for(path, columns, [*text, *targets], mapping)
    for target in targets:
        if found[target] in {found[name] for name in text}:
            raise ValueError(f"column {found[target]!r} is both a text and a target; take one out")
    more = {name: column_for(name, columns, mapping) for name in (TIME, *BESIDE)}
    return {name: column for name, column in more.items() if column is not None} | found


def from_store(
    store: "Store",
    desk: str,
    targets: Sequence[str],
    *,
    text: Sequence[str] = TEXTS,
    report: Report = silent,
) -> Dataset:
    """The tickets that a desk has, in the order of time; people's corrections count as labels."""
    if not targets:
        raise ValueError("wanted at least one target (--target), such as category")
    wrong = [name for name in text if name not in (*TEXTS, "channel")]
    if wrong:
        raise ValueError(f"stored tickets have title, body and channel to read, not {wrong}")
    corrected = _latest(store.feedback(desk))
    fields: dict[str, list[str]] = {name: [] for name in text}
    labels: dict[str, list[str | None]] = {target: [] for target in targets}
    beside: dict[str, list[str | None]] = {name: [] for name in BESIDE}
    times: list[int] = []
    for ticket in store.tickets(desk):
        for name in text:
            fields[name].append(getattr(ticket, name) or "")
        for target in targets:
            labels[target].append(_label(ticket, target, corrected))
        beside[REQUESTER].append(ticket.requester)
        beside[PRIORITY].append(_label(ticket, PRIORITY, corrected))
        times.append(int(ticket.opened_at.timestamp() * 1000))
        if len(times) % 1000 == 0:
            report(len(times), None)
    if not times:
        raise Unlabelled(f"desk {desk!r} has no tickets; `forewarn ingest tickets FILE` first")
    at = np.array(times, dtype="datetime64[ms]")
    return labelled(Dataset(fields, labels, at, beside=beside), f"desk {desk!r}")


def labelled(data: Dataset, place: str) -> Dataset:
    """The tickets that have a label for at least one target, and of the others the latest texts.

    ValueError where a target has no label.
    """
    for target, given in data.labels.items():
        if not any(given):
            raise Unlabelled(f"no ticket of {place} has a label for the target {target!r}")
    rows = [
        row for row, labels in enumerate(zip(*data.labels.values(), strict=True)) if any(labels)
    ]
    if len(rows) == len(data):
        return data
    others = sorted(set(range(len(data))) - set(rows))
    note = f"{len(others):,} tickets have no label"
    loose = data.take(others[-MOST_LOOSE:]).fields
    return replace(data.take(rows), notes=(*data.notes, note), loose=loose)


def with_loose(train: Dataset) -> Dataset:
    """The tickets, and where a target's labels are few those without one behind them.

    >>> few = Dataset({"title": ["vpn"]}, {"group": ["net"]}, loose={"title": ["printer"]})
    >>> with_loose(few).labels
    {'group': ['net', None]}
    """
    n = len(next(iter(train.loose.values()), []))
    counts = [Counter(filter(None, given)) for given in train.labels.values()]
    if not n or all(one.total() >= ENOUGH * len(one) for one in counts):
        return train
    nothing = [None] * n
    return replace(
        train,
        fields={name: [*texts, *train.loose[name]] for name, texts in train.fields.items()},
        labels={target: [*given, *nothing] for target, given in train.labels.items()},
        opened_at=None,
        beside={name: [*column, *nothing] for name, column in train.beside.items()},
        loose={},
    )


def _times(texts: list[str], timezone: str) -> tuple[np.ndarray | None, tuple[str, ...]]:
    if not texts:
        return None, ()
    times, reasons = parse_times(texts, zone_of(timezone), order=date_order(texts))
    bad = np.flatnonzero(np.isnat(times))
    if len(bad):
        note = f"{len(bad):,} times cannot be read, the first in row {bad[0] + 1}"
        return None, (f"{note}: it {reasons[bad[0]]}",)
    return times, ()


def _latest(feedback: "Sequence[Feedback]") -> dict[tuple[str, str, str], str]:
    given = sorted(feedback, key=lambda one: one.given_at)
    return {(one.source, one.external_id, one.target): one.label for one in given}


def _label(
    ticket: "Ticket", target: str, corrected: Mapping[tuple[str, str, str], str]
) -> str | None:
    given = ticket.labels.get(target, "").strip() or None
    return corrected.get((ticket.source, ticket.external_id, target), given)
