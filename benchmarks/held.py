"""What an installation holds, so that two of them can be compared."""

import hashlib
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path

import numpy as np

from data.history import History
from data.model_root import model_root
from data.published import open_published, pointer
from data.store import Store
from pipelines.workspace import model_name


@dataclass(frozen=True)
class Held:
    """Counts, and of the contents a hash that does not depend on their order."""

    counts: dict[str, int]
    n_points: int
    points: str
    tickets: str
    watermarks: dict[str, str]
    alerts: str
    registered: int
    published: int
    model: str

    def differs(self, wanted: "Held") -> tuple[str, ...]:
        """The names of what is not the same.

        >>> from dataclasses import replace
        >>> one = Held({}, 3, "a", "b", {}, "c", 1, 1, "d")
        >>> replace(one, n_points=4, alerts="e").differs(one)
        ('n_points', 'alerts')
        """
        names = [field.name for field in fields(self)]
        return tuple(name for name in names if getattr(self, name) != getattr(wanted, name))


def held(home: Path, desk: str) -> Held:
    """What stands under a home."""
    store = Store(f"sqlite:///{home / 'forewarn.db'}")
    try:
        history = History(store.engine, home / "history")
        alerts = store.alerts(desks=[desk], limit=100_000)
        name = model_name(desk)
        return Held(
            counts=store.counts(desk),
            n_points=history.count(desk),
            points=digest_of_points(history, desk),
            tickets=digest(map(repr, store.tickets(desk))),
            watermarks={kind: at.isoformat() for kind, at in store.detections(desk)},
            alerts=digest(repr((alert, store.trace(alert.id))) for alert in alerts),
            registered=n_registered(home / "mlflow.db"),
            published=len(list(model_root(home, name).glob("*/manifest.json"))),
            model=digest_of_model(home, name),
        )
    finally:
        store.close()


def digest(texts: Iterable[str]) -> str:
    """One hash for many texts in any order.

    >>> digest(["a", "b"]) == digest(["b", "a"]), digest(["a", "a"]) == digest(["a"])
    (True, False)
    """
    each = sorted(hashlib.sha256(text.encode()).digest() for text in texts)
    return hashlib.sha256(b"".join(each)).hexdigest()


def digest_of_points(history: History, desk: str) -> str:
    """One hash for all points: series, times and values."""
    span = history.span(desk)
    if span is None:
        return ""
    times, keys, matrix = history.read(desk, None, span[0], span[1] + timedelta(seconds=1))
    parts = (times.tobytes(), "\n".join(keys).encode(), np.ascontiguousarray(matrix).tobytes())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def digest_of_model(home: Path, name: str) -> str:
    """One hash for the files of the served model, and for its number."""
    if pointer(home, name) is None:
        return ""
    folder, _, version, _ = open_published(home, name)
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "manifest.json"]
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    names = [file.relative_to(folder).as_posix() for file in files]
    return digest([version, *map(" ".join, zip(names, hashes, strict=True))])


def n_registered(database: Path) -> int:
    """How many model versions the registry has."""
    if not database.exists():
        return 0
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM model_versions").fetchone()[0])
