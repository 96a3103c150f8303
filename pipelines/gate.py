"""What a model has to show before it is served.

With each version its answers to the test tickets are kept, and those of the model that was
served then to the same tickets: a keyed hash for the ticket, never its text. So the gate can be
asked at any time, without the tickets.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from data.masking import pseudonym
from data.published import open_published, pointer
from data.registry import among
from models.compare import (
    LUCK,
    Answers,
    Baseline,
    Comparison,
    Part,
    against_commonest,
    compare,
    holm,
)
from models.triage import Triage
from pipelines.dataset import Dataset
from pipelines.languages import UNTOLD, language_of
from pipelines.measure import cpu_ms, predict

if TYPE_CHECKING:
    from data.registry import Registry, Version

ANSWERS, CHAMPIONS, LEARNT, PACE = "answers", "champion_answers", "learnt", "cpu"
GATE, FORCED = "forewarn.gate", "forewarn.forced"

ENOUGH = 50  # test tickets from which a model that has anything to say shows it
CLASS_MARGIN = 0.05  # a class may lose so much of its recall: some must, where others gain
FIRST_MARGIN = 0.02  # and the first priority so much
LANGUAGE_MARGIN = 0.03  # a language has more tickets than a class, so that less is seen
ECE_MARGIN = 0.01
TIMES_SLOWER, MS_SLOWER = 2.0, 5.0  # both: a model that takes no time may take twice as long
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
LANGUAGE_COLUMNS = ["target", "language", "tickets", "before", "after"]


class Refused(ValueError):
    """A version that the gate does not let through; its message says why."""


class Pace(NamedTuple):
    """CPU milliseconds a ticket of the model that is served and of another, in the same minute."""

    before: float
    after: float

    @property
    def slower(self) -> bool:
        longer = self.after > TIMES_SLOWER * self.before
        return longer and self.after - self.before > MS_SLOWER


@dataclass(frozen=True)
class Verdict:
    """Why a version must not be served, what to know if it is, and what was compared."""

    against: tuple[str, ...]
    warnings: tuple[str, ...]
    baselines: Mapping[str, Baseline]
    comparisons: Mapping[str, Comparison]
    champion: str | None
    pace: Pace | None = None

    def rows(self) -> list[list[str]]:
        """A row a target for a table under `COLUMNS`; "-" where nothing was compared."""
        return [
            _row(target, one, self.comparisons.get(target))
            for target, one in self.baselines.items()
        ]

    def language_rows(self) -> list[list[str]]:
        """A row a target and language for a table under `LANGUAGE_COLUMNS`."""
        return [
            [target, one.label, f"{one.n:,}", f"{one.before:.3f}", f"{one.after:.3f}"]
            for target, found in self.comparisons.items()
            for one in _spoken(found)
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
    languages: np.ndarray

    def take(self, rows: Sequence[int]) -> "Kept":
        some = np.array(rows, dtype=int)
        given = Answers(*(column[some] for column in self.answers))
        tickets = tuple(self.tickets[row] for row in rows)
        return Kept(tickets, self.truth[some], given, self.languages[some])


def evidence(
    home: Path,
    name: str,
    key: str,
    model: Triage,
    probabilities: Mapping[str, np.ndarray],
    train: Dataset,
    test: Dataset,
    *,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[Row]]:
    """What the gate will want to know of a training, as tables to log with it.

    `clock` counts the seconds of CPU that the models take.
    """
    tickets = list(zip(identities(test, key), language_of(test.plain()), strict=True))
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
    before, after = cpu_ms([champion, model], test.fields, clock=clock)
    return tables | {
        CHAMPIONS: [{"version": number, **row} for row in rows],
        PACE: [{"version": number, "before": f"{before:.3f}", "after": f"{after:.3f}"}],
    }


def identities(data: Dataset, key: str) -> list[str]:
    """What tells tickets apart without showing what is in them."""
    return [pseudonym(key, json.dumps(texts))[:16] for texts in data.texts()]


def judge(registry: "Registry", home: Path, name: str, number: str) -> Verdict:
    """Whether version `number` may be served instead of what is served now."""
    now = pointer(home, name)
    champion = None if now is None or now.version == number else now.version
    versions = registry.versions(name)
    version = among(versions, name, number)
    kept = answers_of(registry.table(version, ANSWERS))
    baselines = {
        target: against_commonest(one.truth, one.answers.label) for target, one in kept.items()
    }
    against, warnings = baseline_reasons(number, baselines)
    if champion is not None and not baselines:
        against.append(f"it was tested on no ticket, and version {champion} is served")
    if champion is None:
        return Verdict(tuple(against), tuple(warnings), baselines, {}, None)
    before = among(versions, name, champion)
    comparisons, pace = paired(registry, before, version), pace_of(registry, before, version)
    more, less_sure = reasons(champion, comparisons)
    if pace is not None and pace.slower:
        more.append(
            f"a ticket takes it {pace.after:.1f} ms of CPU, version {champion} {pace.before:.1f}: "
            f"more than {TIMES_SLOWER:g} times as long, and {MS_SLOWER:g} ms longer"
        )
    if pace is None:
        less_sure.append(f"its speed was not measured beside version {champion}")
    for target in baselines.keys() - comparisons.keys():
        less_sure.append(
            f"{target} was not compared with version {champion}, which is served: there are no "
            "tickets that both were tested on; training anew compares them"
        )
    told = (*against, *more), (*warnings, *less_sure)
    return Verdict(*told, baselines, comparisons, champion, pace)


def pace_of(registry: "Registry", before: "Version", after: "Version") -> Pace | None:
    """How long both take for a ticket; None where they were not timed side by side."""
    for row in registry.table(after, PACE):
        if row["version"] == before.number:
            return Pace(float(row["before"]), float(row["after"]))
    return None


def paired(registry: "Registry", before: "Version", after: "Version") -> dict[str, Comparison]:
    """Two versions on the same tickets, which neither has learnt from, target by target."""
    new = answers_of(registry.table(after, ANSWERS))
    beside = registry.table(after, CHAMPIONS)
    if beside and beside[0]["version"] == before.number:
        old = answers_of(beside)
    else:
        old = answers_of(registry.table(before, ANSWERS))
    learnt = {row["ticket"] for row in registry.table(before, LEARNT)}
    found = {}
    for target in (target for target in new if target in old):
        ours, theirs = _shared(new[target], old[target], learnt)
        if ours.tickets:
            given = theirs.answers, ours.answers
            found[target] = compare(ours.truth, *given, languages=ours.languages)
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
    model: Triage,
    probabilities: Mapping[str, np.ndarray],
    test: Dataset,
    tickets: Sequence[tuple[str, str]],
) -> Iterable[Row]:
    """A row a label; `tickets` are what tells each apart, and its language."""
    for target in (target for target in model.targets if target in test.labels):
        given = probabilities[target]
        guess, top = model.classes[target][given.argmax(axis=1)], given.max(axis=1)
        for row, truth in enumerate(test.labels[target]):
            if truth:
                yield {
                    "target": target,
                    **dict(zip(("ticket", "language"), tickets[row], strict=True)),
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
    languages = np.array([row.get("language", UNTOLD) for row in rows], dtype=object)
    return Kept(tuple(row["ticket"] for row in rows), truth, Answers(label, probability), languages)


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
    for told, sure in _falls(champion, comparisons):
        if sure:
            against.append(told)
        else:
            warnings.append(f"{told}; it may be chance")
    return against, warnings


def _falls(champion: str, comparisons: Mapping[str, Comparison]) -> list[tuple[str, bool]]:
    """Classes and languages that fell beyond their margin, and whether beyond chance too.

    The classes of all targets are tested together (Holm): of a hundred classes five fall by luck.
    The first priority is a question of its own, asked before all others, and so are languages.
    """
    classes = [(target, one) for target, found in comparisons.items() for one in found.classes]
    first = [(target, one) for target, one in classes if first_priority(target, one.label)]
    rest = [(target, one) for target, one in classes if not first_priority(target, one.label)]
    spoken = [(target, one) for target, found in comparisons.items() for one in _spoken(found)]
    found_in = (
        "{target} {one.label!r} is found in {one.after:.0%} of its {one.n} tickets, "
        "by version {champion} in {one.before:.0%}"
    )
    right_in = (
        "{target} is right on {one.after:.0%} of the {one.n} tickets in {one.label!r}, "
        "version {champion} on {one.before:.0%}"
    )
    return [
        (told.format(target=target, one=one, champion=champion), p <= LUCK)
        for group, margin, told in (
            (first, FIRST_MARGIN, found_in),
            (rest, CLASS_MARGIN, found_in),
            (spoken, LANGUAGE_MARGIN, right_in),
        )
        for (target, one), p in _corrected(group)
        if one.fall > margin
    ]


def _spoken(found: Comparison) -> list[Part]:
    """Languages with tickets enough to compare; none where there is but one, which is the whole."""
    enough = [one for one in found.languages if one.label != UNTOLD and one.n >= ENOUGH]
    return enough if len(enough) > 1 else []


def _corrected(group: list[tuple[str, Part]]) -> list[tuple[tuple[str, Part], float]]:
    return list(zip(group, holm([one.p for _, one in group]), strict=True))
