"""What the scoring protocols of others share: texts by column in, flat answers out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import anyio

from api.answers import Scored, answered
from api.champion import Champion
from api.problems import NAMEABLE, Problem
from api.service import Service

Columns = Mapping[str, Sequence[str]]
KINDS = {str: "a string", bool: "true or false", int: "a number", float: "a number",
         list: "a list", dict: "an object", type(None): "null"}  # fmt: skip


async def scored_by(service: Service, champion: Champion, columns: Columns) -> list[Scored]:
    """What is said of each ticket, counted as any other."""
    found = await anyio.to_thread.run_sync(
        answered, service, champion, columns, None, None, limiter=service.scoring
    )
    for target in champion.triage.targets:
        decisions = (one.targets[target]["decision"] for one in found)
        service.figures.count_decisions(champion.desk, target, decisions)
    service.figures.count_tiers(champion.desk, (one.tier for one in found))
    return found


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


def check_count(n_tickets: int, most: int) -> None:
    if n_tickets > most:
        detail = f"{n_tickets} tickets came, at most {most} go at once (FOREWARN_MAX_BATCH)"
        raise Problem(413, detail)


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
