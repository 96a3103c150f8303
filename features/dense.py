"""Dense vectors, a row a ticket: made of length 1, and kept in 8 bits a number."""

import numpy as np

LEVELS = 127  # of a number that is kept in 8 bits


def units(x: np.ndarray) -> np.ndarray:
    """Each row as float32 of length 1, or all 0.

    >>> units(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    whole = x.astype(np.float32)
    lengths = np.linalg.norm(whole, axis=1, keepdims=True)
    scaled: np.ndarray = whole / np.where(lengths > 0, lengths, 1)
    return scaled


def signs(x: np.ndarray) -> np.ndarray:
    """Which numbers are above 0, 64 to a word: (n_words, n_tickets), so that a scan runs along.

    >>> signs(np.array([[1.0, -1.0, 2.0], [0.0, 1.0, 0.0]])).tolist()
    [[160, 64]]
    """
    bits = np.packbits(x > 0, axis=1)
    padded = np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8)))
    return np.ascontiguousarray(padded.view(np.uint64).T)


def differing(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """In how many `signs` each of some tickets (n_words, n_tickets) differs from one (n_words, 1).

    >>> differing(signs(np.array([[1.0, -1.0], [1.0, 1.0]])), signs(np.array([[1.0, 1.0]])))
    array([1, 0], dtype=uint16)
    """
    n = np.zeros(known.shape[1], dtype=np.uint16)
    for theirs, its in zip(known, asked, strict=True):
        n += np.bitwise_count(theirs ^ its)
    return n


def in_8_bits(x: np.ndarray) -> tuple[np.ndarray, float]:
    """Vectors (n_tickets, n_features) in 8 bits a number, and what one step of these is worth.

    >>> in_8_bits(np.array([[1.0, -0.5]]))
    (array([[127, -64]], dtype=int8), 0.00787)
    """
    scale = float(np.abs(x).max(initial=0.0)) / LEVELS or 1.0
    return np.round(x / scale).astype(np.int8), scale


def widened(kept: np.ndarray, scale: float) -> np.ndarray:
    """What `in_8_bits` kept, as float32 (n_features, n_tickets), for tickets to be held against."""
    return kept.T.astype(np.float32) * np.float32(scale)
