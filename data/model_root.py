"""Where a model's versions lie, and how files are written there: aside, synced, then renamed."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"
NAME = re.compile(r"\w[\w-]{0,127}")


def model_root(home: Path, name: str) -> Path:
    """Where the versions of `name` lie.

    >>> model_root(Path("var"), "ticket-it").as_posix()
    'var/models/ticket-it'
    >>> model_root(Path("var"), "../it")
    Traceback (most recent call last):
    ...
    ValueError: a model's name wants letters, digits, - and _ only, got '../it'
    """
    check_name("name", name)
    return home / "models" / name


def check_name(what: str, name: str) -> None:
    """ValueError unless `name` can be a folder's name that leads nowhere else."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"a model's {what} wants letters, digits, - and _ only, got {name!r}")


def write(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text, encoding="utf-8")
    sync(aside)
    aside.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        sync(path)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """One publisher a model; the lock falls when its holder ends, however it ends."""
    with (root / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
