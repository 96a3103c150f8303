"""`?fields=`: of each result only what the caller reads."""

import re
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator

Paths = tuple[tuple[str, ...], ...]
PATH = re.compile(r"[^,.\x00-\x1f]{1,200}(?:\.[^,.\x00-\x1f]{1,200}){0,3}")


def read(text: str | None) -> Paths | None:
    """Paths with dots, commas between them; ValueError where one is none.

    >>> read("external_id, targets.*.label")
    (('external_id',), ('targets', '*', 'label'))
    """
    if text is None:
        return None
    paths = [path.strip() for path in text.split(",")]
    if not all(map(PATH.fullmatch, paths)):
        raise ValueError("wanted names such as external_id,targets.*.label")
    return tuple(tuple(path.split(".")) for path in paths)


Fields = Annotated[
    str | None,
    Query(description="keep only these of each result, such as external_id,targets.*.label"),
    AfterValidator(read),
]


def trimmed(value: dict[str, Any], paths: Paths | None) -> dict[str, Any]:
    """`value` with only what `paths` lead to; `*` stands for every name, None for all there is.

    A refused line's error stays whatever was asked for.

    >>> said = {"tier": "fast", "targets": {"group": {"label": "net", "probability": 0.9}}}
    >>> trimmed(said, (("targets", "*", "label"),))
    {'targets': {'group': {'label': 'net'}}}
    >>> trimmed(said, (("tier",), ("nothing",)))
    {'tier': 'fast'}
    """
    if paths is None or "error" in value:
        return value
    return _kept(value, paths)


def _kept(value: dict[str, Any], paths: Paths) -> dict[str, Any]:
    kept = {}
    for name, inner in value.items():
        beyond = tuple(path[1:] for path in paths if path[0] in (name, "*"))
        if () in beyond or (beyond and not isinstance(inner, dict)):
            kept[name] = inner
        elif beyond:
            kept[name] = _kept(inner, beyond)
    return kept
