"""Rows of JSON lines, or of one JSON array. Nested objects become columns such as `fields.id`."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from data.sources.chunk import Chunk
from data.sources.rejects import Rejects


def read_json_lines(lines: Iterable[str], *, rejects: Rejects, chunk_rows: int) -> Iterator[Chunk]:
    """One object a line. A column that only later rows have is "" in the rows before."""
    entries = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    return _chunks(_parsed(entries, rejects), rejects, chunk_rows)


def read_json_array(path: Path, text: str, *, rejects: Rejects, chunk_rows: int) -> Iterator[Chunk]:
    """An array of objects; it is held in memory whole, so large files better come as JSON lines."""
    try:
        entries = _loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    return _chunks(iter(enumerate(entries, start=1)), rejects, chunk_rows)


def _parsed(entries: Iterable[tuple[int, str]], rejects: Rejects) -> Iterator[tuple[int, Any]]:
    for number, line in entries:
        try:
            yield number, _loads(line)
        except (ValueError, RecursionError):
            rejects.add(number, "line", "is not JSON", line.strip())


def _loads(text: str) -> Any:
    """JSON with its numbers as they are spelled: "1.10" stays "1.10"."""
    return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)


def _chunks(
    entries: Iterator[tuple[int, Any]], rejects: Rejects, chunk_rows: int
) -> Iterator[Chunk]:
    names: dict[str, None] = {}
    n_chunks = 0
    while batch := list(islice(entries, chunk_rows)):
        rows = [(line, row) for line, row in batch if _is_row(line, row, rejects)]
        flat = [dict(_flat(row)) for _, row in rows]
        names.update((name, None) for row in flat for name in row)
        columns = {name: [row.get(name, "") for row in flat] for name in names}
        if rows or not n_chunks:
            yield Chunk(columns, [line for line, _ in rows])
            n_chunks += 1


def _is_row(line: int, row: Any, rejects: Rejects) -> bool:
    if isinstance(row, dict):
        return True
    rejects.add(line, "line", "is not a JSON object", json.dumps(row, ensure_ascii=False))
    return False


def _flat(row: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
