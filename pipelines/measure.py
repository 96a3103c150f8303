"""What was measured of a model on tickets that it has not seen, and how that is kept."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np
from threadpoolctl import threadpool_limits

from models.blend import Tier
from models.classifier import Fields
from models.decided import Decided
from models.evaluate import (
    Bin,
    Confusion,
    Curve,
    Evaluation,
    confusion,
    coverage_precision,
    evaluate,
    reliability,
)
from models.learning import Point, twice
from models.promise import Promise, State
from models.triage import Triage
from pipelines.console import Report, silent

ROWS_AT_ONCE = 2000
N_TIMED = 100  # tickets


class Alone(NamedTuple):
    """Of `n` tickets whose best guess was a class, `n_auto` were decided alone, `n_right` well."""

    n: int
    n_auto: int
    n_right: int


@dataclass(frozen=True)
class Measured:
    """One target's figures. Of its labelled tickets `n_auto` were decided alone, `n_right` well.

    `alone` says the same class by class, of those that were a best guess.
    """

    evaluation: Evaluation
    bins: list[Bin]
    curve: Curve
    confused: Confusion
    n_auto: int
    n_right: int
    alone: Mapping[str, Alone]

    @property
    def coverage(self) -> float:
        """Share of the tickets that were decided alone."""
        return self.n_auto / self.evaluation.n

    @property
    def auto_precision(self) -> float:
        """Share of the labels given alone that was right; NaN where none was."""
        return self.n_right / self.n_auto if self.n_auto else float("nan")


class Predicted(NamedTuple):
    """For each target probabilities (n_tickets, n_classes), and which tickets are unknown to it.

    `read` (n_tickets,) says which of them the full tier answered.
    """

    probabilities: dict[str, np.ndarray]
    unknown: dict[str, np.ndarray]
    read: np.ndarray


NOTHING = Predicted({}, {}, np.zeros(0, dtype=bool))
"""Of no ticket."""


def predict(
    model: Triage, fields: Fields, report: Report = silent, *, tier: Tier | None = None
) -> Predicted:
    """What the model makes of tickets, some at a time, so that there is progress to tell.

    With a `tier` all of them are answered by that one.
    """
    n = len(next(iter(fields.values())))
    parts = []
    for start in range(0, n, ROWS_AT_ONCE):
        some = {name: texts[start : start + ROWS_AT_ONCE] for name, texts in fields.items()}
        parts.append(model.answer(some, tier))
        report(min(start + ROWS_AT_ONCE, n), n)
    return Predicted(
        {one: np.concatenate([part.probabilities[one] for part in parts]) for one in model.targets},
        {
            one: np.concatenate([part.decided[one].unknown for part in parts])
            for one in model.targets
        },
        np.concatenate([part.read for part in parts]),
    )


def cpu_ms(
    models: Sequence[Triage],
    fields: Fields,
    *,
    tier: Tier | None = None,
    clock: Callable[[], float] = time.process_time,
) -> list[float]:
    """CPU milliseconds that each model takes to answer one ticket, as the endpoint asks it.

    The mean over 100 of the tickets, spread over all; with a `tier` that one answers them. The
    models take turns at each ticket, so that whatever else the machine does meets all alike.
    `clock` counts the seconds of CPU.
    """
    n = len(next(iter(fields.values())))
    rows = np.unique(np.linspace(0, n - 1, N_TIMED).astype(int)).tolist()
    tickets = [{name: [texts[row]] for name, texts in fields.items()} for row in rows]
    with _reading_anew(models), threadpool_limits(1):
        for model in models:
            model.answer(tickets[0], "full")  # what a first ticket has to load is no part of it
        took = [[_seconds(model, one, tier, clock) for model in models] for one in tickets]
    means: list[float] = (1000 * np.mean(took, axis=0)).tolist()
    return means


def _seconds(model: Triage, ticket: Fields, tier: Tier | None, clock: Callable[[], float]) -> float:
    began = clock()
    model.answer(ticket, tier)
    return clock() - began


@contextmanager
def _reading_anew(models: Sequence[Triage]) -> Iterator[None]:
    """Vectors that are kept from the training would make one model look quicker than it is."""
    readers = [model.meaning.encoder for model in models if model.meaning is not None]
    kept = [reader.keep for reader in readers]
    for reader in readers:
        reader.keep = None
    try:
        yield
    finally:
        for reader, keep in zip(readers, kept, strict=True):
            reader.keep = keep


def measure(
    target: str,
    classes: np.ndarray,
    probabilities: np.ndarray,
    labels: Sequence[str | None],
    decided: Mapping[str, Decided],
) -> Measured:
    """One target's figures; ValueError names it where no ticket has a label for it."""
    if not any(labels):
        raise ValueError(f"none of the {len(labels):,} test tickets has a label for {target!r}")
    given = classes, probabilities, labels
    known = np.array([bool(label) for label in labels])
    auto = (decided[target].decision == "auto") & known
    right = decided[target].labels == np.array(labels, dtype=object)
    guess = probabilities.argmax(axis=1)
    alone = {
        str(classes[code]): Alone(
            *(int(some[guess == code].sum()) for some in (known, auto, auto & right))
        )
        for code in np.unique(guess[known])
    }
    return Measured(
        evaluate(*given),
        reliability(*given),
        coverage_precision(*given),
        confusion(*given),
        int(auto.sum()),
        int((auto & right).sum()),
        alone,
    )


def cells(one: Measured) -> list[str]:
    """One target's figures as a person reads them, a cell for each."""
    figures = one.evaluation
    return [
        f"{figures.n:,}",
        f"{figures.accuracy:.3f} ± {figures.accuracy_se:.3f}",
        f"{figures.majority_accuracy:.3f}",
        f"{figures.macro_f1:.3f}",
        f"{figures.ece:.3f}",
        f"{one.coverage:.0%}",
        f"{one.auto_precision:.1%}" if one.n_auto else "-",
    ]


def metrics_of(measured: Mapping[str, Measured]) -> dict[str, float]:
    """Every figure by its name in the registry: `category/accuracy`, `category/Mail/recall`."""
    metrics: dict[str, float] = {}
    for target, one in measured.items():
        figures = one.evaluation
        for name in ("n", "accuracy", "accuracy_se", "macro_f1", "ece", "majority_accuracy"):
            metrics[f"{target}/{name}"] = getattr(figures, name)
        metrics[f"{target}/auto_coverage"] = one.coverage
        metrics[f"{target}/auto_precision"] = one.auto_precision
        for label, score in figures.per_class.items():
            step = label.replace("/", "_")
            for name in ("precision", "recall", "f1"):
                metrics[f"{target}/{step}/{name}"] = getattr(score, name)
    return metrics


def tables_of(
    measured: Mapping[str, Measured], promises: Mapping[str, Promise]
) -> dict[str, list[dict[str, object]]]:
    """Each target's classes, the most frequent first, with their exact names, and their states.

    `auto_coverage` is the share of the tickets called so that was decided alone, `auto_precision`
    the share of these that was right; `missing` is how many more labelled tickets the class
    needs for a promise of its own, 0 where it has one.
    """
    return {
        f"{target}_per_class": [
            {
                "class": label,
                **score._asdict(),
                **_decided_alone(one.alone.get(label, Alone(0, 0, 0))),
                **_promised(promises[target], label),
            }
            for label, score in sorted(
                one.evaluation.per_class.items(), key=lambda item: -item[1].n
            )
        ]
        for target, one in measured.items()
    } | {f"{target}_states": states_of(promise) for target, promise in promises.items()}


def states_of(promise: Promise) -> list[dict[str, object]]:
    """How far each class of a target is, and how many more labels take it to the next state.

    >>> from models.promise import promised
    >>> classes, nothing = np.array(["fax"], dtype=object), np.empty(0, dtype=int)
    >>> states_of(promised(classes, np.ones((0, 1)), nothing, n_labels=[2]))
    [{'class': 'fax', 'labels': 2, 'state': 'learning', 'more': 3}]
    """
    return [
        {
            "class": label,
            "labels": n,
            "state": promise.state(label),
            "more": promise.n_more(label),
        }
        for label, n in sorted(promise.n_labels.items(), key=lambda item: -item[1])
    ]


def _decided_alone(one: Alone) -> dict[str, object]:
    return {
        "auto_coverage": one.n_auto / one.n if one.n else math.nan,
        "auto_precision": one.n_right / one.n_auto if one.n_auto else math.nan,
    }


def _promised(promise: Promise, label: str) -> dict[str, object]:
    """What is promised of a class; of one that the model does not know nothing."""
    if label not in promise.own and label not in promise.missing:
        return {"auto_threshold": math.inf, "missing": math.nan}
    return {"auto_threshold": promise.of(label).auto, "missing": promise.missing.get(label, 0)}


def promise_notes(promises: Mapping[str, Promise]) -> tuple[str, ...]:
    """A line for each target: how many classes have a promise of their own, and what is missing."""
    own = [f"{target}: {_own_note(promise)}" for target, promise in promises.items()]
    return (*own, *(f"{target}: {_states_note(promise)}" for target, promise in promises.items()))


def _states_note(promise: Promise) -> str:
    """How many classes are in each state, and which of them is the next to leave the first."""
    states = [promise.state(label) for label in promise.n_labels]
    said = ", ".join(f"{states.count(state)} {state}" for state in get_args(State))
    if not any(promise.n_labels.values()):
        return f"{said}; no label yet: every answer goes by names, and is a suggestion at most"
    new = [label for label in promise.n_labels if promise.state(label) == "learning"]
    if not new:
        return said
    nearest = min(new, key=promise.n_more)
    return f"{said}; next usable would be {nearest!r} with {promise.n_more(nearest)} more labels"


def curve_notes(curves: Mapping[str, Sequence[Point]]) -> tuple[str, ...]:
    """A line for each target of which a trend is known: what twice the tickets may bring."""
    notes = []
    for target, points in curves.items():
        if (hoped := twice(points)) is not None:
            last = points[-1]
            gain = hoped - last.accuracy
            told = f"up to {gain:+.3f}" if gain > last.se else "nothing beyond chance"
            notes.append(
                f"{target}: twice the {last.n:,} tickets may bring {told} in accuracy"
                f" ({last.accuracy:.3f} ± {last.se:.3f} by its quick heads)"
            )
    return tuple(notes)


def _own_note(promise: Promise) -> str:
    n = len(promise.own) + len(promise.missing)
    said = f"{len(promise.own)} of {n} classes have a promise of their own"
    if not promise.missing:
        return said
    label, missing = min(promise.missing.items(), key=lambda item: item[1])
    return f"{said}, the others share one; next would be {label!r} with {missing:,} more tickets"


def figures_of(
    measured: Mapping[str, Measured],
    precision: float,
    curves: Mapping[str, Sequence[Point]] = {},
) -> dict[str, bytes]:
    """Each target's pictures, as PNG."""
    from pipelines.figures import (
        confusion_figure,
        coverage_figure,
        learning_figure,
        reliability_figure,
    )

    figures = {}
    for target, one in measured.items():
        ece = one.evaluation.ece
        figures[f"{target}_confusion"] = confusion_figure(target, one.confused)
        figures[f"{target}_reliability"] = reliability_figure(target, one.bins, ece)
        figures[f"{target}_coverage"] = coverage_figure(target, one.curve, precision, one.coverage)
        if points := curves.get(target):
            figures[f"{target}_learning"] = learning_figure(target, points, twice(points))
    return figures


def reliability_of(measured: Mapping[str, Measured]) -> dict[str, bytes]:
    """Each target's reliability plot, as PNG."""
    from pipelines.figures import reliability_figure

    return {
        target: reliability_figure(target, one.bins, one.evaluation.ece)
        for target, one in measured.items()
    }
