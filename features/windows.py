"""Times in which some series are not looked at: maintenance, and incidents that are declared."""

import re
from collections.abc import Sequence
from fnmatch import translate
from typing import NamedTuple

import numpy as np

ALL = ("*",)
TARGET = "category"  # what tickets are counted by
TOTAL = "total"  # what the count of all tickets is called, beside the categories


class Window(NamedTuple):
    """From `start` until before `end` (UTC), for the keys that one of `globs` matches.

    A glob is `*` for anything, `?` for a letter, `[ab]` for one of these; case counts.
    """

    start: np.datetime64
    end: np.datetime64
    globs: tuple[str, ...] = ALL


def muted(windows: Sequence[Window], keys: Sequence[str], times: np.ndarray) -> np.ndarray | None:
    """Which key is within a window when, shape (n_steps, n_keys), bool; None: none ever is.

    `times` (n_steps,) are in UTC and in order.

    >>> times = np.datetime64("2026-03-02T09:00") + np.arange(3) * np.timedelta64(1, "h")
    >>> hour = Window(times[1], times[2], ("vpn_*",))
    >>> muted([hour], ["cpu", "vpn_errors"], times).astype(int)
    array([[0, 0], [0, 1], [0, 0]])
    """
    rows = [(window, (times >= window.start) & (times < window.end)) for window in windows]
    rows = [(window, within) for window, within in rows if within.any()]
    if not rows:
        return None
    mask = np.zeros((len(times), len(keys)), bool)
    for window, within in rows:
        mask |= np.outer(within, matching(window.globs, keys))
    return mask


def globs_of(series: Sequence[str], categories: Sequence[str], *, tickets: bool) -> tuple[str, ...]:
    """What is meant of the series, or of the `tickets`: all of both where neither is named.

    Tickets of a category also count towards the total, so whatever names one means the total too.

    >>> globs_of((), ("vpn",), tickets=False), globs_of((), ("vpn",), tickets=True)
    ((), ('vpn', 'total'))
    >>> globs_of((), (), tickets=True)
    ('*',)
    """
    if not series and not categories:
        return ALL
    if not tickets:
        return tuple(series)
    return (*categories, TOTAL) if categories else ()


def matching(globs: Sequence[str], keys: Sequence[str]) -> np.ndarray:
    """Which keys one of the globs matches, shape (n_keys,), bool.

    >>> matching(["vpn_*", "cpu"], ["cpu", "cpu2", "vpn_errors"])
    array([ True, False,  True])
    """
    fits = re.compile("|".join(map(translate, globs)) or "(?!)").match
    return np.array([fits(key) is not None for key in keys], bool)
