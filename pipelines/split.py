"""Tickets parted into those to learn from and those to measure on."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from models.head import HELD_OUT, drawn
from pipelines.dataset import Dataset

SplitBy = Literal["time", "stratified"]


class Split(NamedTuple):
    """What is learnt from and what is measured on. `ordered`: training goes from old to new."""

    train: Dataset
    test: Dataset
    ordered: bool
    how: str
    notes: tuple[str, ...]


def split(data: Dataset, by: SplitBy | None = None, test: Dataset | None = None) -> Split:
    """Part tickets into training and test; by time where they have times, else class by class.

    A test ticket whose text stands in training too, case and blanks aside, measures memory, not
    skill: it is dropped.
    """
    if by not in (None, "time", "stratified"):
        raise ValueError(f"a split goes by time or stratified, got {by!r}")
    if test is not None:
        return _without_known(_in_order(data), test, _is_later(test, data), "file")
    if by == "time" and data.opened_at is None:
        why = "; ".join(data.notes) or "no column such as created_at; name it: --map opened_at=..."
        raise ValueError(f"these tickets cannot be parted by time: {why}")
    if by == "stratified" or data.opened_at is None:
        return _by_class(data)
    return _by_time(data)


def by_names(text: Sequence[str], targets: Sequence[str]) -> Split:
    """No ticket at all, before the first label: what is learnt are the names of the classes."""
    nothing = Dataset({name: [] for name in text}, {target: [] for target in targets})
    untested = Dataset(nothing.fields, {})
    return Split(nothing, untested, False, "no ticket: by the names of the classes", ())


def _is_later(test: Dataset, data: Dataset) -> bool:
    """Whether test tickets come after those learnt from, as a desk's next tickets will.

    Where they come from the same months, the latest of the training tickets would stand for them
    badly: calibration then goes by a draw, as the test does.
    """
    if test.opened_at is None or data.opened_at is None:
        return False
    return bool(np.median(test.opened_at.astype(int)) >= data.opened_at.max().astype(int))


def _by_time(data: Dataset) -> Split:
    ordered = _in_order(data)
    last = len(data) - max(1, round(len(data) * HELD_OUT))
    train, test = ordered.take(range(last)), ordered.take(range(last, len(data)))
    return _without_known(train, test, True, "time")


def _by_class(data: Dataset) -> Split:
    """Every class of the first target keeps its share in both parts."""
    first = next(iter(data.labels.values()))
    held = drawn(np.array([label or "" for label in first], dtype=object), seed=0)
    train, test = data.take(np.flatnonzero(~held)), data.take(np.flatnonzero(held))
    return _without_known(train, test, False, "stratified")


def _in_order(data: Dataset) -> Dataset:
    if data.opened_at is None:
        return data
    return data.take(np.argsort(data.opened_at, kind="stable"))


def _without_known(train: Dataset, test: Dataset, ordered: bool, how: str) -> Split:
    known = set(train.texts())
    rows = [row for row, text in enumerate(test.texts()) if text not in known]
    notes = tuple(dict.fromkeys((*train.notes, *test.notes)))
    if len(rows) < len(test):
        n = len(test) - len(rows)
        notes += (f"{n:,} test tickets whose text stands in training too were dropped",)
    if not rows or not len(train):
        found = f"{len(train):,} and {len(rows):,}"
        told = f"wanted tickets to learn from and to test on, got {found}"
        raise ValueError("; ".join((told, *notes)))
    return Split(train, test.take(rows), ordered, how, notes)
