"""Detectors and classifiers. Pure: arrays and strings in, arrays and strings out."""

from models.linear import Linear

CLASSIFIERS = {"linear": Linear}
