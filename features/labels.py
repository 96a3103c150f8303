"""Series by their labels: `name{service="checkout",code="500"}`, as Prometheus writes them."""

import re
from collections.abc import Sequence
from typing import NamedTuple

NAMED = re.compile(r"(?P<name>[^{]*)\{(?P<labels>.*)\}\s*")
LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
ESCAPED = {r"\"": '"', r"\\": "\\", r"\n": "\n"}


class Series(NamedTuple):
    """A series' name, and its labels in the order in which they stand."""

    name: str
    labels: dict[str, str]


def parsed(key: str) -> Series:
    """The name and labels that a series' key spells; a key without labels is all name.

    >>> parsed('http_errors{service="checkout",code="500"}')
    Series(name='http_errors', labels={'service': 'checkout', 'code': '500'})
    >>> parsed("auth.errors_per_min")
    Series(name='auth.errors_per_min', labels={})
    """
    whole = NAMED.fullmatch(key)
    if whole is None:
        return Series(key, {})
    labels, place, text = {}, 0, whole["labels"]
    while place < len(text):
        label = LABEL.match(text, place)
        if label is None:
            return Series(key, {})
        labels[label[1]] = re.sub(r"\\.", lambda one: ESCAPED.get(one[0], one[0]), label[2])
        place = label.end()
    return Series(whole["name"], labels)


def group_of(key: str, by: Sequence[str]) -> str:
    """What a series shares an alert with: those of the same value of the first label that it has.

    Of the labels `by` the first one that the series carries counts; without any it stands alone.

    >>> group_of('http_errors{job="web",service="checkout"}', by=["service", "job"])
    'service="checkout"'
    >>> group_of("auth.errors_per_min", by=["service", "job"])
    'auth.errors_per_min'
    """
    labels = parsed(key).labels
    return next((f'{name}="{labels[name]}"' for name in by if name in labels), key)
