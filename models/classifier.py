"""What a classifier is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np

Fields = Mapping[str, Sequence[str]]
"""Columns of text by name (title, body, channel, ...), all of one length, one entry a ticket."""


@runtime_checkable
class Classifier(Protocol):
    """Gives each ticket a probability for each class of one target."""

    classes_: np.ndarray

    def fit(self, fields: Fields, labels: Sequence[str]) -> Self:
        """Learn from tickets and their labels, in the order of time where there is one."""

    def predict_proba(self, fields: Fields) -> np.ndarray:
        """Calibrated probabilities, shape (n_tickets, n_classes), in the order of `classes_`."""

    def save(self, folder: Path) -> None:
        """Write plain files (json, npz) into `folder`, which exists and is empty."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote. ValueError says which file is not what it should be."""
