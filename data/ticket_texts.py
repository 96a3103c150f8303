"""Stored tickets as a model and an index see them: texts by their columns, and a name."""

from collections.abc import Mapping, Sequence

from data.records import Ticket

Key = tuple[str, str]
"""A ticket's source and its id there."""


def key_of(ticket: Ticket) -> Key:
    return ticket.source, ticket.external_id


def name_of(key: Key) -> str:
    r"""A ticket's key as one name.

    >>> key_named(name_of(("desk.csv", "INC1")))
    ('desk.csv', 'INC1')
    """
    return "\0".join(key)


def key_named(name: str) -> Key:
    source, _, external_id = name.partition("\0")
    return source, external_id


def texts_of(ticket: Ticket) -> dict[str, str]:
    """The texts of a stored ticket that a model may read."""
    return {"title": ticket.title, "body": ticket.body, "channel": ticket.channel or ""}


def fields_of(tickets: Sequence[Ticket], columns: Sequence[str]) -> dict[str, list[str]]:
    """Those columns of stored tickets; one that the store has not is empty."""
    texts = [texts_of(ticket) for ticket in tickets]
    return {name: [one.get(name, "") for one in texts] for name in columns}


def joined(texts: Mapping[str, str], columns: Sequence[str]) -> str:
    """All that stands in those columns of a ticket, as one text.

    >>> joined({"title": "vpn", "channel": "web", "body": "it is down"}, ["title", "body"])
    'vpn it is down'
    """
    return " ".join(texts.get(name, "") for name in columns)
