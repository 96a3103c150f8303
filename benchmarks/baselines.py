"""What any detector has to beat: a fixed limit a series, and a clock that looks at nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from data.records import Alert, AlertKind
from features.rolling import rolled

CALM = timedelta(hours=2)  # as a watch: an hour to close, and an hour of silence after it
DEVIATIONS = 4.0


def beyond(learnt: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Which of `live` (n_steps, n_series) lie over 4 standard deviations from the mean learnt.

    >>> beyond(np.array([[1.0], [3.0]]), np.array([[6.5], [np.nan], [5.9]])).ravel()
    array([ True, False, False])
    """
    centre, spread = np.nanmean(learnt, axis=0), np.nanstd(learnt, axis=0)
    return np.abs(live - centre) > DEVIATIONS * spread


def busier(learnt: np.ndarray, live: np.ndarray, steps_an_hour: int) -> np.ndarray:
    """Which steps of `live` end an hour with more tickets than any hour learnt had.

    >>> busier(np.array([[1.0], [1.0], [0.0]]), np.array([[2.0], [1.0]]), 2).ravel()
    array([False,  True])
    """
    most = np.nanmax(rolled(learnt, steps_an_hour), axis=0)
    joined = np.concatenate([learnt[1 - steps_an_hour :], live]) if steps_an_hour > 1 else live
    return rolled(joined, steps_an_hour)[len(joined) - len(live) :] > most


def episodes(
    kind: AlertKind, keys: list[str], times: np.ndarray, over: np.ndarray
) -> Iterator[Alert]:
    """An alert for every series and time it went over, where it had not for two hours."""
    for column, key in enumerate(keys):
        at = times[over[:, column]]
        fresh = np.diff(at, prepend=np.datetime64(0, "s")) > np.timedelta64(CALM)
        yield from (alert(kind, key, moment) for moment in at[fresh])


def blind(
    rng: np.random.Generator, n: int, things: list[tuple[AlertKind, str]], times: np.ndarray
) -> list[Alert]:
    """`n` alerts at random times on random things."""
    rows, which = rng.integers(len(times), size=n), rng.integers(len(things), size=n)
    return [alert(*things[one], times[row]) for row, one in zip(rows, which, strict=True)]


def alert(kind: AlertKind, key: str, at: np.datetime64) -> Alert:
    """An alert that says no more than when and on what."""
    opened_at: datetime = at.astype("datetime64[s]").item().replace(tzinfo=UTC)
    nothing = dict.fromkeys(
        ("score", "threshold", "observed", "expected", "lower", "upper"), float("nan")
    )
    return Alert(
        id=f"{kind} {key} {opened_at.isoformat()}", desk="", kind=kind, key=key,
        opened_at=opened_at, **nothing, why="", detector="baseline",
    )  # fmt: skip
