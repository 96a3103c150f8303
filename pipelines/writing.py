"""Files that are there whole, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def written(to: Path) -> Iterator[TextIO]:
    """A file to write that takes its name when the block ends well; a kill leaves the old one."""
    to.parent.mkdir(parents=True, exist_ok=True)
    aside = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        with aside.open("w", newline="", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(to)
    finally:
        aside.unlink(missing_ok=True)


def rejects_beside(folder: Path, source: Path) -> Path:
    """Where a file's refused rows go when what is made of it goes to `folder`."""
    return folder / f"{source.name}.rejects.jsonl"
