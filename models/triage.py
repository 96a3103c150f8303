"""Everything a desk wants to know of a ticket, in one model: many targets, one reading."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote

import numpy as np
from scipy.sparse import csr_array

from features.plain import read_json, strings, write_json
from features.text import TextFeatures
from models.classifier import Fields
from models.head import Head, fit_calibrated
from models.promise import Promise, promised

FORMAT = 1


class Decided(NamedTuple):
    """What is done with each ticket for one target, each of shape (n_tickets,).

    `labels` is None where the model abstains; `probability` is then that of its best guess.
    `decision` is auto, suggest or abstain.
    """

    labels: np.ndarray
    probability: np.ndarray
    decision: np.ndarray


class Triage:
    """Several targets at once; the texts are read once for all of them.

    Parameters
    ----------
    precision
        Share of the labels decided as `auto` that must be right.
    confidence
        Probability, over the draw of the held-out tickets, that this promise holds.
    seed
        The same seed and the same tickets give the same model.

    Examples
    --------
    >>> texts = {"title": ["printer jam", "printer broken", "vpn down", "vpn slow"] * 5}
    >>> groups, urgent = ["print", "print", "net", "net"] * 5, ["no", "no", "yes", None] * 5
    >>> model = Triage().fit(texts, {"group": groups, "urgent": urgent}, ordered=False)
    >>> model.targets
    ('group', 'urgent')
    >>> decided = model.decide(model.predict_proba({"title": ["the printer again"]}))["group"]
    >>> decided.labels.tolist(), decided.decision.tolist()  # 4 held-out tickets promise nothing
    (['print'], ['suggest'])
    """

    def __init__(self, *, precision: float = 0.95, confidence: float = 0.9, seed: int = 0) -> None:
        if not (0 < precision < 1 and 0 < confidence < 1):
            raise ValueError(
                f"precision and confidence must lie in (0, 1), got {precision}, {confidence}"
            )
        self.precision = precision
        self.confidence = confidence
        self.seed = seed
        self.features = TextFeatures()
        self.heads: dict[str, Head] = {}
        self.promises: dict[str, Promise] = {}

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(self.heads)

    @property
    def classes(self) -> dict[str, np.ndarray]:
        return {target: head.classes for target, head in self.heads.items()}

    def fit(
        self, fields: Fields, labels: Mapping[str, Sequence[str | None]], *, ordered: bool
    ) -> Self:
        """Learn every target of `labels` from the tickets that have it.

        A label of None or "" leaves that ticket out for that target. `ordered`: the tickets
        come in the order of time, so the latest are held out for thresholds and calibration.
        """
        if not labels:
            raise ValueError("wanted at least one target to learn, got none")
        self.heads, self.promises = {}, {}
        x = self.features.fit(fields).transform(fields)
        for target, given in labels.items():
            if len(given) != x.shape[0]:
                raise ValueError(
                    f"target {target!r} has {len(given)} labels for {x.shape[0]} tickets"
                )
            self._fit_target(target, x, given, ordered)
        return self

    def _fit_target(
        self, target: str, x: csr_array, labels: Sequence[str | None], ordered: bool
    ) -> None:
        rows = [row for row, label in enumerate(labels) if label]
        known = [label for label in labels if label]
        try:
            fitted = fit_calibrated(x[rows], known, ordered=ordered, seed=self.seed)
        except ValueError as error:
            raise ValueError(f"target {target!r}: {error}") from error
        self.heads[target] = fitted.head
        self.promises[target] = promised(
            fitted.probability,
            fitted.right,
            precision=self.precision,
            confidence=self.confidence,
        )

    def predict_proba(self, fields: Fields) -> dict[str, np.ndarray]:
        """For each target probabilities (n_tickets, n_classes), in the order of its `classes`."""
        x = self.features.transform(fields)
        return {target: head.predict_proba(x) for target, head in self.heads.items()}

    def decide(self, probabilities: Mapping[str, np.ndarray]) -> dict[str, Decided]:
        """What each target's promise allows for what `predict_proba` gave."""
        return {
            target: decided(self.heads[target].classes, given, self.promises[target])
            for target, given in probabilities.items()
        }

    def save(self, folder: Path) -> None:
        """Write triage.json, text.json, text.npz and, for each target, a folder of its own."""
        kept = {"precision": self.precision, "confidence": self.confidence, "seed": self.seed}
        write_json(folder / "triage.json", kept | {"format": FORMAT, "targets": list(self.targets)})
        self.features.save(folder)
        for target, head in self.heads.items():
            own = folder / folder_of(target)
            own.mkdir()
            head.save(own)
            self.promises[target].save(own)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; ValueError names the file that is not what it should be."""
        path = folder / "triage.json"
        numbers = {"format": int, "seed": int, "precision": float, "confidence": float}
        kept = read_json(path, numbers | {"targets": list})
        if kept["format"] != FORMAT:
            raise ValueError(f"{path}: format is {kept['format']}, wanted {FORMAT}; train again")
        model = cls(precision=kept["precision"], confidence=kept["confidence"], seed=kept["seed"])
        model.features = TextFeatures.load(folder)
        for target in strings(path, "targets", kept["targets"]):
            own = folder / folder_of(target)
            model.heads[target] = Head.load(own, model.features.n_features)
            model.promises[target] = Promise.load(own)
        return model


def decided(classes: np.ndarray, probabilities: np.ndarray, promise: Promise) -> Decided:
    """`auto` from one threshold on, `suggest` from the other, else nothing."""
    best = probabilities.argmax(axis=1)
    top = probabilities.max(axis=1)
    decision = np.where(
        top >= promise.auto, "auto", np.where(top >= promise.suggest, "suggest", "abstain")
    ).astype(object)
    labels = classes[best]
    labels[decision == "abstain"] = None
    return Decided(labels, top, decision)


def folder_of(target: str) -> str:
    """Name of a target's folder: its own, with what a path could misread spelt out.

    >>> folder_of("business_service"), folder_of("../urgent?")
    ('business_service', '%2E%2E%2Furgent%3F')
    """
    name = quote(target, safe=" ").replace(".", "%2E")
    if not 0 < len(name) <= 200:
        raise ValueError(f"a target's name must have 1 to 200 letters, got {target!r}")
    return name
