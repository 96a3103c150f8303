"""Triage on public tickets: how often it is right, how honest, how fast.

Nothing that was learnt or read before is used again: the times are those of a first training.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.page import table
from features.embedding import Encoder
from models.blend import Tier
from models.decided import Decided
from models.evaluate import N_BINS
from models.triage import Triage
from pipelines.dataset import Dataset, from_file
from pipelines.encoder import encoder
from pipelines.measure import Measured, cpu_ms, measure, predict
from pipelines.split import Split, split
from pipelines.tiers import TIERS

ENDAVA = ("topic_group", "category", "business_service")
PRECISION = 0.95
N_DRAWS = 500  # of labels and of tickets, for what chance alone would do

HEADINGS = (
    "set", "target", "answered by", "train", "test", "read", "commonest", "accuracy ± s.e.",
    "macro-F1 ± s.e.", "ECE", "ECE if honest", f"decided alone at {PRECISION:.0%}",
    "of these right", "training CPU s", "CPU ms a ticket", "published best", "wanted",
)  # fmt: skip

PUBLISHED = {"banking77": "accuracy .940", "NLBSE'24": "macro-F1 .827"}
WANTED = {
    ("banking77", "category", "fast"): "accuracy .932",
    ("banking77", "category", "full"): "accuracy .950, ECE .010",
    ("Endava", "topic_group", "full"): "accuracy .855",
    ("Endava", "category", "full"): "accuracy .88, macro-F1 .58",
    ("Endava", "business_service", "full"): "accuracy .69, macro-F1 .54",
    ("NLBSE'24", "label", "full"): "macro-F1 .830",
}


class Answers(NamedTuple):
    """What one model said of its test tickets' labels for one target."""

    classes: np.ndarray
    probabilities: np.ndarray
    labels: list[str | None]
    decided: Decided
    read: np.ndarray


class Row(NamedTuple):
    """One target of one set, `answered` by words alone, by a tier, or by the cascade of both.

    Of its tickets the share `read` was read by an encoder. A promise is the cascade's or the
    words'; of a tier by itself it says nothing.

    Of several models, one a part of the set, the macro-F1 is the mean of each one's; all else
    is of their tickets together. `macro_f1` is followed by its standard error, by resampling
    test tickets; `honest` is where the ECE lies, 95 times in 100, if the labels are drawn from
    the models' own probabilities. `train_seconds` is of all the set's targets together.
    """

    name: str
    target: str
    answered: str
    n_train: int
    read: float
    measured: Measured
    macro_f1: tuple[float, float]
    honest: tuple[float, float]
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


def nlbse24(folder: Path) -> list[Split]:
    """The official split, each of the five projects by itself; in no order, as it is judged."""
    parts = [
        from_file(
            existing(folder, f"nlbse24_issues_{part}.csv.gz"), ["title", "body"], ["label", "repo"]
        )
        for part in ("train", "test")
    ]
    repos = sorted({repo for repo in parts[0].labels["repo"] if repo})
    return [split(of(parts[0], repo), test=of(parts[1], repo)) for repo in repos]


def of(data: Dataset, repo: str) -> Dataset:
    """The issues of one project."""
    some = data.take([row for row, one in enumerate(data.labels["repo"]) if one == repo])
    return Dataset(some.fields, {"label": some.labels["label"]})


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


def run(name: str, parts: Sequence[Split], reader: Encoder | None = None) -> Iterator[Row]:
    """Learn each part of a set by a model of its own, and measure each target of the set."""
    tests = [part.test for part in parts]
    began = time.process_time()
    models = [
        Triage(precision=PRECISION, encoder=reader).fit(
            part.train.fields, part.train.labels, ordered=part.ordered
        )
        for part in parts
    ]
    seconds = time.process_time() - began
    for answered, tier in {"words": None}.items() if reader is None else TIERS.items():
        cost = float(
            np.mean(
                [
                    cpu_ms([model], test.fields, tier=tier)[0]
                    for model, test in zip(models, tests, strict=True)
                ]
            )
        )
        given = [answers(*pair, tier) for pair in zip(models, tests, strict=True)]
        for target in models[0].targets:
            some = [one[target] for one in given]
            n_train = sum(bool(label) for part in parts for label in part.train.labels[target])
            read = float(np.concatenate([one.read for one in some]).mean())
            measured = figures(target, some)
            yield Row(name, target, answered, n_train, read, *measured, seconds, cost)


def answers(model: Triage, test: Dataset, tier: Tier | None = None) -> dict[str, Answers]:
    probabilities, unknown, read = predict(model, test.fields, tier=tier)
    decided = model.decide(probabilities, unknown)
    return {
        target: Answers(model.classes[target], given, test.labels[target], decided[target], read)
        for target, given in probabilities.items()
    }


def figures(
    target: str, given: Sequence[Answers]
) -> tuple[Measured, tuple[float, float], tuple[float, float]]:
    """What is measured of all together, the macro-F1 with its error, and an honest model's ECE."""
    classes = given[0].classes
    probabilities = np.vstack([one.probabilities for one in given])
    decided = together([one.decided for one in given])
    labels = [label for one in given for label in one.labels]
    measured = measure(target, classes, probabilities, labels, {target: decided})
    known = np.array([bool(label) for label in labels])
    rng = np.random.default_rng(0)
    return measured, macro_f1(given, rng), honest(probabilities.max(axis=1)[known], rng)


def together(parts: Sequence[Decided]) -> Decided:
    """What was decided of all the parts' tickets."""
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Decided._fields
        if name != "prediction_sets"
    }
    return Decided(
        **arrays, prediction_sets=[one for part in parts for one in part.prediction_sets]
    )


def macro_f1(given: Sequence[Answers], rng: np.random.Generator) -> tuple[float, float]:
    """The mean of each one's macro-F1, and its standard error by resampling the tickets."""
    coded = [codes(one) for one in given]
    drawn = [
        np.mean([f1(truth[(some := rng.integers(0, len(truth), len(truth)))], guess[some])
                 for truth, guess in coded])
        for _ in range(N_DRAWS)
    ]  # fmt: skip
    return float(np.mean([f1(*one) for one in coded])), float(np.std(drawn))


def codes(one: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Truth and best guess of the labelled tickets, as numbers."""
    known = [row for row, label in enumerate(one.labels) if label]
    truth = np.array([one.labels[row] for row in known], dtype=str)
    guess = one.classes[one.probabilities[known].argmax(axis=1)].astype(str)
    _, numbers = np.unique(np.concatenate([truth, guess]), return_inverse=True)
    return numbers[: len(known)], numbers[len(known) :]


def f1(truth: np.ndarray, guess: np.ndarray) -> float:
    """Macro-F1 over the classes that occur or were guessed.

    >>> f1(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])).__round__(3)
    0.733
    """
    size = int(max(truth.max(), guess.max())) + 1
    hit = np.bincount(truth[truth == guess], minlength=size)
    both = np.bincount(truth, minlength=size) + np.bincount(guess, minlength=size)
    return float((2 * hit[both > 0] / both[both > 0]).mean())


def honest(top: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Where the ECE lies, 95 times in 100, of best guesses that are right as often as they say."""
    place = np.minimum((top * N_BINS).astype(int), N_BINS - 1)
    drawn = [
        np.abs(np.bincount(place, weights=(rng.random(len(top)) < top) - top)).sum() / len(top)
        for _ in range(N_DRAWS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def rows(folder: Path) -> Iterator[Row]:
    """Every set, each trained once and tested once, by words alone and by meaning too."""
    sets: dict[str, Callable[[Path], Sequence[Split]]] = {
        "banking77": lambda given: [banking77(given)],
        "Endava": lambda given: [endava(given)],
        "NLBSE'24": nlbse24,
    }
    with tempfile.TemporaryDirectory() as home:
        reader = encoder(Path(home))
        reader.keep = None
        for name, read in sets.items():
            parts = read(folder)
            yield from run(name, parts)
            yield from run(name, parts, reader)


def markdown(found: Sequence[Row]) -> str:
    """The rows as a table."""
    return table(HEADINGS, [cells(row) for row in found])


def cells(row: Row) -> list[str]:
    measured = row.measured
    figures = measured.evaluation
    promised = row.answered not in ("fast", "full")
    right = f"{measured.auto_precision:.3f}" if promised and measured.n_auto else "–"
    return [
        *(row.name, row.target, row.answered, f"{row.n_train:,}", f"{figures.n:,}"),
        *(f"{row.read:.2f}", f"{figures.majority_accuracy:.3f}"),
        f"{figures.accuracy:.3f} ± {figures.accuracy_se:.3f}",
        "{:.3f} ± {:.3f}".format(*row.macro_f1),
        *(f"{figures.ece:.3f}", "{:.3f} to {:.3f}".format(*row.honest)),
        *(
            f"{measured.coverage:.3f}" if promised else "–",
            right,
            f"{row.train_seconds:.0f}",
            f"{row.ticket_ms:.1f}",
        ),
        *(PUBLISHED.get(row.name, "–"), WANTED.get((row.name, row.target, row.answered), "–")),
    ]


def beyond_honest(found: Sequence[Row]) -> str:
    """The targets whose ECE lies above where an honest model's would."""
    beyond = [
        f"{row.name}'s {row.target} by {row.answered}"
        for row in found
        if row.measured.evaluation.ece > row.honest[1]
    ]
    return ", ".join(beyond) or "none"
