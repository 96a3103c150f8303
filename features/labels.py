"""Series by their labels: `name{service="checkout",code="500"}`, as Prometheus writes them."""

import re
from collections.abc import Sequence
from typing import NamedTuple

SERIES = re.compile(r'([^{}"\s]*)\{(.*)\}', re.DOTALL)
PAIR = re.compile(r'\s*([^\s=,{}"]+)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|\Z)', re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Series(NamedTuple):
    """A series' name, and its labels in the order in which they stand."""

    name: str
    labels: dict[str, str]


def parsed(key: str) -> Series:
    r"""The name and labels that a series' key spells; what is not written so is all name.

    >>> parsed('http_errors{job="api", path="/a\\"b"}')
    Series(name='http_errors', labels={'job': 'api', 'path': '/a"b'})
    >>> parsed("cpu of host 7").labels, parsed('cpu{host="7"').labels
    ({}, {})
    """
    series = SERIES.fullmatch(key.strip())
    if series is None:
        return Series(key, {})
    text, found, at = series[2].strip(), {}, 0
    while at < len(text):
        pair = PAIR.match(text, at)
        if pair is None:
            return Series(key, {})
        found[pair[1]] = ESCAPED.sub(lambda sign: {"n": "\n"}.get(sign[1], sign[1]), pair[2])
        at = pair.end()
    return Series(series[1], found)


def sender_of(key: str, by: Sequence[str]) -> str:
    """What falls silent together: the group of a series, or what comes before its last dot.

    >>> sender_of("auth.errors_per_min", by=["service"]), sender_of('up{service="a"}', ["service"])
    ('auth', 'service="a"')
    """
    group = group_of(key, by)
    return key.rpartition(".")[0] or key if group == key and "{" not in key else group


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
