"""The past tickets that are most like one, and the open ones that say the same."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from scipy.sparse import csr_array

from features.dense import differing, signs, units
from features.plain import read_arrays, read_json, strings, write_arrays, write_json
from models.duplicates import ALIKE, words_of

CANDIDATES = 1000
"""Tickets whose signs agree best are compared exactly: among 100,000 that misses none of the
10 nearest in 300 searches (`benchmarks/similar.py`)."""

LIMIT = 100_000
FOLDED = 768  # leaves 85 % of the 5 nearest by words where they were, half as many 80 %


class Similar:
    """Tickets by the cosine of their vectors: found as soon as added, gone as soon as removed.

    A first look compares signs alone, one bit a number (the angle between two vectors shows in
    the share of signs that differ: Charikar 2002), and takes a millisecond; the candidates it
    leaves are compared exactly. Vectors are kept as float16, which moves a similarity by less
    than 0.001. Calls must not overlap: who shares one among threads holds a lock.

    Parameters
    ----------
    n_dimensions
        Length of a vector: `Meaning.n_features`, or `FOLDED` for `folded` words.
    limit
        Of more tickets the ones added longest ago are forgotten.

    Examples
    --------
    >>> similar = Similar(2)
    >>> similar.add(["INC1", "INC2", "INC3"], np.array([[1.0, 0.0], [3.0, 4.0], [0.0, 0.0]]))
    >>> similar.search(np.array([2.0, 0.0]), 5)  # INC3 says nothing, so it is like nothing
    [('INC1', 1.0), ('INC2', 0.6)]
    """

    def __init__(self, n_dimensions: int, *, limit: int = LIMIT) -> None:
        if n_dimensions < 1 or limit < 1:
            raise ValueError(
                f"n_dimensions and limit must be at least 1, got {n_dimensions}, {limit}"
            )
        self.n_dimensions = n_dimensions
        self.limit = limit
        self.rows: dict[str, int] = {}  # the longest known ticket first
        self.ids: list[str] = []
        self.vectors = np.zeros((0, n_dimensions), dtype=np.float16)
        self.signs = signs(self.vectors)

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, ids: Sequence[str], vectors: np.ndarray) -> None:
        """Keep tickets with vectors (n_tickets, n_dimensions); one that is known is replaced."""
        if vectors.shape != (len(ids), self.n_dimensions):
            raise ValueError(
                f"wanted vectors of shape {(len(ids), self.n_dimensions)}, got {vectors.shape}"
            )
        if not np.isfinite(vectors).all():
            raise ValueError("wanted finite numbers in every vector, got some that are not")
        latest = {one: at for at, one in enumerate(ids)}
        self.remove(latest)
        kept = sorted(latest, key=latest.__getitem__)[-self.limit :]
        self.remove(list(self.rows)[: max(0, len(self) + len(kept) - self.limit)])
        start, end = len(self), len(self) + len(kept)
        self._make_room(end)
        self.vectors[start:end] = units(vectors[[latest[one] for one in kept]])
        self.signs[:, start:end] = signs(self.vectors[start:end])
        self.ids += kept
        self.rows.update(zip(kept, range(start, end), strict=True))

    def _make_room(self, n: int) -> None:
        if n > len(self.vectors):  # twice as much, so that adding one by one stays cheap
            more = min(max(n, 2 * len(self.vectors)), self.limit) - len(self.vectors)
            self.vectors = np.pad(self.vectors, ((0, more), (0, 0)))
            self.signs = np.pad(self.signs, ((0, 0), (0, more)))

    def remove(self, ids: Iterable[str]) -> None:
        """Forget tickets; one that is not known is none."""
        for one in ids:
            row = self.rows.pop(one, None)
            if row is None:
                continue
            last = self.ids.pop()
            if last != one:  # the last row moves into the hole
                end = len(self.ids)
                self.vectors[row], self.signs[:, row] = self.vectors[end], self.signs[:, end]
                self.ids[row], self.rows[last] = last, row

    def search(self, vector: np.ndarray, k: int = 5) -> list[tuple[str, float]]:
        """The k nearest tickets to a vector (n_dimensions,) with their cosine, nearest first.

        Fewer where fewer are known. A ticket whose vector is all 0 has no like, nor is it one.
        """
        if vector.shape != (self.n_dimensions,):
            raise ValueError(f"wanted a vector of {self.n_dimensions}, got shape {vector.shape}")
        unit = units(vector[None])
        if not unit.any():
            return []
        rows = self._candidates(unit, max(CANDIDATES, k))
        near = self.vectors[rows].astype(np.float32)
        cosines = np.where(near.any(axis=1), near @ unit[0], -np.inf)
        best = np.argsort(-cosines, kind="stable")[:k]
        pairs = [(self.ids[rows[at]], min(float(cosines[at]), 1.0)) for at in best]
        return [pair for pair in pairs if pair[1] > -np.inf]

    def _candidates(self, unit: np.ndarray, n: int) -> np.ndarray:
        """Rows of the n tickets, and those that tie with them, whose signs differ least."""
        if len(self) <= n:
            return np.arange(len(self))
        differ = differing(self.signs[:, : len(self)], signs(unit))
        most = np.searchsorted(np.cumsum(np.bincount(differ)), n)
        return np.flatnonzero(differ <= most)

    def save(self, folder: Path) -> None:
        """Write similar.json and similar.npz."""
        kept = {"n_dimensions": self.n_dimensions, "limit": self.limit, "ids": list(self.rows)}
        write_json(folder / "similar.json", kept)
        write_arrays(folder / "similar.npz", {"vectors": self.vectors[list(self.rows.values())]})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; ValueError names the file that is not what it should be."""
        path = folder / "similar.json"
        kept = read_json(path, {"n_dimensions": int, "limit": int, "ids": list})
        ids = strings(path, "ids", kept["ids"])
        if not (kept["n_dimensions"] >= 1 and kept["limit"] >= max(1, len(ids))):
            raise ValueError(f"{path}: limit {kept['limit']} is too small for {len(ids)} tickets")
        similar = cls(kept["n_dimensions"], limit=kept["limit"])
        wanted = {"vectors": ("float16", (len(ids), similar.n_dimensions))}
        similar.add(ids, read_arrays(folder / "similar.npz", wanted)["vectors"])
        return similar


def folded(words: csr_array, n_dimensions: int = FOLDED) -> np.ndarray:
    """TF-IDF rows as short dense vectors of about the same cosines: (n_tickets, n_dimensions).

    Each term goes to one place, with a sign, both drawn by its column (feature hashing:
    Weinberger et al. 2009), so there is nothing to learn or to keep. For `Similar` where no
    encoder reads the tickets.

    >>> rows = csr_array(np.eye(3, 1000, dtype=np.float32)[[0, 1, 1]])
    >>> vectors = folded(rows)
    >>> vectors.shape, (vectors @ vectors[1]).tolist()
    ((3, 768), [0.0, 1.0, 1.0])
    """
    vectors: np.ndarray = (words @ _fold(words.shape[1], n_dimensions)).toarray()
    return vectors


@lru_cache(maxsize=8)  # of 200,000 terms 3 MB, and longer to make than a ticket takes to be read
def _fold(n_terms: int, n_dimensions: int) -> csr_array:
    rng = np.random.default_rng(0)
    places = rng.integers(0, n_dimensions, n_terms)
    signs = rng.choice(np.array([-1, 1], dtype=np.float32), n_terms)
    return csr_array((signs, places, np.arange(n_terms + 1)), shape=(n_terms, n_dimensions))


class Duplicate(NamedTuple):
    """An open ticket that says the same as another.

    `similarity` is the share of their different words that stand in both, 1 where one text is
    the other but for case, spelling of letters, blanks and the order of the words.
    """

    id: str
    similarity: float


def duplicates(text: str, others: Mapping[str, str], alike: float = ALIKE) -> list[Duplicate]:
    """Those of the open tickets (id to text) that say what `text` says, the likest first.

    Alike are texts that have at least the share `alike` of their words in common. A text without
    a word repeats nothing.

    >>> duplicates("vpn  is down", {"INC1": "VPN is down", "INC2": "printer jam", "INC3": ""})
    [Duplicate(id='INC1', similarity=1.0)]
    """
    own = words_of(text)
    found = [Duplicate(one, _shared(own, words_of(other))) for one, other in others.items()]
    found = [one for one in found if one.similarity >= alike]
    return sorted(found, key=lambda one: -one.similarity)


def _shared(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / max(1, len(a | b))
