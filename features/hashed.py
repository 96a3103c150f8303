"""Texts as vectors of their words, new ones too: a word that never came before counts most."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Self

import numpy as np

from features.text import WORD, normalise

N_DIMENSIONS = 768


class HashedWords:
    """Words folded into short vectors by their hashes, rare ones weighing more.

    Each word goes to one place, with a sign, by its hash (feature hashing: Weinberger et al.
    2009), so no vocabulary is closed: unlike a trained model's, which knows nothing of words that
    were not there when it learnt. `fit` counts in how many texts each word stands (inverse
    document frequency: Spärck Jones 1972).

    Parameters
    ----------
    n_dimensions
        Length of a vector.

    Examples
    --------
    >>> words = HashedWords().fit(["vpn is down", "mail is slow", "vpn is slow"])
    >>> vectors = words.transform(["the refund", "a refund", "vpn is slow", ""])
    >>> vectors.shape, round(float(vectors[0] @ vectors[1]), 2), float(vectors[3] @ vectors[3])
    ((4, 768), 0.5, 0.0)
    """

    def __init__(self, n_dimensions: int = N_DIMENSIONS) -> None:
        self.n_dimensions = n_dimensions
        self.n_texts = 0
        self.holding: Counter[str] = Counter()

    def fit(self, texts: Iterable[str]) -> Self:
        """Count the words of texts."""
        self.n_texts, self.holding = 0, Counter()
        for text in texts:
            self.n_texts += 1
            self.holding.update(set(words_in(text)))
        return self

    def transform(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors (n_texts, n_dimensions) of length 1, float32; all 0 of a text without a word."""
        vectors = np.zeros((len(texts), self.n_dimensions), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in set(words_in(text)):
                place, sign = _place(word, self.n_dimensions)
                row[place] += sign * math.log((self.n_texts + 1) / (self.holding[word] + 0.5))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        scaled: np.ndarray = vectors / np.where(lengths > 0, lengths, 1)
        return scaled


def words_in(text: str) -> list[str]:
    """The words of a text, in order.

    >>> words_in("VPN is down, down!")
    ['vpn', 'is', 'down', 'down']
    """
    return WORD.findall(normalise(text))


@lru_cache(maxsize=100_000)
def _place(word: str, n: int) -> tuple[int, float]:
    """Where a word goes, and with which sign; the same in every process."""
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    number = int.from_bytes(digest, "big")
    return (number >> 1) % n, 1.0 if number & 1 else -1.0
