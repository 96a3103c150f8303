"""Ways a series may go on, drawn from how its own past forecasts fared."""

from typing import NamedTuple

import numpy as np

from models.trend import FORMS, Form, may_grow, said

WINDOWS = (1 / 16, 1 / 4, 1.0)  # of all that is known, which a trend is fitted to
SHORTEST = 12  # points that a trend is fitted to
ORIGINS = 40  # past moments at most that a forecast is made at, to see how it fared
LEAST_ORIGINS = 9  # that an interval of 80 % takes: one error in ten to either side
HALF_LIFE = 0.25  # of all that is known: how long the way a forecast fared counts
PREFERS = 3.0  # how far a way twice as good is preferred: 2 ** 3 times as often
STRAIGHT = 1.15  # a bend must fare better than a line by so much
TRUSTED = 3.0  # periods as long as the forecast, after which a mean error is half believed
SCALE = 0.85  # of the errors; on seeds 100 to 119 of the benchmark that covers 80 %
CHANCES = 2.0  # degrees of freedom that a period as long as the forecast gives the errors' size


class Way(NamedTuple):
    """One way of forecasting: its `errors` (n_origins, n_near) in the past, and its share."""

    window: int
    form: Form
    errors: np.ndarray
    share: float


def origins(n: int, near: int) -> np.ndarray:
    """The moments, of `n` points, at which to look how a forecast of `near` points fared."""
    first, last = max(n // 4, SHORTEST), n - 1 - near
    if last < first:
        return np.empty(0, int)
    return np.unique(np.linspace(first, last, ORIGINS).astype(int))


def recency(n: int, moments: np.ndarray) -> np.ndarray:
    """How much each past forecast counts, shape (n_origins,), of sum 1."""
    weights = 0.5 ** ((moments[-1] - moments) / (HALF_LIFE * n))
    result: np.ndarray = weights / weights.sum()
    return result


def ways(values: np.ndarray, near: int) -> list[Way]:
    """Every window and form, with the errors its past forecasts of `near` points made.

    Those that fared better `near` points ahead, of late more than long ago, get the larger share.

    >>> best = max(ways(np.arange(100.0) ** 2, 10), key=lambda way: way.share)
    >>> best.form, best.errors.shape
    ('bend', (40, 10))
    """
    n, moments = len(values), origins(len(values), near)
    ahead = np.arange(1, near + 1)
    came, weights = values[moments[:, None] + ahead], recency(n, moments)
    found = []
    for window in sorted({max(int(n * part), SHORTEST) for part in WINDOWS}):
        for form in FORMS if may_grow(values) else FORMS[:2]:
            errors = came - said(values, moments, window, form, ahead)
            off = float(weights @ np.abs(errors[:, near // 2 :].mean(axis=1)))
            found.append(Way(window, form, errors, off if form == "line" else STRAIGHT * off))
    least = max(min(way.share for way in found), 1e-9 * float(np.ptp(values)) + 1e-12)
    shares = np.array([(least / max(way.share, least)) ** PREFERS for way in found])
    return [way._replace(share=x) for way, x in zip(found, shares / shares.sum(), strict=True)]


def paths(
    values: np.ndarray, near: int, n_ahead: int, n_paths: int, rng: np.random.Generator
) -> np.ndarray:
    """Ways to go on, shape (n_paths, n_ahead), each as likely as another.

    A path is a forecast, and on top of it the whole course of the error that this way of
    forecasting made at one moment of the past (conformal prediction on a rolling origin: Vovk et
    al. 2005; Stankeviciute et al. 2021 for the course of it). The mean error is believed the
    more, the more periods of `near` points it was seen in; beyond `near` points an error grows on.

    >>> rng = np.random.default_rng(0)
    >>> drawn = paths(np.arange(200) + rng.normal(0, 3, 200), 20, 50, 300, rng)
    >>> [round(float(x)) for x in np.quantile(drawn[:, 49], (0.1, 0.5, 0.9))]
    [237, 248, 257]
    """
    moments = origins(len(values), near)
    weights, known = recency(len(values), moments), ways(values, near)
    n_periods = max((len(values) - near) / near, 1.0)
    freedom = max(CHANCES * n_periods, 3.0)
    believed = n_periods / (n_periods + TRUSTED)
    which = rng.choice(len(known), n_paths, p=[way.share for way in known])
    when = rng.choice(len(moments), n_paths, p=weights)
    sizes = SCALE * np.sqrt(freedom / rng.chisquare(freedom, n_paths))
    result, last = np.empty((n_paths, n_ahead)), np.array([len(values) - 1])
    for number, way in enumerate(known):
        rows = np.flatnonzero(which == number)
        mean = weights @ way.errors
        drawn = believed * mean + (way.errors[when[rows]] - mean) * sizes[rows, None]
        told = said(values, last, way.window, way.form, np.arange(1, n_ahead + 1))
        result[rows] = told + longer(drawn, n_ahead)
    return result


def longer(errors: np.ndarray, n_ahead: int) -> np.ndarray:
    """Errors (n_paths, n_near) for `n_ahead` points: later ones grow with the time ahead.

    >>> longer(np.array([[1.0, 2.0, 3.0, 4.0]]), 6).round(1)
    array([[1. , 2. , 3. , 4. , 5.8, 7. ]])
    """
    near = errors.shape[1]
    if n_ahead <= near:
        return errors[:, :n_ahead]
    each = errors[:, near // 2 :].mean(axis=1) / (0.75 * near)
    return np.hstack([errors, np.outer(each, np.arange(near + 1, n_ahead + 1))])
