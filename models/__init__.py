"""Detectors and classifiers. Pure: arrays and strings in, arrays and strings out."""
