"""The rows that could not be read: counted, and written down for a person to mend."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Self, TextIO

from data.masking import mask


class Rejects:
    """Counts bad rows; with a `path` it writes each as a line of JSON, its texts masked.

    The file is made when the first row is rejected, anew, and only its owner can read it.

    >>> with Rejects() as rejects:
    ...     rejects.add(7, "value", "is not a number", {"value": "n/a"})
    >>> rejects.n, dict(rejects.reasons)
    (1, {'value is not a number': 1})
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.n = 0
        self.reasons: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self._file: TextIO | None = None

    def add(self, line: int | None, field: str, reason: str, row: Mapping[str, str] | str) -> None:
        """Note that `field` of the row at `line` cannot be used; `reason` goes on from its name."""
        self.n += 1
        self.reasons[f"{field} {reason}".strip()] += 1
        if self.path is not None:
            self._write({"line": line, "field": field, "reason": reason, "row": _masked(row)})

    def leave(self, field: str, reason: str) -> None:
        """Note that `field` of a row cannot be used, but that the row can without it."""
        self.left_out[f"{field} {reason}"] += 1

    def _write(self, entry: dict[str, object]) -> None:
        if self._file is None:
            self._file = _private(self.path)
        self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _masked(row: Mapping[str, str] | str) -> dict[str, str] | str:
    if isinstance(row, str):
        return mask(row)
    return {name: mask(text) for name, text in row.items()}


def _private(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # an older file may be open to others, and stay so
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
