"""One page a training: what the model is for, how good it is and where it is weak."""

import base64
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.evaluate import evaluate, worst_pairs
from models.triage import Triage
from pipelines.dataset import Dataset
from pipelines.languages import language_of
from pipelines.measure import Measured, cells

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = Path(__file__).parent / "templates" / "model_card.html"
LEAST = 20  # tickets below which a slice says next to nothing
FIGURES = ["tickets", "accuracy", "commonest label", "macro-F1", "ECE", "auto", "auto right"]

Figures = Mapping[str, bytes]
Tables = Mapping[str, Sequence[Mapping[str, object]]]


class Slice(NamedTuple):
    """How good a target's answers were on the tickets that share a language, a month, ..."""

    name: str
    n: int
    accuracy: float
    accuracy_se: float
    ece: float


def slices_of(test: Dataset) -> dict[str, list[str]]:
    """What test tickets can be told apart by: language, channel and month, one entry a ticket.

    >>> at = np.array(["2026-03-04T09:00"], "M8[ms]")
    >>> slices_of(Dataset({"title": ["the printer in room four is broken"]}, {}, at))
    {'language': ['en'], 'month': ['2026-03']}
    """
    found = {"language": language_of(test.plain())}
    if "channel" in test.fields:
        found["channel"] = list(test.fields["channel"])
    if test.opened_at is not None:
        found["month"] = test.opened_at.astype("M8[M]").astype(str).tolist()
    return found


def sliced(
    model: Triage, target: str, given: np.ndarray, test: Dataset, by: Sequence[str]
) -> list[Slice]:
    """The figures of each slice that has enough labelled tickets, by name."""
    labels = np.array([label or "" for label in test.labels[target]], dtype=object)
    names = np.array(by, dtype=object)
    found = []
    for name in sorted(set(by)):
        rows = np.flatnonzero((names == name) & (labels != ""))
        if len(rows) >= LEAST:
            one = evaluate(model.classes[target], given[rows], labels[rows])
            found.append(Slice(name or "-", one.n, one.accuracy, one.accuracy_se, one.ece))
    return found


def page(
    model: Triage,
    test: Dataset,
    probabilities: Mapping[str, np.ndarray],
    measured: Mapping[str, Measured],
    tables: Tables,
    figures: Figures,
    *,
    title: str,
    subtitle: str,
    notes: Sequence[str] = (),
) -> str:
    """The page as HTML that needs nothing beside it. No text of a ticket stands in it."""
    by = slices_of(test)
    return _template().render(
        title=title,
        subtitle=subtitle,
        targets=model.targets,
        columns=model.features.columns,
        precision=f"{model.precision:.0%}",
        notes=notes,
        sections=[
            {
                "target": target,
                "columns": FIGURES,
                "figures": [cells(one)],
                "pictures": _pictures(target, figures),
                "pairs": [tuple(pair) for pair in worst_pairs(one.confused)],
                "slices": {
                    name: [_slice(one) for one in rows]
                    for name, parts in by.items()
                    if (rows := sliced(model, target, probabilities[target], test, parts))
                },
                "class_columns": list(tables[f"{target}_per_class"][0]),
                "classes": [
                    [_cell(cell) for cell in row.values()] for row in tables[f"{target}_per_class"]
                ],
            }
            for target, one in measured.items()
        ],
        states={
            target: [[_cell(cell) for cell in row.values()] for row in tables[f"{target}_states"]]
            for target in model.targets
        },
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return made.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _slice(one: Slice) -> list[str]:
    return [one.name, f"{one.n:,}", *(f"{each:.3f}" for each in one[2:])]


def _pictures(target: str, figures: Figures) -> list[dict[str, str]]:
    return [
        {"alt": f"{what} of {target}", "data": base64.b64encode(figures[key]).decode()}
        for what in ("reliability", "coverage", "learning", "confusion")
        if (key := f"{target}_{what}") in figures
    ]


def _cell(value: object) -> str:
    """A number as a person reads it; unknown or infinite is a dash.

    >>> _cell(0.12345), _cell(math.nan), _cell(1200), _cell("mail")
    ('0.123', '-', '1,200', 'mail')
    """
    if isinstance(value, float):
        return f"{value:.3f}" if math.isfinite(value) else "-"
    return f"{value:,}" if isinstance(value, int) else str(value)
