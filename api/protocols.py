"""What the scoring protocols of others share: texts by column in, flat answers out."""

from collections.abc import Iterable
from typing import Any

from api.answers import Scored
from api.problems import NAMEABLE, Problem
from api.service import Service

KINDS = {str: "a string", bool: "true or false", int: "a number", float: "a number",
         list: "a list", dict: "an object", type(None): "null"}  # fmt: skip


def flat(found: Scored) -> dict[str, Any]:
    """One ticket's answer without levels. A label is None where the model abstains.

    >>> said = {"label": None, "probability": 0.3, "decision": "abstain"}
    >>> flat(Scored("fast", {"group": said}, {}))
    {'group': None, 'group_probability': 0.3, 'group_decision': 'abstain'}
    """
    return {
        name: said
        for target, out in found.targets.items()
        for name, said in (
            (target, out["label"]),
            (f"{target}_probability", out["probability"]),
            (f"{target}_decision", out["decision"]),
        )
    }


def admit(service: Service, n_tickets: int) -> None:
    """Problem 413 where more tickets came than go at once, 429 where they would wait too long."""
    most = service.settings.max_batch
    if n_tickets > most:
        detail = f"{n_tickets} tickets came, at most {most} go at once (FOREWARN_MAX_BATCH)"
        raise Problem(413, detail)
    service.batcher.admit(n_tickets)


def kind(value: object) -> str:
    """What a value of JSON is, for an error that may not repeat it.

    >>> kind("my secret"), kind(None)
    ('a string', 'null')
    """
    return KINDS[type(value)]


def listed(names: Iterable[str]) -> str:
    """Names for an error; one that is not plain may be a ticket's text, and is not repeated.

    >>> listed(["title", "my printer burns"]), listed([])
    ('title, ?', 'none')
    """
    return ", ".join(name if NAMEABLE.fullmatch(name) else "?" for name in names) or "none"
