"""A piece of a table, as every format gives it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Chunk:
    """Some rows: a list of texts a column ("" where missing), and the line each row begins at.

    Parquet has no lines; there it is the number of the row.
    """

    columns: dict[str, list[str]]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.lines)

    def row(self, i: int) -> dict[str, str]:
        return {name: texts[i] for name, texts in self.columns.items()}


def unique_names(names: Iterable[str]) -> list[str]:
    """Column names without blanks around them; nameless and repeated ones are told apart.

    >>> unique_names(["id", " ", "id"])
    ['id', 'column 2', 'id 2']
    """
    unique: list[str] = []
    for number, name in enumerate(names, start=1):
        base = wanted = name.strip() or f"column {number}"
        n_copies = 1
        while wanted in unique:
            n_copies += 1
            wanted = f"{base} {n_copies}"
        unique.append(wanted)
    return unique


def from_rows(names: Sequence[str], rows: Sequence[Sequence[str]], lines: list[int]) -> Chunk:
    """Rows of equal length, turned into columns."""
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in names]
    return Chunk(dict(zip(names, columns, strict=True)), lines)
