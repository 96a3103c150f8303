"""Where tickets come from, as files tell it: what may not be kept is left out, and counted."""

from collections.abc import Mapping

from data.attributes import MOST, fault_of
from data.sources.columns import PREFIX
from data.sources.rejects import Rejects
from data.sources.values import MISSING


def attributes_in(
    row: Mapping[str, str], columns: Mapping[str, str], rejects: Rejects
) -> dict[str, str]:
    """The attributes of one row; why others are left out is counted, never what they say.

    >>> columns, rejects = {"attribute.site": "Site", "attribute.os": "OS"}, Rejects()
    >>> attributes_in({"Site": " Leeds ", "OS": "jo@example.com"}, columns, rejects)
    {'site': 'Leeds'}
    >>> dict(rejects.left_out)
    {'OS holds personal data or a secret': 1}
    """
    kept: dict[str, str] = {}
    for ours, column in columns.items():
        value = row[column].strip() if ours.startswith(PREFIX) else ""
        if value.casefold() in MISSING:
            continue
        name = ours.removeprefix(PREFIX)
        fault = fault_of(name, value)
        if not fault and len(kept) == MOST:
            fault = f"is one attribute too many: {MOST} are kept of a ticket"
        if fault:
            rejects.leave(column, fault)
        else:
            kept[name] = value
    return kept
