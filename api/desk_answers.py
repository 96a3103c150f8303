"""What is said of a ticket in the words of the desk that asked.

A value is written only where its label is `auto`. What is only suggested stands in tags, with how
sure it is, and of what the model abstains from nothing is said.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from data.sources import freshservice, jira, servicenow, zendesk
from data.sources.desk_ticket import Scale

Targets = Mapping[str, Mapping[str, Any]]
"""Each target's answer, as `api.answers.TargetOut`."""

LONGEST_TAG = 200
GROUPS = ("assignment_group", "group")  # what a model may call it
LEVELS = ("impact", "urgency")
UNSAFE = re.compile(r"[\W_]+")


def for_zendesk(targets: Targets) -> dict[str, Any]:
    """The body of a PUT to /api/v2/tickets/{id}.json.

    >>> category = {"label": "Network/VPN", "probability": 0.6, "decision": "suggest"}
    >>> for_zendesk({"category": category})
    {'ticket': {'tags': ['category__network_vpn', 'category_confidence__medium']}}
    >>> for_zendesk({"priority": {"label": "P2", "probability": 0.97, "decision": "auto"}})
    {'ticket': {'priority': 'high', 'tags': ['priority_confidence__high']}}
    """
    written = levels(targets, zendesk.SCALES)
    return {"ticket": {**written, "tags": tags(targets, written)}}


def for_servicenow(targets: Targets) -> dict[str, str]:
    """The fields of a PATCH. Never a priority: it is made of impact and urgency there.

    >>> sure = {"probability": 0.97, "decision": "auto"}
    >>> for_servicenow({"impact": {"label": "2 - Medium"} | sure, "group": {"label": "Net"} | sure})
    {'impact': '2', 'assignment_group': 'Net'}
    """
    found = levels(targets, {name: servicenow.LEVEL for name in LEVELS})
    return found | sure(targets, {"category": ("category",), "assignment_group": GROUPS})


def for_jira(targets: Targets) -> dict[str, Any]:
    """The body of a PUT to /rest/api/3/issue/{key}."""
    written = levels(targets, jira.SCALES)
    fields: dict[str, Any] = {name: {"name": one.capitalize()} for name, one in written.items()}
    return {"fields": {**fields, "labels": tags(targets, written)}}


def for_freshservice(targets: Targets) -> dict[str, Any]:
    """The body of a PUT to /api/v2/tickets/{id}; numbers rise with what they mean there.

    >>> for_freshservice({"urgency": {"label": "1 - High", "probability": 1.0, "decision": "auto"}})
    {'urgency': 3}
    """
    numbers = {name: int(one) for name, one in levels(targets, freshservice.SCALES).items()}
    return numbers | sure(targets, {"category": ("category",)})


def levels(targets: Targets, scales: Mapping[str, Scale]) -> dict[str, str]:
    """Those of a desk's fields with a scale that may be written, in its own words."""
    labels = sure(targets, {name: (name,) for name in scales})
    found = {name: word(scales[name], label) for name, label in labels.items()}
    return {name: one for name, one in found.items() if one is not None}


def sure(targets: Targets, fields: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Each field's label, where one of the targets by which it goes is decided."""
    return {
        name: str(targets[target]["label"])
        for name, known in fields.items()
        for target in known
        if target in targets and targets[target]["decision"] == "auto"
    }


def word(scale: Scale, label: str) -> str | None:
    """What a desk calls a label of ours, or of its own; None where it is neither.

    The first of several words is the one that is written today.

    >>> word(zendesk.PRIORITY, "P1"), word(zendesk.PRIORITY, "Urgent"), word(zendesk.PRIORITY, "7")
    ('urgent', 'urgent', None)
    """
    ours = label if label in scale.values() else scale.get(label.lower())
    return next((theirs for theirs, one in scale.items() if one == ours), None)


def tags(targets: Targets, written: Iterable[str]) -> list[str]:
    """Each label that is told with how sure it is; one that is `written` only with the latter."""
    found = []
    for name, out in targets.items():
        if out["label"] is None:
            continue
        if name not in written:
            found.append(f"{safe(name)}__{safe(str(out['label']))}"[:LONGEST_TAG])
        found.append(f"{safe(name)}_confidence__{confidence(out)}")
    return found


def confidence(out: Mapping[str, Any]) -> str:
    """High where it may stand unseen, medium where it is likelier right than wrong."""
    if out["decision"] == "auto":
        return "high"
    return "medium" if out["probability"] >= 0.5 else "low"


def safe(text: str) -> str:
    """Letters and digits, with a line for all between: no desk parts a tag by these.

    >>> safe(" Network / VPN "), safe("Zugänge, neu")
    ('network_vpn', 'zugänge_neu')
    """
    return UNSAFE.sub("_", text.casefold()).strip("_")
