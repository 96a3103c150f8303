"""Weekly counts against what is usual: a yearly rhythm by regression, and two ways to judge.

All series are fitted at once: their design is the same, their weights are not.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.stats import nbinom, poisson

YEAR = 52
ANSCOMBE = 2.58
N_ITERATIONS = 12
RIDGE = 1e-4
FARRINGTON_YEARS, FARRINGTON_HALF, FARRINGTON_LEFT_OUT = 5, 3, 26
PERIODS = 10
LEFT_OUT = 10  # weeks before this one, that an outbreak may be in
SPANS = (1, 2)  # weeks that are looked at together; with three or four less is found


class Fitted(NamedTuple):
    """What each week from the first judged one on was expected to have, (n_weeks, n).

    `phi` is the variance in means, `error` the variance of the logarithm of the mean.
    """

    first: int
    mean: np.ndarray
    phi: np.ndarray
    error: np.ndarray


def regression(
    design: np.ndarray, counts: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Quasi-Poisson coefficients (n, p) and inverse information (n, p, p) of series (weeks, n)."""
    p = design.shape[1]
    squares = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    eta = np.log(np.maximum(counts, 0.5 * counts.mean(axis=0) + 0.05))
    ridge = RIDGE * np.eye(p)
    for _ in range(N_ITERATIONS):
        mean = np.exp(np.clip(eta, -12, 12))
        w = weights * mean
        target = eta + (counts - mean) / mean
        information = (w.T @ squares).reshape(-1, p, p) + ridge
        coefficients = np.linalg.solve(information, ((w * target).T @ design)[:, :, None])[:, :, 0]
        new = design @ coefficients.T
        moved = np.abs(new - eta).max()
        eta = new
        if moved < 1e-4:
            break
    return coefficients, np.linalg.inv(information)


def reweighted(design: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same after past outbreaks count for less; and the dispersion (n,)."""
    weights = np.ones_like(counts)
    for again in (False, True):
        coefficients, inverse = regression(design, counts, weights)
        mean = np.exp(np.clip(design @ coefficients.T, -12, 12))
        free = len(design) - design.shape[1]
        phi = np.maximum((weights * (counts - mean) ** 2 / mean).sum(axis=0) / free, 1.0)
        if not again:
            leverage = np.einsum("wi,nij,wj->wn", design, inverse, design) * mean
            spread = np.sqrt(phi * np.maximum(1 - leverage, 0.05)) * mean ** (1 / 6)
            residual = 1.5 * (counts ** (2 / 3) - mean ** (2 / 3)) / spread
            weights = np.where(residual > ANSCOMBE, np.maximum(residual, 1e-9) ** -2.0, 1.0)
            weights *= len(weights) / weights.sum(axis=0)
    return coefficients, inverse, phi


# -- Farrington flexible ----------------------------------------------------------------------


def farrington(first: int, counts: np.ndarray) -> Fitted:
    """Five years, ten periods of the year, a trend where it leads nowhere new."""
    rows = []
    for week in range(first, len(counts)):
        last = week - FARRINGTON_LEFT_OUT
        past = np.arange(week - FARRINGTON_YEARS * YEAR - FARRINGTON_HALF, last)
        period = periods(week - past)
        season = (period[:, None] == np.arange(1, PERIODS)).astype(float)
        flat = np.column_stack([np.ones(len(past)), season])
        sloped = np.column_stack([flat, (past - week) / YEAR])
        known = counts[past]
        with_trend, _, phi = reweighted(sloped, known)
        mean = np.exp(np.clip(with_trend[:, 0], -12, 12))
        too_far = mean > known.max(axis=0)
        if too_far.any():
            level, _, flat_phi = reweighted(flat, known[:, too_far])
            mean[too_far], phi[too_far] = np.exp(level[:, 0]), flat_phi
        rows.append((mean, phi))
    mean, phi = (np.stack(column) for column in zip(*rows, strict=True))
    return Fitted(first, mean, phi, np.zeros_like(mean))


def periods(ago: np.ndarray) -> np.ndarray:
    """The period of the year of weeks so long ago: 0 are those about this week of each year.

    >>> periods(np.array([52, 49, 48, 44, 43, 4, 3])).tolist()
    [0, 0, 9, 9, 8, 1, 0]
    """
    turn = ago % YEAR
    near = np.minimum(turn, YEAR - turn) <= FARRINGTON_HALF
    n_others = YEAR - 2 * FARRINGTON_HALF - 1
    of_others = (turn - FARRINGTON_HALF - 1) * (PERIODS - 1) // n_others + 1
    return np.where(near, 0, of_others)


def over_quantile(fitted: Fitted, counts: np.ndarray) -> np.ndarray:
    """1 less the chance of as many or more cases: above 1 - alpha is an alarm."""
    seen = counts[fitted.first :]
    size = fitted.mean / np.maximum(fitted.phi - 1, 1e-6)
    wild = nbinom.cdf(seen - 1, size, size / (size + fitted.mean))
    chance: np.ndarray = np.where(fitted.phi > 1.001, wild, poisson.cdf(seen - 1, fitted.mean))
    return chance


# -- ours -------------------------------------------------------------------------------------


def yearly(first: int, counts: np.ndarray) -> Fitted:
    """All the past: a level, a trend and two waves a year, past outbreaks down-weighted."""
    rows = []
    for week in range(first, len(counts)):
        past = np.arange(0, week - LEFT_OUT)
        coefficients, inverse, phi = reweighted(waves(past, week), counts[past])
        now = waves(np.array([week]), week)[0]
        error = phi * np.einsum("i,nij,j->n", now, inverse, now)
        rows.append((np.exp(np.clip(coefficients @ now, -12, 12)), phi, error))
    return Fitted(first, *(np.stack(column) for column in zip(*rows, strict=True)))


def waves(weeks: np.ndarray, now: int) -> np.ndarray:
    """The design: a level, a trend in years from now, and waves of a year and of half of one."""
    turn = 2 * np.pi * weeks / YEAR
    harmonics = [wave(k * turn) for k in (1, 2) for wave in (np.cos, np.sin)]
    return np.column_stack([np.ones(len(weeks)), (weeks - now) / YEAR, *harmonics])


def surge(fitted: Fitted, counts: np.ndarray) -> np.ndarray:
    """The score of `models.surge` in weeks: the likelihood ratio over the dispersion, scanned.

    max over spans of [n ln(n/m) - (n - m)] / D, where D, the variance of n in means, holds what the
    mean is unsure of besides.
    """
    best = np.zeros(fitted.mean.shape)
    for n, m, wild in spans(fitted, counts):
        ratio = n * np.log(np.maximum(n, 1e-9) / m) - (n - m)
        best = np.maximum(best, np.where(n > m, ratio / wild, 0.0))
    return best


def unlikely(fitted: Fitted, counts: np.ndarray) -> np.ndarray:
    """How unlikely as many cases are in the least likely span: -ln of the tail, half of n in it."""
    best = np.zeros(fitted.mean.shape)
    for n, m, wild in spans(fitted, counts):
        size = m / np.maximum(wild - 1, 1e-3)
        share = size / (size + m)
        chance = nbinom.sf(n, size, share) + 0.5 * nbinom.pmf(n, size, share)
        best = np.maximum(best, -np.log(np.maximum(chance, 1e-300)))
    return best


def spans(
    fitted: Fitted, counts: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Cases, mean and dispersion of the weeks that end with each, for every length of span."""
    n_weeks, longest = len(fitted.mean), max(SPANS) - 1
    usual = np.concatenate([fitted.mean[:1].repeat(longest, axis=0), fitted.mean])
    for span in SPANS:
        n, m = np.zeros_like(fitted.mean), np.zeros_like(fitted.mean)
        for back in range(span):
            n += counts[fitted.first - back : len(counts) - back]
            m += usual[longest - back : longest - back + n_weeks]
        yield n, m, fitted.phi + m * fitted.error
