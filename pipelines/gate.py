"""What a model has to show before it is served.

With each version its answers to the test tickets are kept, and those of the model that was
served then to the same tickets: a keyed hash for the ticket, never its text. So the gate can be
asked at any time, without the tickets.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.masking import pseudonym
from data.published import open_published, pointer
from models.compare import (
    LUCK,
    Answers,
    Baseline,
    Comparison,
    Recall,
    against_commonest,
    compare,
    holm,
)
from models.triage import Triage
from pipelines.dataset import Dataset
from pipelines.measure import predict

if TYPE_CHECKING:
    from data.registry import Registry

ANSWERS, CHAMPIONS, LEARNT = "answers", "champion_answers", "learnt"
GATE, FORCED = "forewarn.gate", "forewarn.forced"

ENOUGH = 50  # test tickets from which a model that has anything to say shows it
CLASS_MARGIN = 0.05  # a class may lose so much of its recall: some must, where others gain
FIRST_MARGIN = 0.02  # and the first priority so much
ECE_MARGIN = 0.01
FIRST = re.compile(r"(p|prio|priority)?[\s_-]*1\b.*|critical|blocker|urgent|highest", re.IGNORECASE)

Row = Mapping[str, object]

COLUMNS = [
    "target",
    "tickets",
    "accuracy",
    "commonest",
    "compared",
    "before",
    "after",
    "better",
    "worse",
    "ECE before",
    "ECE after",
]


class Refused(ValueError):
    """A version that the gate does not let through; its message says why."""


@dataclass(frozen=True)
class Verdict:
    """Why a version must not be served, what to know if it is, and what was compared."""

    against: tuple[str, ...]
    warnings: tuple[str, ...]
    baselines: Mapping[str, Baseline]
    comparisons: Mapping[str, Comparison]
    champion: str | None

    def rows(self) -> list[list[str]]:
        """A row a target for a table under `COLUMNS`; "-" where nothing was compared."""
        return [
            _row(target, one, self.comparisons.get(target))
            for target, one in self.baselines.items()
        ]

    def text(self) -> str:
        """All of it in a few words, to be kept with the version."""
        if self.against:
            return "refused: " + "; ".join(self.against)
        return "; ".join(("passed", *self.warnings))


@dataclass(frozen=True)
class Kept:
    """A model's answers to one target's tickets, as they were kept."""

    tickets: tuple[str, ...]
    truth: np.ndarray
    answers: Answers

    def take(self, rows: Sequence[int]) -> "Kept":
        given = Answers(*(column[list(rows)] for column in self.answers))
        return Kept(tuple(self.tickets[row] for row in rows), self.truth[list(rows)], given)


def evidence(
    home: Path,
    name: str,
    key: str,
    model: Triage,
    probabilities: Mapping[str, np.ndarray],
    train: Dataset,
    test: Dataset,
) -> dict[str, list[Row]]:
    """What the gate will want to know of a training, as tables to log with it."""
    tickets = identities(test, key)
    tables = {
        ANSWERS: list(_answers(model, probabilities, test, tickets)),
        LEARNT: [{"ticket": one} for one in sorted(set(identities(train, key)))],
    }
    served = _served(home, name)
    if served is None:
        return tables
    number, champion = served
    try:
        given = predict(champion, test.fields).probabilities
    except ValueError:  # it reads columns that these tickets do not have: nothing to compare
        return tables
    rows = _answers(champion, given, test, tickets)
    return tables | {CHAMPIONS: [{"version": number, **row} for row in rows]}


def identities(data: Dataset, key: str) -> list[str]:
    """What tells tickets apart without showing what is in them."""
    return [pseudonym(key, json.dumps(texts))[:16] for texts in data.texts()]


def judge(registry: "Registry", home: Path, name: str, number: str) -> Verdict:
    """Whether version `number` may be served instead of what is served now."""
    now = pointer(home, name)
    champion = None if now is None or now.version == number else now.version
    kept = answers_of(registry.table(name, number, ANSWERS))
    baselines = {
        target: against_commonest(one.truth, one.answers.label) for target, one in kept.items()
    }
    against, warnings = baseline_reasons(number, baselines)
    if champion is not None and not baselines:
        against.append(f"it was tested on no ticket, and version {champion} is served")
    if champion is None:
        return Verdict(tuple(against), tuple(warnings), baselines, {}, None)
    comparisons = paired(registry, name, champion, number)
    more, less_sure = reasons(champion, comparisons)
    for target in baselines.keys() - comparisons.keys():
        less_sure.append(
            f"{target} was not compared with version {champion}, which is served: there are no "
            "tickets that both were tested on; training anew compares them"
        )
    return Verdict((*against, *more), (*warnings, *less_sure), baselines, comparisons, champion)


def paired(registry: "Registry", name: str, before: str, after: str) -> dict[str, Comparison]:
    """Two versions on the same tickets, which neither has learnt from, target by target."""
    new = answers_of(registry.table(name, after, ANSWERS))
    beside = registry.table(name, after, CHAMPIONS)
    if beside and beside[0]["version"] == before:
        old = answers_of(beside)
    else:
        old = answers_of(registry.table(name, before, ANSWERS))
    learnt = {row["ticket"] for row in registry.table(name, before, LEARNT)}
    found = {}
    for target in (target for target in new if target in old):
        ours, theirs = _shared(new[target], old[target], learnt)
        if ours.tickets:
            found[target] = compare(ours.truth, theirs.answers, ours.answers)
    return found


def answers_of(rows: Iterable[Mapping[str, str]]) -> dict[str, Kept]:
    """A table of answers, target by target."""
    by_target: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        by_target.setdefault(row["target"], []).append(row)
    return {target: _kept(own) for target, own in by_target.items()}


def check(
    registry: "Registry", home: Path, name: str, number: str, force: str | None = None
) -> Verdict:
    """The verdict on a version, kept with it in the registry.

    `Refused` says why it must not be served; with `force`, a reason in somebody's words, it may
    be, and the reason is kept beside the verdict.
    """
    verdict = judge(registry, home, name, number)
    registry.note(name, number, GATE, verdict.text())
    if verdict.against and force is None:
        raise Refused(
            f"version {number} of {name!r} was not promoted: {'; '.join(verdict.against)}. "
            '`--force "REASON"` serves it all the same and keeps the reason'
        )
    if force is not None:
        registry.note(name, number, FORCED, force)
    return verdict


def first_priority(target: str, label: str) -> bool:
    """Whether a label is the one for tickets that cannot wait.

    >>> first_priority("priority", "P1"), first_priority("Priority", "1 - Critical")
    (True, True)
    >>> first_priority("priority", "P10"), first_priority("category", "1")
    (False, False)
    """
    return "priority" in target.casefold() and bool(FIRST.fullmatch(label.strip()))


def _row(target: str, one: Baseline, found: Comparison | None) -> list[str]:
    own = [target, f"{one.n:,}", f"{one.accuracy:.3f}", f"{one.majority:.3f}"]
    if found is None:
        return [*own, *["-"] * (len(COLUMNS) - len(own))]
    return [
        *(*own, f"{found.n:,}", f"{found.accuracy_before:.3f}", f"{found.accuracy_after:.3f}"),
        *(f"p = {found.p_better:.2g}", f"p = {found.p_worse:.2g}"),
        *(f"{found.ece_before:.3f}", f"{found.ece_after:.3f}"),
    ]


def _answers(
    model: Triage, probabilities: Mapping[str, np.ndarray], test: Dataset, tickets: list[str]
) -> Iterable[Row]:
    for target in (target for target in model.targets if target in test.labels):
        given = probabilities[target]
        guess, top = model.classes[target][given.argmax(axis=1)], given.max(axis=1)
        for row, truth in enumerate(test.labels[target]):
            if truth:
                yield {
                    "target": target,
                    "ticket": tickets[row],
                    "truth": truth,
                    "answer": guess[row],
                    "probability": f"{top[row]:.6f}",
                }


def _served(home: Path, name: str) -> tuple[str, Triage] | None:
    """The version that is served, and its model; None where none is, or its folder is damaged."""
    try:
        found = open_published(home, name)
        return found.version, Triage.load(found.folder)
    except (LookupError, ValueError):
        return None


def _kept(rows: Sequence[Mapping[str, str]]) -> Kept:
    truth, label = (
        np.array([row[key] for row in rows], dtype=object) for key in ("truth", "answer")
    )
    probability = np.array([float(row["probability"]) for row in rows])
    return Kept(tuple(row["ticket"] for row in rows), truth, Answers(label, probability))


def _shared(ours: Kept, theirs: Kept, learnt: set[str]) -> tuple[Kept, Kept]:
    """Both models' answers to the tickets that both were asked and neither has learnt from."""
    place = {ticket: row for row, ticket in enumerate(theirs.tickets)}
    pairs = [
        (row, place[ticket])
        for row, ticket in enumerate(ours.tickets)
        if ticket in place and ticket not in learnt
    ]
    return ours.take([row for row, _ in pairs]), theirs.take([row for _, row in pairs])


def baseline_reasons(number: str, baselines: Mapping[str, Baseline]) -> tuple[list[str], list[str]]:
    against, warnings = [], []
    if not baselines:
        warnings.append(f"no test answers are kept with version {number}; it was not tested")
    for target, one in baselines.items():
        if one.p <= LUCK:
            continue
        told = (
            f"{target} is no better than always saying {one.commonest!r}: right on "
            f"{one.accuracy:.1%} of {one.n:,} test tickets against {one.majority:.1%} "
            f"(p = {one.p:.2g})"
        )
        if one.n >= ENOUGH:
            against.append(f"{told}; leave the target out, or look at it with `forewarn audit`")
        else:
            warnings.append(f"{told}, and so few tickets cannot show more")
    return against, warnings


def reasons(champion: str, comparisons: Mapping[str, Comparison]) -> tuple[list[str], list[str]]:
    """What speaks against a version beside the one that is served, and what may be chance."""
    against, warnings = [], []
    for target, found in comparisons.items():
        if found.p_worse <= LUCK / len(comparisons):
            against.append(
                f"{target} is worse than version {champion}: {found.accuracy_after:.1%} against "
                f"{found.accuracy_before:.1%} of {found.n:,} tickets (p = {found.p_worse:.2g})"
            )
        if found.ece_rise > ECE_MARGIN:
            against.append(
                f"the probabilities of {target} have become less true: ECE "
                f"{found.ece_after:.3f} against {found.ece_before:.3f}"
            )
        if found.n < ENOUGH:
            warnings.append(f"only {found.n} tickets compare {target} with version {champion}")
    for target, one, sure in _falls(comparisons):
        told = (
            f"{target} {one.label!r} is found in {one.after:.0%} of its {one.n} tickets, by "
            f"version {champion} in {one.before:.0%}"
        )
        if sure:
            against.append(told)
        else:
            warnings.append(f"{told}; it may be chance")
    return against, warnings


def _falls(comparisons: Mapping[str, Comparison]) -> list[tuple[str, Recall, bool]]:
    """Classes whose recall fell beyond their margin, and whether beyond chance too.

    The classes of all targets are tested together (Holm): of a hundred classes five fall by luck.
    The first priority is a question of its own, asked before all others.
    """
    classes = [(target, one) for target, found in comparisons.items() for one in found.recalls]
    first = [(target, one) for target, one in classes if first_priority(target, one.label)]
    rest = [(target, one) for target, one in classes if not first_priority(target, one.label)]
    found = [(*pair, p) for group in (first, rest) for pair, p in _corrected(group)]
    return [
        (target, one, p <= LUCK)
        for target, one, p in found
        if one.fall > (FIRST_MARGIN if first_priority(target, one.label) else CLASS_MARGIN)
    ]


def _corrected(group: list[tuple[str, Recall]]) -> list[tuple[tuple[str, Recall], float]]:
    return list(zip(group, holm([one.p for _, one in group]), strict=True))
