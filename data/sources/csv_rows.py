"""Rows of a CSV file. A line that is broken costs itself, never the lines after it."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from data.sources.chunk import Chunk, from_rows, unique_names
from data.sources.rejects import Rejects

DELIMITERS = (",", ";", "\t", "|")
MAX_FIELD = 10_000_000  # letters; tickets hold pasted logs, an unclosed quote the rest of the file


def read_csv(
    path: Path, lines: Iterable[str], *, rejects: Rejects, chunk_rows: int
) -> Iterator[Chunk]:
    """The table in `lines`, whose first line names the columns; the delimiter is found there."""
    records, delimiter = _opened(path, lines)
    _, header = next(records)
    if isinstance(header, str):
        raise ValueError(f"{path}: the line of column names has an unclosed quote")
    names, rows, starts, n_chunks = unique_names(header), [], [], 0
    for start, row in records:
        whole = _whole(row, len(names), start, rejects, delimiter)
        if whole is not None:
            rows.append(whole)
            starts.append(start)
        if len(rows) == chunk_rows:
            yield from_rows(names, rows, starts)
            rows, starts, n_chunks = [], [], n_chunks + 1
    if rows or not n_chunks:
        yield from_rows(names, rows, starts)


def _opened(path: Path, lines: Iterable[str]) -> tuple[Iterator[tuple[int, list[str] | str]], str]:
    source, n_before = iter(lines), 0
    first = next((line for line in source if line.strip()), "")
    named = re.fullmatch(r"\s*sep=(.)\s*", first)  # Excel's own way to name the delimiter
    if named:
        first, n_before = next(source, ""), 1
    if not first.strip():
        raise ValueError(f"{path} is empty: wanted a table with a line of column names")
    delimiter = named.group(1) if named else find_delimiter(first)
    return read_records(chain([first], source), delimiter, n_before), delimiter


def find_delimiter(header: str) -> str:
    """The delimiter that stands most often in the line of column names, outside quotes.

    >>> find_delimiter('id;"title, short";body')
    ';'
    """
    bare = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=bare.count)


class _Lines:
    """Lines that can be given back, counted."""

    def __init__(self, lines: Iterable[str], n_before: int) -> None:
        self._lines = iter(lines)
        self._back: deque[str] = deque()
        self.n = n_before
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._lines)
        self.n += 1
        self.taken.append(line)
        return line

    def give_back(self) -> None:
        """All that was taken for the present record, but its first line."""
        self._back.extendleft(reversed(self.taken[1:]))
        self.n -= len(self.taken) - 1


def read_records(
    lines: Iterable[str], delimiter: str, n_before: int = 0
) -> Iterator[tuple[int, list[str] | str]]:
    """(line number, fields) of each record; a broken line comes as it stands, as one str.

    An unclosed quote swallows what follows, up to the next quote or the end. So when a record
    fails, only its first line is given up, and reading goes on at the second.

    >>> list(read_records(['1,"a', '2,"b"'], ","))
    [(1, '1,"a'), (2, ['2', 'b'])]
    """
    feed = _Lines(lines, n_before)
    csv.field_size_limit(MAX_FIELD)  # the whole process's, and by default too small for logs
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.taken, start = [], feed.n + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            broken = feed.taken[0]
            feed.give_back()
            yield start, broken
        else:
            yield start, row


def _whole(
    row: list[str] | str, n_wanted: int, line: int, rejects: Rejects, delimiter: str
) -> list[str] | None:
    """The row when it has as many fields as the header; a blank line is passed over."""
    if isinstance(row, str):
        rejects.add(line, "line", "has a quote that is not closed, or too long a field", row)
        return None
    if len(row) == n_wanted:
        return row
    if len(row) > n_wanted and not any(row[n_wanted:]):
        return row[:n_wanted]
    if row:
        reason = f"has {len(row)} fields, the header {n_wanted}"
        rejects.add(line, "line", reason, delimiter.join(row))
    return None
