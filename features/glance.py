"""What a text means at a glance: the mean of what each of its tokens means by itself."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from features.dense import in_8_bits, units

N_DIMENSIONS = 256
RARE = 1e-4  # a token of this frequency counts half as much as one that is never seen


class Glance(NamedTuple):
    """A vector for each token, in 8 bits a number; one step of these is worth `scale`.

    A fiftieth of an encoder's work, and on the way from words to sentences about half way: it
    knows that mail and e-mail are alike, and no order of words.
    """

    vectors: np.ndarray
    scale: float

    @property
    def n_dimensions(self) -> int:
        return int(self.vectors.shape[1])

    def of(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        """Vectors (n_texts, n_dimensions) of texts given as tokens, of length 1; of no token 0.

        >>> table = Glance(np.array([[3, 4], [0, 5]], dtype=np.int8), 0.1)
        >>> table.of([[0], [0, 1, 1], []]).round(2).tolist()
        [[0.6, 0.8], [0.21, 0.98], [0.0, 0.0]]
        """
        found = np.zeros((len(texts), self.n_dimensions), dtype=np.float32)
        for row, tokens in enumerate(texts):
            if len(tokens):
                found[row] = self.vectors[tokens].sum(axis=0, dtype=np.float32)
        return units(found)


def distilled(alone: np.ndarray) -> Glance:
    """The table of an encoder whose vector of each token, read alone, is a row of `alone`.

    `alone` (n_tokens, n_features), the most frequent token first. The vectors are turned to
    their main directions, of which the first 256 are kept, and a token counts the less the more
    frequent it is, by the law of Zipf (Arora et al. 2017, A Simple but Tough-to-Beat Baseline for
    Sentence Embeddings; Tulkens and van Dongen 2024, Model2Vec).

    >>> table = distilled(np.random.default_rng(0).normal(size=(1000, 300)))
    >>> table.vectors.shape, table.vectors.dtype
    ((1000, 256), dtype('int8'))
    """
    centred = alone - alone.mean(axis=0)
    _, main = np.linalg.eigh(centred.T @ centred)
    turned = centred @ main[:, ::-1][:, :N_DIMENSIONS]
    ranks = np.arange(len(alone)) + 2.7  # Mandelbrot's shift
    frequency = 1 / (ranks * np.log(len(alone)))
    weighted = turned * (RARE / (RARE + frequency))[:, None]
    return Glance(*in_8_bits(weighted))
