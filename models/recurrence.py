"""Whether a thing is like one of the last thirty days."""

from collections.abc import Collection, Hashable, Sequence

import numpy as np

DAY = 86_400.0
WITHIN = 30 * DAY
AT_ONCE = 512  # rows compared in one step: 512 by a month of a large desk is some 100 MB


def by_key(keys: Sequence[Collection[Hashable]], at: np.ndarray) -> np.ndarray:
    """Whether an earlier thing of the last 30 days shares a key: (n_things,) bool.

    `at` (n_things,) are seconds, in order. A thing without a key is like none.

    >>> by_key([{"vpn"}, {"mail"}, {"vpn"}, {"vpn"}], np.array([0.0, 1.0, 2.0, 40.0]) * DAY)
    array([False, False,  True, False])
    """
    last: dict[Hashable, float] = {}
    like = np.zeros(len(keys), bool)
    for row, (own, moment) in enumerate(zip(keys, at.tolist(), strict=True)):
        like[row] = any(moment - last.get(key, -np.inf) <= WITHIN for key in own)
        last.update(dict.fromkeys(own, moment))
    return like


def by_meaning(vectors: np.ndarray, at: np.ndarray, cosine: float) -> np.ndarray:
    """Whether an earlier thing of the last 30 days has at least that cosine: (n_things,) bool.

    `vectors` (n_things, n_dimensions) are of length 1, or all 0 where a thing says nothing;
    `at` (n_things,) are seconds, in order.

    >>> vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]])
    >>> by_meaning(vectors, np.array([0.0, 1.0, 2.0]) * DAY, 0.8)
    array([False, False,  True])
    """
    first = np.searchsorted(at, at - WITHIN)
    like = np.zeros(len(at), bool)
    for start in range(0, len(at), AT_ONCE):
        stop = min(start + AT_ONCE, len(at))
        low = int(first[start])
        cosines = vectors[start:stop] @ vectors[low:stop].T
        rows, others = np.arange(start, stop)[:, None], np.arange(low, stop)[None]
        earlier = (others >= first[start:stop, None]) & (others < rows)
        like[start:stop] = ((cosines >= cosine) & earlier).any(axis=1)
    return like
