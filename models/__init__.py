"""Detectors and classifiers. Pure: arrays and strings in, arrays and strings out."""

from models.linear import Linear
from models.rare import Rare
from models.silence import Silence
from models.surge import Surge

CLASSIFIERS = {"linear": Linear}
DETECTORS: dict[str, type[Rare] | type[Surge]] = {"rare": Rare, "surge": Surge}

__all__ = ["CLASSIFIERS", "DETECTORS", "Linear", "Rare", "Silence", "Surge"]
