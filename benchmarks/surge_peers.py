"""What else would watch ticket counts: rolling hours held against the same hour of the past."""

from collections.abc import Iterator

import numpy as np

from benchmarks.surge_desk import DAY_BINS, WEEK_BINS, Desks

HOUR = 12  # bins
PAST_WEEKS = 8
ANSCOMBE = 2.58  # residual from which a past hour weighs less
Z = 2.58
WITHIN = (-HOUR, 0, HOUR)  # of the same hour of the week


def with_total(counts: np.ndarray) -> np.ndarray:
    """The total as one stream more, the first: (n_bins, n_desks, 1 + n_categories)."""
    return np.concatenate([counts.sum(axis=2, keepdims=True), counts], axis=2)


def hourly(desks: Desks) -> np.ndarray:
    """Tickets of the hour that ends with each bin, of every stream."""
    sums = np.cumsum(with_total(desks.counts), axis=0, dtype=np.float32)
    sums[HOUR:] = sums[HOUR:] - sums[:-HOUR].copy()
    return sums


def back(values: np.ndarray, bins: int) -> np.ndarray:
    """The values so many bins earlier; 0 before there were any."""
    earlier = np.zeros_like(values)
    earlier[bins:] = values[:-bins]
    return earlier


def seasonal_z(desks: Desks) -> np.ndarray:
    """Deviations from the same hour of the last eight weeks; the highest of a desk."""
    hours = hourly(desks)
    past = [WEEK_BINS * week for week in range(1, PAST_WEEKS + 1)]
    return _deviations(hours, [back(hours, bins) for bins in past])


def ears_c2(desks: Desks) -> np.ndarray:
    """EARS C2: the same hour of seven days, of which the last two are left out.

    Hutwagner et al. (2003), The bioterrorism preparedness and response Early Aberration
    Reporting System (EARS).
    """
    hours = hourly(desks)
    return _deviations(hours, [back(hours, DAY_BINS * day) for day in range(3, 10)])


def _deviations(now: np.ndarray, past: list[np.ndarray]) -> np.ndarray:
    mean = sum(past) / np.float32(len(past))
    variance = sum((one - mean) ** 2 for one in past) / np.float32(len(past) - 1)
    least = np.maximum(mean, 0.25)  # Poisson's own, and half a ticket where there never was one
    scores = (now - mean) / np.sqrt(np.maximum(variance, least))
    highest: np.ndarray = scores.max(axis=2)
    return highest


def farrington(desks: Desks) -> np.ndarray:
    """How far beyond its upper limit each hour lies, in distances of that from the mean.

    Farrington et al. (1996), A statistical algorithm for the early detection of outbreaks of
    infectious disease; Noufaily et al. (2013), whose weights go to past outbreaks. The same hour
    of eight weeks, and those beside it.
    """
    hours = hourly(desks)
    n = PAST_WEEKS * len(WITHIN)
    mean = sum(references(hours)) / np.float32(n)
    mean = np.maximum(mean, 1 / n)
    phi = _dispersion(hours, mean, [np.float32(1)] * n)
    weights = []
    for past in references(hours):
        residual = 1.5 * (past ** (2 / 3) - mean ** (2 / 3)) / (mean ** (1 / 6) * np.sqrt(phi))
        weights.append(np.where(residual > ANSCOMBE, 1 / np.maximum(residual, 1) ** 2, 1.0))
    weighted = sum(w * past for w, past in zip(weights, references(hours), strict=True))
    mean = np.maximum(weighted / sum(weights), 1 / n)
    phi = _dispersion(hours, mean, weights)
    spread = np.sqrt(phi / mean * (1 + 1 / n))  # of the count and of the mean, on the 2/3 scale
    limit = mean * (1 + 2 / 3 * Z * spread) ** 1.5
    highest: np.ndarray = ((hours - mean) / (limit - mean)).max(axis=2)
    return highest


def references(hours: np.ndarray) -> Iterator[np.ndarray]:
    for week in range(1, PAST_WEEKS + 1):
        for bins in WITHIN:
            yield back(hours, WEEK_BINS * week + bins)


def _dispersion(hours: np.ndarray, mean: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Pearson's, at least 1."""
    squares = sum(
        w * (past - mean) ** 2 / mean for w, past in zip(weights, references(hours), strict=True)
    )
    phi: np.ndarray = np.maximum(squares / (sum(weights) - 1), 1).astype(np.float32)
    return phi
