"""What the fast tier of a model saves, and what it costs: on tickets that it has not seen."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from models.blend import Tier
from models.evaluate import evaluate
from models.triage import Triage
from pipelines.console import Report, silent
from pipelines.dataset import Dataset
from pipelines.measure import Predicted, cpu_ms, predict

TIERS: dict[str, Tier | None] = {"fast": "fast", "full": "full", "cascade": None}
"""Either tier for every ticket, and what is served: the full one where the fast one is unsure."""


class TierRow(NamedTuple):
    """One way to answer: of all test tickets the share that was read, its cost, how often right.

    `ms` is CPU milliseconds a ticket, one by one, all targets; `accuracy` is a target's.
    """

    tier: str
    read: float
    ms: float
    accuracy: Mapping[str, float]


def tier_rows(
    model: Triage, test: Dataset, served: Predicted, report: Report = silent
) -> list[TierRow]:
    """A row each of `TIERS`; none of one tier, or of no ticket. `served` is by both."""
    if model.cascade is None or not served.probabilities:
        return []
    given = {"cascade": served}
    for name in ("fast", "full"):
        given[name] = predict(model, test.fields, report, tier=TIERS[name])
    return [
        TierRow(
            name,
            float(given[name].read.mean()),
            cpu_ms([model], test.fields, tier=tier)[0],
            {
                target: evaluate(model.classes[target], one, test.labels[target]).accuracy
                for target, one in given[name].probabilities.items()
            },
        )
        for name, tier in TIERS.items()
    ]


def tables_of(rows: Sequence[TierRow]) -> dict[str, list[dict[str, object]]]:
    """The rows as a table to keep with a version; none where the model has one tier."""
    kept: list[dict[str, object]] = [
        {
            "tier": row.tier,
            "read": row.read,
            "cpu_ms": row.ms,
            **{f"{target}_accuracy": value for target, value in row.accuracy.items()},
        }
        for row in rows
    ]
    return {"tiers": kept} if kept else {}


def told(rows: Sequence[TierRow]) -> tuple[str, ...]:
    """What a person should know of it, in a sentence.

    >>> told([TierRow("fast", 0.0, 0.5, {"group": 0.9}), TierRow("full", 1.0, 5.0, {"group": 0.93}),
    ...       TierRow("cascade", 0.2, 1.5, {"group": 0.929})])[0]
    'the fast tier answers 80% of the tickets: 1.5 ms CPU a ticket, not 5.0 (group .929, not .930)'
    """
    if not rows:
        return ()
    by = {row.tier: row for row in rows}
    full, both = by["full"], by["cascade"]
    right = ", ".join(
        f"{target} {value:.3f}, not {full.accuracy[target]:.3f}"
        for target, value in both.accuracy.items()
    ).replace("0.", ".")
    return (
        f"the fast tier answers {1 - both.read:.0%} of the tickets: {both.ms:.1f} ms CPU a ticket,"
        f" not {full.ms:.1f} ({right})",
    )
