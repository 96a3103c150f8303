"""What a labelled series is called: as Prometheus writes it."""

import re
from collections.abc import Iterable

NAME = "__name__"
PLAIN_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
PLAIN_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
MAX_KEY = 2000  # bytes: PostgreSQL cannot index a text of more than 2,700
COUNTER_ENDS = ("_total", "_count", "_bucket", "_sum")


def key_of(labels: Iterable[tuple[str, str]]) -> str:
    r"""The key of a series, its labels sorted, in Prometheus' text form.

    A label without a value is none. Names that older releases do not know stand in quotes.
    ValueError where there is no name, a label comes twice, or a text cannot be kept.

    >>> key_of([("job", "node"), ("__name__", "up"), ("instance", 'a"b')])
    'up{instance="a\\"b",job="node"}'
    >>> key_of([("__name__", "up"), ("zone", "")]), key_of([("__name__", "cpu.load"), ("a", "1")])
    ('up', '{"cpu.load",a="1"}')
    """
    told = sorted((name, value) for name, value in labels if value)
    names = [name for name, _ in told]
    if len(set(names)) < len(names) or "" in names:
        raise ValueError("a label comes twice or has no name")
    name = dict(told).get(NAME)
    if name is None:
        raise ValueError(f"the label {NAME} is missing")
    plain = PLAIN_NAME.fullmatch(name)
    pairs = [f"{_label(label)}={_quoted(value)}" for label, value in told if label != NAME]
    inside = ",".join(pairs if plain else [_quoted(name), *pairs])
    key = f"{name if plain else ''}{{{inside}}}" if inside else name
    if "\0" in key or len(key.encode()) > MAX_KEY:
        raise ValueError(f"labels hold a NUL, or more than {MAX_KEY} bytes")
    return key


def is_counter(name: str, kind: str = "") -> bool:
    """Whether a metric only ever counts up: its type says so, or else the end of its name.

    `kind` is Prometheus' type of the metric, empty where it is not known.

    >>> is_counter("http_requests_total"), is_counter("queue_count", "gauge"), is_counter("up")
    (True, False, False)
    """
    if kind in ("counter", "gauge"):
        return kind == "counter"
    return name.endswith(COUNTER_ENDS)


def _label(name: str) -> str:
    return name if PLAIN_LABEL.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
