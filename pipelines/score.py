"""Tickets of a file into their predicted labels, a chunk at a time."""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from data.masking import mask
from data.published import open_published
from data.sources.files import read_table
from models.matrix import NAME
from models.priority import Derived
from models.triage import Triage
from pipelines.columns import columns_for
from pipelines.console import Report, silent
from pipelines.models import check_plain, opened
from pipelines.workspace import Workspace, model_name

if TYPE_CHECKING:
    from pandas import DataFrame


def score_file(
    model: Triage,
    path: Path,
    out: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    report: Report = silent,
) -> int:
    """Write a row a ticket, in the order of the file, to the CSV `out`; how many there were.

    For each target there is the best guess, its probability, and the decision what to do with
    it: `auto` may stand, `suggest` is for a person to confirm, `abstain` is not sure enough to
    be shown, and is written down so that the whole file can be judged. The set, a JSON list, has
    the labels to choose from, the likeliest first; it is empty beside `abstain`. `out` appears
    whole or not at all.
    """
    n = 0
    with written_aside(out) as file:
        writer = csv.writer(file)
        writer.writerow(header(model.targets, model.priority is not None))
        for table in read_table(path):
            writer.writerows(predicted(model, fields_of(model, path, table, mapping or {})))
            n += len(table)
            report(n, None)
    return n


def load_model(place: Workspace, wanted: str | None = None) -> tuple[Triage, str]:
    """The model that the desk serves, or NAME@VERSION; and what it is called, version included."""
    home = place.settings.home
    if wanted is None:
        served = open_published(home, model_name(place.settings.desk))
        return Triage.load(served.folder), f"{served.name}@{served.version}"
    name, sign, number = wanted.partition("@")
    if not (name and sign and number):
        raise ValueError(f"--model wants NAME@VERSION, such as ticket-it@3, got {wanted!r}")
    with opened(place.registry(), home, name, number) as model:
        return check_plain(model.folder), wanted


def header(targets: Sequence[str], derived: bool = False) -> list[str]:
    """The columns of a file of predictions; `derived`: with the priority that others make.

    >>> header(["group"], True)[3:]
    ['group_set', 'group_unknown', 'priority', 'priority_probability', 'priority_flagged']
    """
    kinds = ("", "_probability", "_decision", "_set", "_unknown")
    own = [f"{target}{what}" for target in targets for what in kinds]
    return own + [f"{NAME}{what}" for what in ("", "_probability", "_flagged") if derived]


def fields_of(
    model: Triage, path: Path, table: "DataFrame", mapping: Mapping[str, str]
) -> dict[str, list[str]]:
    """The texts that the model reads, masked as those that it has learnt from."""
    found = columns_for(path, list(table.columns), model.features.columns, mapping)
    return {name: [mask(text) for text in table[column]] for name, column in found.items()}


def predicted(model: Triage, fields: Mapping[str, Sequence[str]]) -> Iterator[tuple[object, ...]]:
    """A row a ticket, under `header`."""
    answers = model.answer(fields)
    probabilities = answers.probabilities
    columns: list[Sequence[object]] = []
    for target, one in answers.decided.items():
        guess = model.classes[target][probabilities[target].argmax(axis=1)]
        columns += [guess, [f"{value:.6f}" for value in one.probability], one.decision]
        columns.append(
            [json.dumps(some, ensure_ascii=False) if some else "" for some in one.prediction_sets]
        )
        columns.append(["yes" if unknown else "no" for unknown in one.unknown])
    if (derived := model.priorities(probabilities)) is not None:
        columns += [derived.labels, [f"{value:.6f}" for value in derived.probability]]
        columns.append(flags(derived))
    return zip(*columns, strict=True)


def flags(derived: Derived) -> list[str]:
    """Whether each ticket may be of the first priority; "" where nothing can be promised."""
    if derived.flagged is None:
        return [""] * len(derived.labels)
    return ["yes" if one else "no" for one in derived.flagged]


@contextmanager
def written_aside(path: Path) -> Iterator[IO[str]]:
    """A text file that takes the place of `path` when the block ends well; else nothing is left."""
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"wanted a file in a folder that exists, got {path}")
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("w", newline="", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
