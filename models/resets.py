"""Cleanups in a series that grows: where it fell, what it would be without, what comes next."""

from typing import NamedTuple

import numpy as np

SIDE = 3  # points on either side whose medians are compared: one wild point is no fall
SIGMAS = 6.0  # of such differences, beyond which a series has jumped
GROWTHS = 4.0  # and of what grows meanwhile
RARE = 3  # jumps up that are events, not the way in which it grows
REGULAR = 2  # cleanups from which a habit can be told
SPREAD = 0.35  # of the usual round, that a habit's rounds may differ by
OVERDUE = 1.3  # usual rounds without a cleanup, after which it has stopped


class Jumps(NamedTuple):
    """Points `at` (n_jumps,) that stand `by` (n_jumps,) higher than it would have grown to."""

    at: np.ndarray
    by: np.ndarray


def jumps(values: np.ndarray) -> Jumps:
    """Where a series steps to another level and stays there.

    `values` (n_points,) are evenly spaced, without NaN. Falls have a negative `by`.

    >>> found = jumps(np.append(np.arange(20.0), np.arange(10.0)))
    >>> found.at, found.by
    (array([20]), array([-20.]))
    """
    n = len(values)
    if n < 2 * SIDE + 1:
        return Jumps(np.empty(0, int), np.empty(0))
    sides = np.median(np.lib.stride_tricks.sliding_window_view(values, SIDE), axis=1)
    change = sides[SIDE:] - sides[:-SIDE]  # of points i + SIDE.. against those before
    usual = float(np.median(change))
    off = change - usual
    sigma = 1.4826 * float(np.median(np.abs(off)))
    least = max(SIGMAS * sigma, GROWTHS * abs(usual), 1e-9 * float(np.ptp(values)))
    runs = np.flatnonzero(np.abs(off) > least)
    if not len(runs):
        return Jumps(np.empty(0, int), np.empty(0))
    apart = (np.diff(runs) > 1) | (np.diff(np.sign(off[runs])) != 0)
    at, by = [], []
    for run in np.split(runs, np.flatnonzero(apart) + 1):
        sign = np.sign(off[run[0]])
        points = np.arange(run[0] + 1, min(run[-1] + 2 * SIDE, n))
        at.append(points[np.argmax(sign * (values[points] - values[points - 1]))])
        by.append(sign * np.abs(off[run]).max())
    return Jumps(np.array(at), np.array(by))


class Cleanups(NamedTuple):
    """A series' resets, shape (n_resets,), and the series as it had grown without them.

    `at` are the first points after, `peaks` and `bases` the levels before and after. `habit` says
    what sets the next one off: the clock, the level that was reached, or nobody knows.
    """

    at: np.ndarray
    peaks: np.ndarray
    bases: np.ndarray
    unrolled: np.ndarray
    habit: str

    @property
    def drops(self) -> np.ndarray:
        lower: np.ndarray = self.peaks - self.bases
        return lower

    @property
    def returns(self) -> bool:
        """Whether a cleanup goes down to the same level each time, rather than by as much."""
        return bool(np.std(self.bases) < 0.5 * np.std(self.drops) + 0.1 * np.median(self.drops))


def cleanups(values: np.ndarray) -> Cleanups:
    """Take the resets out of a series (n_points,), evenly spaced and without NaN.

    A few jumps up are events and taken out too, and a fall that takes one back is no reset. Many
    are how it grows, or pulses: then falls are resets that no pulse can be the end of.

    >>> found = cleanups(np.tile(np.arange(20.0), 4))
    >>> found.at, found.habit, float(found.unrolled[-1])
    (array([20, 40, 60]), 'clock', 79.0)
    """
    found = jumps(values)
    up = found.by > 0
    often = up.sum() > RARE
    down = -found.by > (2 * found.by[up].max() if often else 0.0)
    taken = down if often else down | up
    shifts = np.zeros(len(values))
    shifts[found.at[taken]] = found.by[taken]
    at = found.at[down & ~taken_back(found.by)]
    bases = np.array([values[i : i + SIDE].min() for i in at])
    peaks = np.array([values[max(i - SIDE, 0) : i].max() for i in at])
    return Cleanups(at, peaks, bases, values - np.cumsum(shifts), habit(at, peaks, bases, values))


def taken_back(by: np.ndarray) -> np.ndarray:
    """Which jumps (n_jumps,) undo the one before: wild points side by side, or a guest that left.

    >>> taken_back(np.array([40.0, -39.0, -20.0])).tolist()
    [False, True, False]
    """
    undone = np.zeros(len(by), bool)
    undone[1:] = (by[:-1] > 0) & (by[1:] < 0) & (np.abs(by[1:] + by[:-1]) < 0.5 * by[:-1])
    return undone


def habit(at: np.ndarray, peaks: np.ndarray, bases: np.ndarray, values: np.ndarray) -> str:
    """What sets cleanups off: "clock", "level", or "none" that could be told, or goes on."""
    if len(at) < REGULAR:
        return "none"
    rounds = np.diff(at)
    by_clock = float(np.std(rounds) / np.mean(rounds)) if len(rounds) > 1 else np.inf
    by_level = float(np.std(peaks) / np.median(peaks - bases))
    if min(by_clock, by_level) > SPREAD:
        return "none"
    if by_level < by_clock:
        overdue = values[-1] > peaks.max() + (OVERDUE - 1) * np.median(peaks - bases)
        return "none" if overdue else "level"
    return "none" if len(values) - at[-1] > OVERDUE * rounds.max() else "clock"


class Rolled(NamedTuple):
    """Paths with the cleanups to come, and the step, from 1, of each one's `first`; or inf."""

    paths: np.ndarray
    first: np.ndarray


def rolled(paths: np.ndarray, found: Cleanups, rng: np.random.Generator) -> Rolled:
    """Put the cleanups to come into `paths` (n_paths, n_steps) of a series without them.

    Each path draws the rounds, or the levels at which it is cleaned up, from those that were. A
    habit seen n times goes on throughout in n of n + 1 paths (Laplace's rule of succession), and
    ends somewhere on its way in the others. A step is a point.

    >>> found = cleanups(np.tile(np.arange(20.0), 40))
    >>> ahead = rolled(19.0 + np.arange(1.0, 50)[None], found, np.random.default_rng(0))
    >>> ahead.paths.max(), ahead.first
    (np.float64(19.0), array([1.]))
    """
    n_paths, n_steps = paths.shape
    first = np.full(n_paths, np.inf)
    if found.habit == "none":
        return Rolled(paths, first)
    by_clock = found.habit == "clock"
    rounds, drops = np.diff(found.at), found.drops
    age = len(found.unrolled) - 1 - found.at[-1]
    due = rng.choice(_or_all(rounds, rounds > age), n_paths) - age
    top = rng.choice(_or_all(found.peaks, found.peaks > paths[:, 0].min()), n_paths)
    n_seen = len(found.at)
    until = np.where(
        rng.random(n_paths) < n_seen / (n_seen + 1), n_steps, rng.integers(0, n_steps, n_paths)
    )
    result, shift = np.empty_like(paths), np.zeros(n_paths)
    for step in range(n_steps):
        level = paths[:, step] + shift
        ripe = due <= step + 1 if by_clock else level >= top
        falls = np.flatnonzero(ripe & (step < until))
        if len(falls):
            drawn = rng.integers(0, n_seen, len(falls))
            lower = found.bases[drawn] if found.returns else level[falls] - drops[drawn]
            shift[falls] += lower - level[falls]
            level[falls] = lower
            due[falls] = step + 1 + rng.choice(rounds, len(falls)) if by_clock else 0
            top[falls] = rng.choice(found.peaks, len(falls))
            first[falls] = np.minimum(first[falls], step + 1)
        result[:, step] = level
    return Rolled(result, first)


def _or_all(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    chosen: np.ndarray = values[which] if which.any() else values
    return chosen
