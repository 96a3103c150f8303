"""A desk's priority matrix, and how well a model derives priorities by it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.evaluate import evaluate
from models.head import HELD_OUT
from models.matrix import ITIL, SOURCES, Matrix
from models.priority import Floor, derivable
from models.triage import Triage
from pipelines.dataset import PRIORITY, Dataset
from pipelines.written import json_in

VARIABLE = "FOREWARN_PRIORITY_MATRIX"

Labels = Mapping[str, Sequence[str | None]]


def read_matrix(path: Path) -> Matrix:
    """The matrix in a JSON file; ValueError says where in it what is wrong."""
    try:
        given = json_in(path)
    except ValueError as error:
        raise ValueError(f"{VARIABLE}: {error}") from error
    return Matrix.parsed(path, given)


def matrix_for(file: str, labels: Labels) -> tuple[Matrix | None, tuple[str, ...]]:
    """The desk's matrix for tickets of these labels, or ITIL's, and what a person should know.

    None where no priority is to be derived, or where nobody wrote down what the levels mean;
    ValueError where what was written does not know one of them.

    >>> matrix_for("", {"impact": ["1", "2"], "urgency": ["High", "Low"]})[0] == ITIL
    True
    >>> matrix_for("", {"impact": ["0"], "urgency": ["High"]})[1]
    ("no priority is derived: impact '0' is none of '1 - High', '2 - Medium', '3 - Low';
     FOREWARN_PRIORITY_MATRIX says what the desk's levels mean",)
    """
    if not derivable(labels):
        return None, ()
    matrix = read_matrix(Path(file)) if file else ITIL
    try:
        matrix.cells(*(sorted({label for label in labels[name] if label}) for name in SOURCES))
    except ValueError as error:
        if file:
            raise ValueError(f"{VARIABLE}: {file}: {error}") from error
        told = f"no priority is derived: {error}; {VARIABLE} says what the desk's levels mean"
        return None, (told,)
    return matrix, ()


def true_priorities(matrix: Matrix, tickets: Dataset) -> list[str | None]:
    """What the desk wrote as priority; where it never did, what its impact and urgency make."""
    written = [label and matrix.called(label) for label in tickets.beside.get(PRIORITY, [])]
    if any(written):
        return written
    pairs = zip(*(tickets.labels[name] for name in SOURCES), strict=True)
    return [matrix.of(*pair) if all(pair) else None for pair in pairs]


def told(
    model: Triage, tickets: Dataset, probabilities: Mapping[str, np.ndarray]
) -> tuple[str, ...]:
    """How well priorities were derived for test tickets, in words; nothing where none were."""
    derived = model.priorities(probabilities)
    if model.priority is None or derived is None:
        return ()
    matrix, found = model.priority.matrix, model.priority.floor
    truth = true_priorities(matrix, tickets)
    if not any(truth):
        return ("a priority is derived; no test ticket says whether it is right",)
    joined = matrix.joined(model.classes, probabilities)
    figures = evaluate(np.array(matrix.priorities, dtype=object), joined, truth)
    right = (
        f"priority, derived from impact and urgency: {figures.accuracy:.3f} ±"
        f" {figures.accuracy_se:.3f} of {figures.n:,} tickets right, the commonest"
        f" {figures.majority_accuracy:.3f}"
    )
    first = np.array([label == matrix.priorities[0] for label in truth])
    return right, watch_of(found, matrix.priorities[0], first, derived.flagged)


def watch_of(found: Floor, name: str, first: np.ndarray, flagged: np.ndarray | None) -> str:
    """What watching for the first priority came to."""
    if flagged is None:
        return (
            f"no {name} is flagged by its probability: {found.n_first} held-out tickets were"
            f" {name}, {found.n_missing} more are needed to promise {found.share:.0%} of them; a"
            f" share of {HELD_OUT:.0%} of all tickets is held out"
        )
    return (
        f"{name} is flagged from a probability of {found.threshold:.3f}, to miss at most"
        f" {1 - found.share:.0%}: {(first & flagged).sum():,} of {first.sum():,} test tickets of"
        f" {name} were, and {flagged.mean():.1%} of all"
    )
