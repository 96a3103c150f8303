"""Detectors and classifiers. Pure: arrays and strings in, arrays and strings out."""

from models.linear import Linear
from models.rare import Rare
from models.seasonal import Seasonal
from models.silence import Silence
from models.surge import Surge

CLASSIFIERS = {"linear": Linear}
DETECTORS = {"seasonal": Seasonal, "rare": Rare, "surge": Surge}

__all__ = ["CLASSIFIERS", "DETECTORS", "Linear", "Rare", "Seasonal", "Silence", "Surge"]
