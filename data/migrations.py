"""What was done to the tables, in order. A migration that has shipped is never edited."""

from collections.abc import Callable

from sqlalchemy import Connection

MIGRATIONS: list[Callable[[Connection], None]] = []
