"""Tickets that say the same twice, word for word or nearly."""

import math
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from features.text import words_in

ALIKE = 0.9
"""Share of two texts' different words that must stand in both: one of twenty may be another."""


def same(texts: Sequence[Hashable]) -> np.ndarray:
    """For each text the first row with the same one, or -1.

    >>> same(["vpn down", "printer jam", "vpn down", "vpn down"])
    array([-1, -1,  0,  0])
    """
    first: dict[Hashable, int] = {}
    twins = [first.setdefault(text, row) for row, text in enumerate(texts)]
    return np.array([-1 if twin == row else twin for row, twin in enumerate(twins)], dtype=int)


def nearly_same(texts: Sequence[str], alike: float = ALIKE) -> np.ndarray:
    """For each text the row of an earlier one with nearly the same words, or -1.

    Alike are texts whose words in common are at least the share `alike` of the words in either
    (Jaccard), whatever their order. Texts that are like an earlier one are not compared with
    later ones, so a thousand notices of one template are a thousand rows, not half a million
    pairs. No like text is missed otherwise: two of them share one of their few rarest words
    (prefix filtering: Chaudhuri et al. 2006), so only texts with such a word are compared.

    >>> words = "the badge reader at the side door of building seven does not open it any more"
    >>> nearly_same([f"{words} today", f"{words} again", "vpn down"], alike=0.8)
    array([-1,  0, -1])
    """
    if not 0 < alike <= 1:
        raise ValueError(f"alike must lie in (0, 1], got {alike}")
    words = [words_of(text) for text in texts]
    n_texts = Counter(word for one in words for word in one)
    holders: dict[str, list[int]] = {}
    twins = np.full(len(texts), -1)
    for row, own in enumerate(words):
        rarest = sorted(own, key=lambda word: (n_texts[word], word))
        rarest = rarest[: len(own) - math.ceil(alike * len(own)) + 1] if own else []
        near = {other for word in rarest for other in holders.get(word, ())}
        twins[row] = next((other for other in sorted(near) if _alike(own, words[other], alike)), -1)
        if twins[row] < 0:
            for word in rarest:
                holders.setdefault(word, []).append(row)
    return twins


def words_of(text: str) -> frozenset[str]:
    """The different words of a text.

    >>> sorted(words_of("VPN is down, down!"))
    ['down', 'is', 'vpn']
    """
    return frozenset(words_in(text))


def _alike(a: frozenset[str], b: frozenset[str], alike: float) -> bool:
    if min(len(a), len(b)) < alike * max(len(a), len(b)):
        return False
    shared = len(a & b)
    return shared >= alike * (len(a) + len(b) - shared)


def conflicting(texts: Sequence[Hashable], labels: Sequence[str | None]) -> np.ndarray:
    """Which tickets have a label that another ticket of the same text contradicts.

    >>> conflicting(["vpn", "vpn", "jam", "jam", "vpn"], ["net", "mail", "print", None, None])
    array([ True,  True, False, False, False])
    """
    given: dict[Hashable, set[str]] = {}
    for text, label in zip(texts, labels, strict=True):
        if label:
            given.setdefault(text, set()).add(label)
    pairs = zip(texts, labels, strict=True)
    return np.array([bool(label) and len(given[text]) > 1 for text, label in pairs], dtype=bool)
