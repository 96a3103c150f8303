"""What is told of tickets that are in the store: an erased one is to leave nothing behind."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from sqlalchemy import Connection, select

from data import tables
from data.rows import LOOKUP_ROWS, among, chunks


class OfTicket(Protocol):
    """Something that is told of a ticket."""

    @property
    def desk(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def external_id(self) -> str: ...


Told = TypeVar("Told", bound=OfTicket)


def present(connection: Connection, told: Sequence[Told]) -> list[Told]:
    """Those of `told` whose ticket is there; to be in the transaction that stores them."""
    ticket, known = tables.tickets.columns, set()
    columns = [ticket.desk, ticket.source, ticket.external_id]
    for some in chunks(sorted({_key(one) for one in told}), LOOKUP_ROWS):
        known |= set(connection.execute(select(*columns).where(among(columns, some))).tuples())
    return [one for one in told if _key(one) in known]


def _key(one: OfTicket) -> tuple[str, str, str]:
    return one.desk, one.source, one.external_id
