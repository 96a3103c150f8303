"""One target from words and pieces of words: TF-IDF, a linear head, calibrated."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from features.text import TextFeatures
from models.classifier import Fields
from models.head import Head, fit_calibrated


class Linear:
    """A linear head on the words and letters of a ticket.

    Parameters
    ----------
    ordered
        The tickets come in the order of time: probabilities are calibrated on the latest part,
        else on a part drawn class by class.
    seed
        The same seed and the same tickets give the same model.

    Examples
    --------
    >>> texts = ["printer jam", "printer broken", "old printer", "vpn down", "vpn slow", "my vpn"]
    >>> labels = ["printing"] * 3 + ["network"] * 3
    >>> model = Linear().fit({"title": texts}, labels)
    >>> probabilities = model.predict_proba({"title": ["the printer again"]})
    >>> model.classes_[probabilities.argmax(axis=1)].tolist()
    ['printing']
    """

    def __init__(self, *, ordered: bool = False, seed: int = 0) -> None:
        self.ordered = ordered
        self.seed = seed
        self.features = TextFeatures()
        self.head = Head()

    @property
    def classes_(self) -> np.ndarray:
        return self.head.classes

    def fit(self, fields: Fields, labels: Sequence[str]) -> Self:
        x = self.features.fit(fields).transform(fields)
        self.head = fit_calibrated(x, labels, ordered=self.ordered, seed=self.seed).head
        return self

    def predict_proba(self, fields: Fields) -> np.ndarray:
        return self.head.predict_proba(self.features.transform(fields))

    def save(self, folder: Path) -> None:
        """Write text.json, text.npz, head.json and head.npz."""
        self.features.save(folder)
        self.head.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        model = cls()
        model.features = TextFeatures.load(folder)
        model.head = Head.load(folder, model.features.n_features)
        return model
