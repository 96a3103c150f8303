"""Where the terms of a text stand among those that were learnt: each word is looked up once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

REMEMBERED = 1 << 15
"""Words whose letters are kept looked up: tickets repeat theirs. About 200 bytes each."""


class Places:
    """Columns of words, pairs and runs of letters; those of letters stand behind all the words.

    `letters_of` takes a word apart. A term that was never learnt has no place.

    >>> places = Places({"vpn": 0, "vpn down": 1}, {"vp": 0, "pn": 1}, lambda word: ["vp", "pn"])
    >>> columns, sizes = places.of([["vpn", "down"], []], [["vpn"], ["vpn", "vpn"]])
    >>> columns.tolist(), sizes.tolist()
    ([0, 1, 2, 3, 2, 3, 2, 3], [4, 4])
    """

    def __init__(
        self,
        words: Mapping[str, int],
        letters: Mapping[str, int],
        letters_of: Callable[[str], Iterable[str]],
    ) -> None:
        self._words = words
        self._pairs = {
            (first, second): place
            for term, place in words.items()
            for first, blank, second in [term.partition(" ")]
            if blank
        }
        n_words = len(words)

        def known(word: str) -> np.ndarray:
            found = [letters[gram] for gram in letters_of(word) if gram in letters]
            return np.array(found, np.int32) + np.int32(n_words)

        self._letters = lru_cache(REMEMBERED)(known)

    def of(
        self, words: Sequence[Sequence[str]], tokens: Sequence[Sequence[str]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """All places, one ticket's behind the other's, as often as they stand there; how many each.

        `words` (n_tickets,) are read whole and in pairs, `tokens` (n_tickets,) letter by letter.
        """
        parts: list[np.ndarray] = [np.zeros(0, np.int32)]
        sizes = []
        for whole, spelt in zip(words, tokens, strict=True):
            own = [np.array(self._whole(whole), np.int32), *map(self._letters, spelt)]
            sizes.append(sum(map(len, own)))
            parts += own
        return np.concatenate(parts), np.array(sizes, np.int64)

    def _whole(self, words: Sequence[str]) -> list[int]:
        places = [*map(self._words.get, words), *map(self._pairs.get, pairwise(words))]
        return [place for place in places if place is not None]
