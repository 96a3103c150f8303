"""From labelled tickets to a registered model: load, split, fit, measure, log.

The model that is registered is the one that was measured, learnt from the training part alone:
each figure beside a version is that version's own. To let it learn from the newest tickets too,
train again when there are more.
"""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from data.published import pointer
from data.secret_files import pseudonym_key
from features.embedding import Encoder
from models.head import Features, held_out
from models.learning import LEAST, Point, learning_curve
from models.matrix import Matrix
from models.triage import Triage
from pipelines import audit_trail, gate, model_card, priority, tiers
from pipelines.columns import TEXTS
from pipelines.console import Report, Step, quiet, silent
from pipelines.dataset import REQUESTER, Dataset, Unlabelled, from_file, from_store, with_loose
from pipelines.encoder import encoder, told, tuned_encoder
from pipelines.measure import (
    NOTHING,
    Measured,
    cells,
    curve_notes,
    figures_of,
    measure,
    metrics_of,
    predict,
    promise_notes,
    tables_of,
)
from pipelines.models import promote, served
from pipelines.priority import matrix_for
from pipelines.split import Split, SplitBy, by_names, split
from pipelines.workspace import Workspace, model_name

if TYPE_CHECKING:
    from data.registry import Registry, Version

COLUMNS = ["target", "tickets", "accuracy", "majority", "macro-F1", "ECE", "auto", "auto right"]


@dataclass(frozen=True)
class Recipe:
    """What to learn, from what, and how to measure it.

    Without a `file` the desk's stored tickets are learnt from. `test` is a file to measure on;
    else `by` says how to part the tickets, in the order of time where they have times. With
    `encoder` a sentence encoder reads what the texts mean; without it their words decide. It is
    tuned on the labels for at most `budget` minutes, 0 for not at all. `classes` names for a
    target the labels that there are, with tickets or without.
    """

    targets: tuple[str, ...]
    text: tuple[str, ...] = TEXTS
    file: Path | None = None
    test: Path | None = None
    by: SplitBy | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    precision: float = 0.95
    confidence: float = 0.9
    seed: int = 0
    encoder: bool = True
    budget: float = 0.0
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.budget < np.inf:
            raise ValueError(f"a budget is a number of minutes, 0 or more, got {self.budget}")
        if self.budget and not self.encoder:
            raise ValueError("a budget tunes the encoder, so it goes with one: drop --no-encoder")


class Tuned(NamedTuple):
    """An encoder tuned on a part of the training tickets, and which it has not seen: `spared`."""

    encoder: Encoder
    spared: np.ndarray


class Logged(NamedTuple):
    """What is kept with a version for people: tables, pictures (PNG) and a page (HTML)."""

    tables: Mapping[str, Sequence[gate.Row]]
    figures: Mapping[str, bytes]
    page: str


@dataclass(frozen=True)
class TrainingReport:
    """A version, what was measured of it, and what a person should know of the tickets.

    `refused` says why the gate did not let it be promoted, where that was asked for.
    """

    version: "Version"
    measured: Mapping[str, Measured]
    n_train: int
    n_test: int
    how: str
    notes: tuple[str, ...]
    promoted: bool
    refused: str = ""

    def rows(self) -> list[list[str]]:
        """A row a target, for a table under `COLUMNS`."""
        return [[target, *cells(one)] for target, one in self.measured.items()]


def train(
    place: Workspace, recipe: Recipe, *, promoted: bool = False, step: Step = quiet
) -> TrainingReport:
    """Learn, measure and register a model of the desk; with `promoted` serve it if the gate agrees.

    `step` does each piece of work under its name, such as `pipelines.console.shown`.
    """
    home, name = place.settings.home, model_name(place.settings.desk)
    parts = step("Read the tickets", lambda report: read(place, recipe, report))
    known = parts.train.labels if len(parts.train) else {}
    matrix, why_not = matrix_for(place.settings.priority_matrix, known)
    tuned = None
    if recipe.budget:
        tuned = step("Tune the encoder", lambda report: tune(parts, recipe, report))
    model = step(
        f"Learn from {len(parts.train):,} tickets",
        lambda report: fit(parts, recipe, home, matrix, report, tuned),
    )
    given = NOTHING
    if len(parts.test):
        given = step(
            f"Measure on {len(parts.test):,} tickets",
            lambda report: predict(model, parts.test.fields, report),
        )
    compared = step(
        "Compare the tiers",
        lambda report: tiers.tier_rows(model, parts.test, given, report),
    )
    probabilities = given.probabilities
    measured = evaluate(model, parts, probabilities, given.unknown)
    key = pseudonym_key(place.settings)
    shown = step(
        "Ask the served model the same",
        lambda _: gate.evidence(home, name, key, model, probabilities, parts.train, parts.test),
    )
    registry = step("Open the registry", lambda _: place.registry())
    beside = priority.told(model, parts.test, probabilities)
    curves = step("Ask what more tickets would bring", lambda _: learning_curves(model, parts))
    promises = promise_notes(model.promises)
    measures = (*promises, *curve_notes(curves), *tiers.told(compared))
    notes = (*parts.notes, *measures, *why_not, *beside)
    logged = step(
        "Write the report",
        lambda _: described(name, model, parts, probabilities, measured, notes, curves),
    )
    tables = {**logged.tables, **tiers.tables_of(compared), **shown}
    version = step(
        "Register the model",
        lambda _: log(
            registry, name, model, parts, measured, recipe, logged._replace(tables=tables)
        ),
    )
    sizes = len(parts.train), len(parts.test)
    report = TrainingReport(version, measured, *sizes, parts.how, notes, False)
    if promoted:
        report = through_gate(report, registry, home, step)
    if report.promoted:
        subject = f"{name} version {version.number}"
        audit_trail.log(place.store, audit_trail.PROMOTED, place.settings.desk, subject)
    return report


def through_gate(
    report: TrainingReport, registry: "Registry", home: Path, step: Step = quiet
) -> TrainingReport:
    """Serve the version that was trained, unless the gate refuses it; the report says which."""
    name, number, told = report.version.name, report.version.number, list(report.notes)
    try:
        step(
            f"Promote version {number}",
            lambda _: promote(registry, home, name, number, tell=told.append),
        )
    except gate.Refused as error:
        return replace(report, refused=str(error))
    version = registry.version(name, number)
    return replace(report, version=version, notes=tuple(told), promoted=True)


def read(place: Workspace, recipe: Recipe, report: Report = silent) -> Split:
    """The tickets of a recipe, parted into those to learn from and those to measure on."""
    try:
        data = load(place, recipe, report)
    except Unlabelled:
        if recipe.classes.keys() >= set(recipe.targets):
            return by_names(recipe.text, recipe.targets)
        raise
    return split(data, recipe.by, load_test(place, recipe))


def recipe_of_champion(place: Workspace) -> Recipe | None:
    """What would train the served model's successor from the store; None where none is served."""
    name = model_name(place.settings.desk)
    if pointer(place.settings.home, name) is None:
        return None
    champion = served(place.settings.home, name)
    return Recipe(
        champion.targets,
        champion.features.columns,
        precision=champion.precision,
        encoder=champion.meaning is not None,
        budget=champion.meaning.encoder.minutes if champion.meaning else 0.0,
    )


def load(place: Workspace, recipe: Recipe, report: Report = silent) -> Dataset:
    """The tickets of the recipe's file, or of the desk."""
    if recipe.file is None:
        desk, targets = place.settings.desk, recipe.targets
        return from_store(place.store, desk, targets, text=recipe.text, report=report)
    return _from_file(place, recipe, recipe.file, report)


def load_test(place: Workspace, recipe: Recipe, report: Report = silent) -> Dataset | None:
    """The tickets to measure on, where the recipe names a file of them."""
    if recipe.test is None:
        return None
    if recipe.by is not None:
        raise ValueError(f"wanted --test FILE or --split {recipe.by}, got both")
    return _from_file(place, recipe, recipe.test, report)


def tune(parts: Split, recipe: Recipe, report: Report = silent) -> Tuned:
    """The encoder, tuned within the recipe's budget on the training tickets but a fifth.

    What is calibrated and promised needs tickets whose labels it has not seen: the latest, or
    some of each class of the first target.
    """
    train = parts.train
    first = np.array([label or "" for label in next(iter(train.labels.values()))], dtype=object)
    spared = held_out(first, ordered=parts.ordered, seed=recipe.seed)
    some = train.take(labelled_rows(train, ~spared))
    minutes, seed = recipe.budget, recipe.seed
    reader = tuned_encoder(some.fields, some.labels, minutes=minutes, seed=seed, report=report)
    return Tuned(reader, spared)


def labelled_rows(data: Dataset, wanted: np.ndarray) -> np.ndarray:
    """The rows of those `wanted` (n_tickets,) that have a label for any target."""
    known = np.any([[bool(one) for one in given] for given in data.labels.values()], axis=0)
    return np.flatnonzero(known & wanted)


def fit(
    parts: Split,
    recipe: Recipe,
    home: Path,
    matrix: Matrix | None = None,
    report: Report = silent,
    tuned: Tuned | None = None,
) -> Triage:
    """A model of the training part; with a `matrix` it derives priorities by it.

    Unless one was `tuned`, an encoder is made, or found, under `home`.
    """
    asked = {"precision": recipe.precision, "confidence": recipe.confidence}
    if tuned is not None:
        reader: Encoder | None = tuned.encoder
    else:
        reader = encoder(home) if recipe.encoder else None
    model = Triage(**asked, seed=recipe.seed, encoder=reader, matrix=matrix)
    train = parts.train if reader is None else with_loose(parts.train)
    authors = train.beside.get(REQUESTER)
    n_texts = len(train) * len(train.fields)
    spared = None
    if tuned is not None:
        spared = np.pad(tuned.spared, (0, len(train) - len(tuned.spared)))
    with nullcontext() if reader is None else told(reader, n_texts, report):
        return model.fit(
            train.fields,
            train.labels,
            ordered=parts.ordered,
            authors=authors,
            spared=spared,
            classes=recipe.classes,
        )


def learning_curves(model: Triage, parts: Split) -> dict[str, tuple[Point, ...]]:
    """How right each target is by how many of the training tickets it is learnt from."""
    train = parts.train
    if len(train) < LEAST:
        return {}
    xs: dict[str, Features] = {"words": model.features.transform(train.fields)}
    if model.meaning is not None:
        xs["meaning"] = model.meaning.transform(train.fields)
    return {
        target: learning_curve(xs, given, ordered=parts.ordered, seed=model.seed)
        for target, given in train.labels.items()
    }


def evaluate(
    model: Triage,
    parts: Split,
    probabilities: Mapping[str, np.ndarray],
    unknown: Mapping[str, np.ndarray],
) -> dict[str, Measured]:
    """How good the probabilities are that the model gave the test part, target by target."""
    decided = model.decide(probabilities, unknown)
    return {
        target: measure(target, model.classes[target], given, parts.test.labels[target], decided)
        for target, given in probabilities.items()
    }


def described(
    name: str,
    model: Triage,
    parts: Split,
    probabilities: Mapping[str, np.ndarray],
    measured: Mapping[str, Measured],
    notes: Sequence[str],
    curves: Mapping[str, Sequence[Point]],
) -> Logged:
    """What was measured, as tables, as pictures, and as a page for people."""
    tables = tables_of(measured, model.promises)
    figures = figures_of(measured, model.precision, curves)
    told = (
        f"Learnt from {len(parts.train):,} tickets, measured on {len(parts.test):,} others "
        f"({parts.how})"
    )
    page = model_card.page(
        model,
        parts.test,
        probabilities,
        measured,
        tables,
        figures,
        title=f"Ticket model {name}",
        subtitle=told,
        notes=notes,
    )
    return Logged(tables, figures, page)


def log(
    registry: "Registry",
    name: str,
    model: Triage,
    parts: Split,
    measured: Mapping[str, Measured],
    recipe: Recipe,
    logged: Logged,
) -> "Version":
    """Register the model with all that was measured of it; it becomes the @challenger."""
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside)
        model.save(folder)
        return registry.log_training(
            name,
            folder,
            params=_params(parts, recipe),
            metrics=metrics_of(measured),
            tables=logged.tables,
            figures=logged.figures,
            page=logged.page,
            data_hash=f"{parts.train.hash}/{parts.test.hash}",
        )


def _from_file(place: Workspace, recipe: Recipe, path: Path, report: Report) -> Dataset:
    return from_file(
        path,
        recipe.text,
        recipe.targets,
        mapping=recipe.mapping,
        timezone=place.settings.timezone,
        report=report,
    )


def _params(parts: Split, recipe: Recipe) -> dict[str, object]:
    return {
        "targets": ",".join(recipe.targets),
        "text": ",".join(parts.train.fields),
        "source": recipe.file.name if recipe.file else "store",
        "split": parts.how,
        "n_train": len(parts.train),
        "n_test": len(parts.test),
        "precision": recipe.precision,
        "confidence": recipe.confidence,
        "seed": recipe.seed,
        "encoder": recipe.encoder,
        "budget": recipe.budget,
    }
