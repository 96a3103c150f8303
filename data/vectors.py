"""Vectors of texts that were read before, kept so that training again does not read them again.

One SQLite file an encoder. A text stands in it as its SHA-256 alone, yet its vector tells
something of what it said: the file is its owner's only, is bounded, and `forget` takes texts out.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

Make = Callable[[list[str]], np.ndarray]

FOLDER = "vectors"
LIMIT = 200_000  # vectors of 1.5 kB: some 350 MB
AT_ONCE = 500  # texts read between two writes: what a kill may cost


class Vectors:
    """Vectors (n_dimensions,) of float32 by the content of their texts.

    Parameters
    ----------
    path
        The SQLite file; it is made when it is missing.
    n_dimensions
        Length of a vector.
    limit
        Of more vectors the oldest are dropped.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     vectors = Vectors(Path(folder) / "it.db", n_dimensions=1)
    ...     lengths = lambda texts: np.array([[len(text)] for text in texts], dtype="float32")
    ...     first = vectors.of(["vpn", "printer"], lengths)
    ...     vectors.of(["printer", "vpn"], lambda texts: 1 / 0).tolist()
    [[7.0], [3.0]]
    """

    def __init__(self, path: Path, n_dimensions: int, *, limit: int = LIMIT) -> None:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, got {limit}")
        self.path = path
        self.n_dimensions = n_dimensions
        self.limit = limit

    def of(self, texts: Sequence[str], make: Make) -> np.ndarray:
        """Vectors (n_texts, n_dimensions) of `texts`; `make` gives those that are not known."""
        keys = [key_of(text) for text in texts]
        with self._opened() as database:
            known = _known(database, keys)
            new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
            missing = list(new)
            for start in range(0, len(missing), AT_ONCE):
                some = missing[start : start + AT_ONCE]
                made = make([new[key] for key in some]).astype(np.float32)
                self._put(database, dict(zip(some, made, strict=True)))
                known |= dict(zip(some, made, strict=True))
        if not keys:
            return np.zeros((0, self.n_dimensions), dtype=np.float32)
        return np.array([known[key] for key in keys])

    def forget(self, texts: Sequence[str]) -> int:
        """Take `texts` out; how many stood there."""
        with self._opened() as database, database:
            gone = [
                database.execute("DELETE FROM vectors WHERE key = ?", (key_of(text),)).rowcount
                for text in texts
            ]
        return sum(gone)

    def __len__(self) -> int:
        with self._opened() as database:
            return int(database.execute("SELECT count(*) FROM vectors").fetchone()[0])

    def _put(self, database: sqlite3.Connection, made: dict[bytes, np.ndarray]) -> None:
        rows = [(key, vector.astype("<f4").tobytes()) for key, vector in made.items()]
        with database:
            database.executemany("INSERT OR REPLACE INTO vectors (key, vector) VALUES (?, ?)", rows)
            database.execute(
                "DELETE FROM vectors WHERE place <= (SELECT max(place) FROM vectors) - ?",
                (self.limit,),
            )

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(self.path, timeout=30)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(
                "CREATE TABLE IF NOT EXISTS vectors (place INTEGER PRIMARY KEY AUTOINCREMENT,"
                " key BLOB NOT NULL UNIQUE, vector BLOB NOT NULL)"
            )
            yield database


def vectors_of(home: Path, encoder_id: str, n_dimensions: int) -> Vectors:
    """The vectors of one encoder's texts under `home`."""
    return Vectors(home / FOLDER / f"{encoder_id[:32]}.db", n_dimensions)


def key_of(text: str) -> bytes:
    """The name of a text that does not give it away.

    >>> key_of("vpn").hex()[:8]
    'ebf20cef'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _known(database: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
    found: dict[bytes, np.ndarray] = {}
    for key in dict.fromkeys(keys):
        row = database.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        if row is not None:
            found[key] = np.frombuffer(row[0], dtype="<f4")
    return found
