"""The daily and weekly rhythm of a series that grows."""

import numpy as np

DAY = 86_400
BEATS = ((DAY, 24), (7 * DAY, 56))  # seconds of a period, slots that it is known by
LEAST_POINTS = 6  # in a period
EARNS = 0.8  # of the distances left, at most, where the first half's rhythm is taken off the second


def beats(values: np.ndarray, first: float, step: int, n_ahead: int) -> np.ndarray:
    """What the rhythms add to a series and to the `n_ahead` points after it.

    `values` (n_points,) are evenly spaced, `step` seconds apart, without NaN; `first` is the unix
    second at which the first slot begins. Shape (n_points + n_ahead,), of mean 0. A rhythm counts
    where that of the first half fits the second half: what does not repeat is no rhythm.

    >>> hours = np.arange(24 * 8.0)
    >>> swing = 5 * np.sin(2 * np.pi * hours / 24)
    >>> found = beats(hours + swing, 0.0, 3600, 24)
    >>> bool(np.abs(found[-24:] - swing[:24]).max() < 0.5)
    True
    """
    n = len(values)
    at = first + step * (np.arange(n + n_ahead) + 0.5)  # a point stands for the time that follows
    found = np.zeros(n + n_ahead)
    for period, n_slots in BEATS:
        n_beat = round(period / step)
        if n_beat < LEAST_POINTS or n < 2 * n_beat:
            continue
        slots = at % period / period * n_slots
        off = values - found[:n] - smooth(values - found[:n], n_beat)
        half = n // 2
        early = profile(off[:half], slots[:half], n_slots)
        left = off[half:] - read(early, slots[half:n])
        if np.abs(left).mean() <= EARNS * np.abs(off[half:]).mean():
            found += read(profile(off, slots[:n], n_slots), slots)
    return found


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """The mean of `width` points around each; beyond its ends a series is mirrored, and goes on.

    >>> smooth(np.arange(6.0), 3)
    array([0., 1., 2., 3., 4., 5.])
    """
    padded = np.pad(values, (width // 2, (width - 1) // 2), mode="reflect", reflect_type="odd")
    return np.convolve(padded, np.full(width, 1 / width), mode="valid")


def profile(off: np.ndarray, slots: np.ndarray, n_slots: int) -> np.ndarray:
    """The median of each slot (n_slots,), of mean 0; 0 where a slot has no point."""
    slot = slots.astype(int)
    own = [off[slot == number] for number in range(n_slots)]
    known = np.array([np.median(some) if len(some) else 0.0 for some in own])
    level: np.ndarray = known - known.mean()
    return level


def read(known: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """A profile at `slots`, parts of a slot too, from the middles of the nearest two."""
    middles = np.arange(-1, len(known) + 1) + 0.5
    level: np.ndarray = np.interp(slots, middles, np.concatenate([known[-1:], known, known[:1]]))
    return level
