"""Everything a desk wants to know of a ticket, in one model: many targets, one reading."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote

import numpy as np

from features.embedding import Encoder, Meaning
from features.plain import read_json, strings, write_json
from features.text import TextFeatures, spoken
from models.blend import Blend, Fitted, Names, Tier
from models.cascade import Cascade, good_enough
from models.classifier import Fields
from models.conformal import UNTRIED
from models.decided import Decided, Verdict, columns_of, verdicts
from models.head import Features
from models.logistic import ENOUGH
from models.matrix import Matrix
from models.novelty import Novelty
from models.priority import FILE, Derived, Priority, derivable
from models.promise import Promise, promised
from models.stacked import Logs, Stacked
from models.why import N_WORDS, Word, occluded, shares, word_contributions

WORDS, FULL = FORMATS = (6, 7)
"""What a saved model reads of the tickets: their words, or their meaning too."""


class Answers(NamedTuple):
    """For each target probabilities (n_tickets, n_classes), and what is done with each ticket.

    `read` (n_tickets,) says which tickets an encoder has read: the others the fast tier answered.
    """

    probabilities: dict[str, np.ndarray]
    verdicts: dict[str, list[Verdict]]
    read: np.ndarray

    @property
    def decided(self) -> dict[str, Decided]:
        """The verdicts as columns."""
        return {target: columns_of(given) for target, given in self.verdicts.items()}


class Said(NamedTuple):
    """What `Answers` has, before it is decided what to do; `unknown` tickets as in `Decided`."""

    probabilities: dict[str, np.ndarray]
    unknown: dict[str, np.ndarray]
    read: np.ndarray


class Look(NamedTuple):
    """What the fast tier saw of tickets, what its heads said, and what that comes to."""

    xs: dict[str, Features]
    logs: Logs
    probabilities: dict[str, np.ndarray]


class Triage:
    """Several targets at once; the texts are read once for all of them.

    Parameters
    ----------
    precision
        Share of the labels decided as `auto` that must be right: see `models.promise`.
    confidence
        Probability, over the draw of the held-out tickets, that this promise holds.
    seed
        The same seed and the same tickets give the same model.
    encoder
        Reads what the words mean; without one the words themselves decide. Each target finds
        out what either is worth to it, and a saved model carries the encoder that it needs.
        Where the fast tier, which goes by words, is sure enough of every target, it is not asked.
    matrix
        Makes a priority of impact and urgency, where both are learnt and priority is not.

    Examples
    --------
    >>> titles = ["printer jam", "printer broken", "old printer", "vpn down", "vpn slow", "my vpn"]
    >>> labels = {"group": ["print"] * 3 + ["net"] * 3, "urgent": ["no"] * 3 + ["yes", "yes", None]}
    >>> labels = {target: given * 3 for target, given in labels.items()}
    >>> model = Triage().fit({"title": titles * 3}, labels, ordered=False)
    >>> model.targets
    ('group', 'urgent')
    >>> decided = model.decide(model.predict_proba({"title": ["the printer again"]}))["group"]
    >>> decided.labels.tolist(), decided.decision.tolist()  # 20 held-out tickets promise nothing
    (['print'], ['suggest'])
    >>> decided.prediction_sets
    [('print',)]
    """

    def __init__(
        self,
        *,
        precision: float = 0.95,
        confidence: float = 0.9,
        seed: int = 0,
        encoder: Encoder | None = None,
        matrix: Matrix | None = None,
    ) -> None:
        if not (0 < precision < 1 and 0 < confidence < 1):
            raise ValueError(
                f"precision and confidence must lie in (0, 1), got {precision}, {confidence}"
            )
        self.precision = precision
        self.confidence = confidence
        self.seed = seed
        self.features = TextFeatures()
        self.meaning = None if encoder is None else Meaning(encoder)
        self.blends: dict[str, Blend] = {}
        self._whole: tuple[tuple[Blend, ...], Stacked] | None = None
        self.promises: dict[str, Promise] = {}
        self.cascade: Cascade | None = None
        self.novelty: Novelty | None = None
        self.matrix = matrix
        self.priority: Priority | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(self.blends)

    @property
    def classes(self) -> dict[str, np.ndarray]:
        return {target: blend.classes for target, blend in self.blends.items()}

    def fit(
        self,
        fields: Fields,
        labels: Mapping[str, Sequence[str | None]],
        *,
        ordered: bool,
        authors: Sequence[str | None] | None = None,
        spared: np.ndarray | None = None,
        classes: Mapping[str, Sequence[str]] | None = None,
    ) -> Self:
        """Learn every target of `labels` from the tickets that have it.

        A label of None or "" leaves that ticket out for that target. `ordered`: the tickets
        come in the order of time, so the latest are held out for thresholds and calibration.
        `authors` (n_tickets,) tells apart who wrote them: words of few people are not learnt.

        `spared` (n_tickets,) says which tickets the encoder has not seen, where it was tuned on
        the labels of the others. It knows those by heart, so what is said of calibration, of the
        heads' weights and of every promise comes from the spared tickets alone.
        `classes` names, for each target it knows, labels that there are whether or not a ticket
        has them: with an encoder each is known by its name until then, so that `labels` may be
        None for all tickets, and there may be none at all.
        """
        if not labels:
            raise ValueError("wanted at least one target to learn, got none")
        self.blends, self.promises = {}, {}
        xs = self._learn_to_read(fields, authors)
        n_tickets = next(iter(xs.values())).shape[0]
        fitted: dict[str, Fitted] = {}
        names: dict[str, Names | None] = {}
        for target, given in labels.items():
            if len(given) != n_tickets:
                raise ValueError(
                    f"target {target!r} has {len(given)} labels for {n_tickets} tickets"
                )
            try:
                names[target] = self._names(given, (classes or {}).get(target, ()), xs)
                fitted[target] = self._fit_target(xs, given, ordered, spared, names[target])
            except ValueError as error:
                raise ValueError(f"target {target!r}: {error}") from error
            self.blends[target] = fitted[target].blend
        self.cascade = self._cascaded(fitted) if self._reads else None
        settled = np.ones(n_tickets, dtype=bool)
        if self.cascade is not None:
            settled = self.cascade.settled(self._fast_tops(xs, labels, fitted))
        for target, one in fitted.items():
            of_target = settled[_held(labels[target], one)]
            self.promises[target] = self._promised(one, of_target, labels[target], names[target])
        self.novelty = self._novelty(xs, labels, fitted, names) if self._reads else None
        self.priority = self._derived(xs, labels, ordered, spared)
        return self

    def _learn_to_read(
        self, fields: Fields, authors: Sequence[str | None] | None
    ) -> dict[str, Features]:
        if self.meaning is None:
            return {"words": self.features.fit(fields, authors).transform(fields)}
        self.meaning.fit(fields)
        xs: dict[str, Features] = {
            "glance": self.meaning.glance(fields),
            "meaning": self.meaning.transform(fields),
        }
        try:
            return {"words": self.features.fit(fields, authors).transform(fields), **xs}
        except ValueError:  # so few tickets that they share no word
            return xs

    def _names(
        self, labels: Sequence[str | None], more: Sequence[str], xs: Mapping[str, Features]
    ) -> Names | None:
        """What the classes' names are in each view; None where some of them say nothing."""
        seen = {label for label in labels if label}
        classes = sorted({str(label) for label in seen} | set(more))
        said = [spoken(label) for label in classes]
        if self.meaning is None or not all(said) or len(classes) < 2:
            if unseen := sorted(set(more) - seen):
                raise ValueError(
                    f"no ticket has the label {unseen[0]!r}, and it is not known by its name:"
                    " that takes an encoder, two classes or more, and names of words"
                )
            return None
        fields = dict.fromkeys(self.features.columns, said)
        own: dict[str, Features] = {
            "glance": self.meaning.glance(fields),
            "meaning": self.meaning.transform(fields),
        }
        if "words" in xs:
            own["words"] = self.features.transform(fields)
        others = np.flatnonzero([not label for label in labels])
        few = len(labels) - len(others) < ENOUGH * len(classes)
        loose = np.asarray(xs["meaning"])[others] if few and len(others) else None
        return Names(tuple(classes), own, loose)

    def _derived(
        self,
        xs: Mapping[str, Features],
        labels: Mapping[str, Sequence[str | None]],
        ordered: bool,
        spared: np.ndarray | None,
    ) -> Priority | None:
        if self.matrix is None or not derivable(labels):
            return None
        return Priority.learn(
            self.matrix,
            xs,
            labels,
            ordered=ordered,
            seed=self.seed,
            cascade=self.cascade,
            spared=spared,
        )

    def priorities(self, probabilities: Mapping[str, np.ndarray]) -> Derived | None:
        """The priority that what `predict_proba` gave makes; None where none is derived."""
        if self.priority is None:
            return None
        return self.priority.derive(self.classes, probabilities)

    def _fit_target(
        self,
        xs: Mapping[str, Features],
        labels: Sequence[str | None],
        ordered: bool,
        spared: np.ndarray | None,
        names: Names | None,
    ) -> Fitted:
        rows = [row for row, label in enumerate(labels) if label]
        known = [label for label in labels if label]
        some = {view: x[rows] for view, x in xs.items()}
        fresh = None if spared is None else spared[rows]
        return Blend.learn(some, known, ordered=ordered, seed=self.seed, spared=fresh, names=names)

    def _cascaded(self, fitted: Mapping[str, Fitted]) -> Cascade:
        return Cascade(
            {
                target: good_enough(one.fast, one.probabilities, one.truth)
                if one.blend.fast.weights
                else math.inf
                for target, one in fitted.items()
            }
        )

    def _fast_tops(
        self,
        xs: Mapping[str, Features],
        labels: Mapping[str, Sequence[str | None]],
        fitted: Mapping[str, Fitted],
    ) -> dict[str, np.ndarray]:
        """For each target how sure (n_tickets,) a fast tier is that had not seen the ticket.

        One that was not held out for a target has been learnt from, if it has a label; it
        only matters to the other targets, for which it was.
        """
        tops = {}
        for target, one in fitted.items():
            tops[target] = one.blend.predict_fast(xs).max(axis=1)
            tops[target][_held(labels[target], one)] = one.fast.max(axis=1)
        return tops

    def _promised(
        self,
        one: Fitted,
        settled: np.ndarray,
        labels: Sequence[str | None],
        names: Names | None,
    ) -> Promise:
        """A promise of what will be answered: by the fast tier where it has `settled` a ticket."""
        counts = Counter(label for label in labels if label)
        promise = promised(
            one.blend.classes,
            np.where(settled[:, None], one.fast, one.probabilities),
            one.truth,
            precision=self.precision,
            confidence=self.confidence,
            share=one.share,
            n_labels=[counts[label] for label in one.blend.classes],
        )
        if names is not None and not promise.sets.floor:
            promise = replace(promise, sets=UNTRIED)
        return promise

    def _novelty(
        self,
        xs: Mapping[str, Features],
        labels: Mapping[str, Sequence[str | None]],
        fitted: Mapping[str, Fitted],
        names: Mapping[str, Names | None],
    ) -> Novelty:
        """What it takes to see that a ticket is like none of these.

        A class without a ticket is remembered by its name.
        """
        x, targets = [np.asarray(xs["meaning"])], {}
        unseen = {
            target: [label for label, n in promise.n_labels.items() if not n]
            for target, promise in self.promises.items()
        }
        n_more = sum(map(len, unseen.values()))
        for target, one in fitted.items():
            rows = np.flatnonzero([bool(label) for label in labels[target]])
            known = [label for label in labels[target] if label]
            codes = np.full(len(labels[target]) + n_more, -1)
            own, known_by = np.searchsorted(one.blend.classes, unseen[target]), names[target]
            if known_by is not None:
                start = sum(map(len, x))
                codes[start : start + len(own)] = own
                x.append(np.asarray(known_by.xs["meaning"])[own])
            codes[rows] = np.searchsorted(one.blend.classes, np.array(known, dtype=object))
            probabilities = np.full((len(codes), len(one.blend.classes)), np.nan)
            probabilities[_held(labels[target], one)] = one.probabilities
            targets[target] = codes, probabilities
        return Novelty(seed=self.seed).fit(np.vstack(x), targets)

    def predict_proba(self, fields: Fields, tier: Tier | None = None) -> dict[str, np.ndarray]:
        """For each target probabilities (n_tickets, n_classes), in the order of its `classes`.

        The full tier answers the tickets that the fast one does not settle; or all are answered
        by the `tier` that is asked for.
        """
        return self._said(fields, tier).probabilities

    def answer(self, fields: Fields, tier: Tier | None = None) -> Answers:
        """Probabilities, and what to do with each ticket: those of unknown kinds are told apart.

        The fast tier takes none for unknown.
        """
        said = self._said(fields, tier)
        told = self.verdicts(said.probabilities, said.unknown)
        return Answers(said.probabilities, told, said.read)

    def at_a_glance(self, fields: Fields) -> Answers | None:
        """As `answer`, where the fast tier settles every one of the tickets; else None.

        It takes a tenth of the time that reading takes.
        """
        fast = self._look(fields).probabilities
        read = self._to_read(fast, None)
        return None if read.any() else Answers(fast, self.verdicts(fast), read)

    def _look(self, fields: Fields) -> Look:
        xs = self._seen(fields)
        logs = self._stacked.logs("fast", xs)
        n_tickets = xs["words"].shape[0]
        return Look(xs, logs, self._stacked.probabilities("fast", logs, n_tickets))

    def _said(self, fields: Fields, tier: Tier | None) -> Said:
        look = self._look(fields)
        said, read = look.probabilities, self._to_read(look.probabilities, tier)
        unknown = {target: np.zeros(len(read), dtype=bool) for target in said}
        if self.meaning is not None and read.any():
            some = np.flatnonzero(read)
            part: dict[str, Features] = {view: x[some] for view, x in look.xs.items()}
            part["meaning"] = self.meaning.transform(
                {
                    name: [fields[name][row] for row in some.tolist()]
                    for name in self._columns(fields)
                }
            )
            logs = self._stacked.logs(
                "full", part, {name: one[some] for name, one in look.logs.items()}
            )
            full = self._stacked.probabilities("full", logs, len(some))
            for target, given in full.items():
                said[target][some] = given
            if self.novelty is not None:
                found = self.novelty.unknown(np.asarray(part["meaning"]), full)
                for target, which in found.items():
                    unknown[target][some] = which
        return Said(said, unknown, read)

    def _to_read(self, fast: Mapping[str, np.ndarray], tier: Tier | None) -> np.ndarray:
        n_tickets = len(next(iter(fast.values())))
        if self.cascade is None or tier == "fast":
            return np.zeros(n_tickets, dtype=bool)
        if tier == "full":
            return np.ones(n_tickets, dtype=bool)
        return ~self.cascade.settled({target: one.max(axis=1) for target, one in fast.items()})

    def _seen(self, fields: Fields) -> dict[str, Features]:
        """All that the fast tier sees of tickets."""
        xs: dict[str, Features] = {"words": self.features.transform(fields)}
        if self.meaning is not None and any("glance" in one.views for one in self.blends.values()):
            xs["glance"] = self.meaning.glance(fields)
        return xs

    def _tier_of(self, texts: Mapping[str, str]) -> Tier:
        """The tier that answers one ticket."""
        fast = self._look({name: [text] for name, text in texts.items()}).probabilities
        return "full" if self._to_read(fast, None)[0] else "fast"

    def _columns(self, fields: Fields) -> list[str]:
        return [name for name in self.features.columns if name in fields]

    @property
    def _reads(self) -> bool:
        return any(blend.reads for blend in self.blends.values())

    def decide(
        self,
        probabilities: Mapping[str, np.ndarray],
        unknown: Mapping[str, np.ndarray] | None = None,
    ) -> dict[str, Decided]:
        """The `verdicts` as columns."""
        told = self.verdicts(probabilities, unknown)
        return {target: columns_of(given) for target, given in told.items()}

    def verdicts(
        self,
        probabilities: Mapping[str, np.ndarray],
        unknown: Mapping[str, np.ndarray] | None = None,
    ) -> dict[str, list[Verdict]]:
        """What each target's promise allows for what `predict_proba` gave, ticket by ticket.

        Tickets that are `unknown` (n_tickets,) to a target are left to a person.
        """
        odd = unknown or {}
        return {
            target: verdicts(
                self.blends[target].classes, given, self.promises[target], odd.get(target)
            )
            for target, given in probabilities.items()
        }

    @property
    def _stacked(self) -> Stacked:
        """The blends as one, made anew where they are others than before."""
        if self._whole is None or self._whole[0] != tuple(self.blends.values()):
            return self._stack()
        return self._whole[1]

    def _stack(self) -> Stacked:
        stacked = Stacked(self.blends)
        self._whole = tuple(self.blends.values()), stacked
        return stacked

    def explain(
        self, fields: Fields, guesses: Mapping[str, str], row: int = 0, *, again: bool = False
    ) -> dict[str, list[Word]]:
        """The words of one ticket that counted most for each target's guess, or against it.

        `guesses` maps targets to labels. Without `again` it is what the words' head says, exactly:
        a target that goes by meaning alone is left out. With `again` the ticket is read up to 40
        times more, less a word each time, whatever the target goes by.
        """
        texts = {name: fields[name][row] for name in self.features.columns if name in fields}
        tier = self._tier_of(texts)
        if again:
            places = {
                target: self.blends[target].classes.tolist().index(label)
                for target, label in guesses.items()
            }
            said = occluded(lambda some: self.predict_proba(some, tier), texts, places)
        else:
            said = {
                target: word_contributions(self.features, blend.heads["words"], texts, label).words
                for target, label in guesses.items()
                if "words" in (blend := self.blends[target]).of_tier(tier).weights
            }
        return {target: shares(words, N_WORDS) for target, words in said.items()}

    def save(self, folder: Path) -> None:
        """Write triage.json, text.json, text.npz and, for each target, a folder of its own.

        Where a target goes by meaning too, meaning.json and the encoder's files stand beside, and
        priority.json where a priority is derived.
        """
        full = any(blend.views != ("words",) for blend in self.blends.values())
        asked = {"precision": self.precision, "confidence": self.confidence, "seed": self.seed}
        kept = {"format": FULL if full else WORDS, "targets": list(self.targets)}
        write_json(folder / "triage.json", asked | kept)
        self.features.save(folder)
        for target, blend in self.blends.items():
            own = folder / folder_of(target)
            own.mkdir()
            blend.save(own, alone=not full)
            self.promises[target].save(own)
        if full and self.meaning is not None:
            self.meaning.save(folder)
        if self.priority is not None:
            self.priority.save(folder)
        if self._reads and self.cascade is not None:
            self.cascade.save(folder)
        if self._reads and self.novelty is not None:
            self.novelty.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; ValueError names the file that is not what it should be."""
        path = folder / "triage.json"
        numbers = {"format": int, "seed": int, "precision": float, "confidence": float}
        kept = read_json(path, numbers | {"targets": list})
        if kept["format"] not in FORMATS:
            raise ValueError(
                f"{path}: format is {kept['format']}, wanted {WORDS} or {FULL}; train again"
            )
        model = cls(precision=kept["precision"], confidence=kept["confidence"], seed=kept["seed"])
        model.features = TextFeatures.load(folder)
        n_features = {"words": model.features.n_features}
        if kept["format"] == FULL:
            model.meaning = Meaning.load(folder)
            n_features["glance"] = model.meaning.n_glanced
            n_features["meaning"] = model.meaning.n_features
        for target in strings(path, "targets", kept["targets"]):
            own = folder / folder_of(target)
            model.blends[target] = Blend.load(own, n_features)
            model.promises[target] = _of_classes(own, model.blends[target].classes)
        if model._reads:
            model.cascade = Cascade.load(folder, model.targets)
            n_classes = {target: len(known) for target, known in model.classes.items()}
            model.novelty = Novelty.load(folder, n_features["meaning"], n_classes)
        if (folder / FILE).exists():
            model.priority = Priority.load(folder, model.classes)
            model.matrix = model.priority.matrix
        model._stack()  # now, so that no request waits for it
        return model


def _held(labels: Sequence[str | None], fitted: Fitted) -> np.ndarray:
    """The rows of the tickets that were held out, in their order."""
    rows: np.ndarray = np.flatnonzero([bool(label) for label in labels])[fitted.held]
    return rows


def _of_classes(folder: Path, classes: np.ndarray) -> Promise:
    """The promise in `folder`; ValueError where it is not one about these classes."""
    promise = Promise.load(folder)
    if promise.own.keys() ^ promise.missing.keys() != set(classes):
        raise ValueError(
            f"{folder / 'promise.json'} speaks of other classes than the head beside it"
        )
    return promise


def folder_of(target: str) -> str:
    """Name of a target's folder: its own, with what a path could misread spelt out.

    >>> folder_of("business_service"), folder_of("../urgent?")
    ('business_service', '%2E%2E%2Furgent%3F')
    """
    name = quote(target, safe=" ").replace(".", "%2E")
    if not 0 < len(name) <= 200:
        raise ValueError(f"a target's name must have 1 to 200 letters, got {target!r}")
    return name
