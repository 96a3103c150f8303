"""Which column of a user's table is a ticket's text, label or time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from data.sources.columns import TICKET_NAMES, plain

TEXTS = ("title", "body")


def columns_for(
    path: Path, columns: Sequence[str], wanted: Sequence[str], mapping: Mapping[str, str]
) -> dict[str, str]:
    """The file's column for each name that is wanted; ValueError says which are not there.

    >>> columns_for(Path("t.csv"), ["Summary", "kind"], ["title"], {})
    {'title': 'Summary'}
    >>> columns_for(Path("t.csv"), ["kind"], ["title", "body"], {"title": "kind"})
    Traceback (most recent call last):
    ...
    ValueError: t.csv has no column body; its columns: kind; say which it is: --map body=COLUMN
    """
    for ours, theirs in mapping.items():
        if theirs not in columns:
            there = ", ".join(columns)
            raise ValueError(f"--map {ours}={theirs}: {path} has no such column; it has: {there}")
    found = {name: column_for(name, columns, mapping) for name in wanted}
    missing = [name for name, column in found.items() if column is None]
    if missing:
        raise ValueError(
            f"{path} has no column {', '.join(missing)}; its columns: {', '.join(columns)}; "
            f"say which it is: --map {missing[0]}=COLUMN"
        )
    return {name: column for name, column in found.items() if column is not None}


def column_for(name: str, columns: Sequence[str], mapping: Mapping[str, str]) -> str | None:
    """The column that holds `name`: as mapped, of that name, or of a name that desks use for it."""
    if name in mapping or name in columns:
        return mapping.get(name, name)
    spelled = {plain(column): column for column in reversed(columns)}
    known = (plain(name), *TICKET_NAMES.get(name, ()))
    return next((spelled[one] for one in known if one in spelled), None)


def field_names(text: Sequence[str]) -> dict[str, str]:
    """What each text column is called in a model: title or body where it is one.

    The endpoint is given titles and bodies, so a model that calls them so can be served.

    >>> field_names(["Summary", "description", "notes"])
    {'Summary': 'title', 'description': 'body', 'notes': 'notes'}
    >>> field_names(["title", "subject"])
    {'title': 'title', 'subject': 'subject'}
    """
    names: dict[str, str] = {}
    for column in text:
        ours = next((name for name in TEXTS if plain(column) in TICKET_NAMES[name]), column)
        free = ours == column or ours not in {*text, *names.values()}
        names[column] = ours if free else column
    return names
