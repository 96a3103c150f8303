"""The labels that a desk has, whether or not a ticket shows them yet."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.written import json_in


def read_classes(path: Path, targets: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Each target's labels: a JSON object of lists. ValueError says what is wrong with it."""
    given = json_in(path)
    if not isinstance(given, dict) or not all(map(_is_labels, given.values())):
        raise ValueError(f'{path}: wanted lists of labels, as {{"{targets[0]}": ["Mail", "VPN"]}}')
    if odd := sorted(given.keys() - set(targets)):
        raise ValueError(f"{path} names labels of {odd[0]!r}, wanted those of {list(targets)}")
    return {target: tuple(dict.fromkeys(map(str.strip, own))) for target, own in given.items()}


def _is_labels(given: object) -> bool:
    return isinstance(given, list) and all(isinstance(one, str) and one.strip() for one in given)
