"""Texts as vectors of their words, new ones too: a word that never came before counts most."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Self

import numpy as np

from features.dense import units
from features.text import words_in

N_DIMENSIONS = 512


class HashedWords:
    """Words folded into short vectors by their hashes, rare ones weighing more.

    Each word has a vector of ones and minus ones, drawn by its hash (random indexing: Kanerva et
    al. 2000; random projections: Achlioptas 2003), so no vocabulary is closed: unlike a trained
    model's, which knows nothing of words that were not there when it learnt. Cosines come out to
    about 1 / sqrt(n_dimensions). `fit` counts in how many texts each word stands (inverse document
    frequency: Spärck Jones 1972).

    Parameters
    ----------
    n_dimensions
        Length of a vector.

    Examples
    --------
    >>> words = HashedWords().fit(["vpn is down", "mail is slow", "vpn is slow"])
    >>> vectors = words.transform(["the refund", "a refund", "vpn is slow", ""])
    >>> vectors.shape, round(float(vectors[0] @ vectors[1]), 2), float(vectors[3] @ vectors[3])
    ((4, 512), 0.52, 0.0)
    """

    def __init__(self, n_dimensions: int = N_DIMENSIONS) -> None:
        self.n_dimensions = n_dimensions
        self.n_texts = 0
        self.holding: Counter[str] = Counter()

    def fit(self, texts: Iterable[str]) -> Self:
        """Count the words of texts, and of no others."""
        self.n_texts, self.holding = 0, Counter()
        return self.learn(texts)

    def learn(self, texts: Iterable[str]) -> Self:
        """Count the words of more texts."""
        for text in texts:
            self.n_texts += 1
            self.holding.update(set(words_in(text)))
        return self

    def transform(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors (n_texts, n_dimensions) of length 1, float32; all 0 of a text without a word."""
        vectors = np.zeros((len(texts), self.n_dimensions), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in set(words_in(text)):
                rarity = math.log((self.n_texts + 1) / (self.holding[word] + 0.5))
                row += np.float32(rarity) * _vector(word, self.n_dimensions)
        return units(vectors)


@lru_cache(maxsize=50_000)
def _vector(word: str, n: int) -> np.ndarray:
    """The ones and minus ones of a word (n,), the same in every process."""
    text = word.encode("utf-8", "surrogatepass")
    bits = np.frombuffer(hashlib.shake_128(text).digest(-(-n // 8)), np.uint8)
    return 2 * np.unpackbits(bits)[:n].astype(np.int8) - 1
