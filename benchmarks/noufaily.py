"""Outbreaks in weekly counts: Noufaily's scenarios, each method's false alarms and its detections.

Noufaily et al. (2013), An improved algorithm for outbreak detection in multiple surveillance
systems, Statistics in Medicine 32, 1206-1222. The paper itself was not at hand: the parameters
are those of a public replication of its 28 scenarios, seven settings, each with and without a trend
and a yearly season. Half-yearly seasons (m = 2) belong to a longer list of 42.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from benchmarks import weekly
from models.surge import Surge

WEEKS, FIRST, CURRENT = 624, 312, 575  # weeks in all; outbreaks are in the past from; judged from
SIZES = tuple(range(1, 11))  # of an outbreak, in standard deviations of a week's count
PAST_SIZES = (2, 3, 5, 10)  # of the four outbreaks before, as remembered: could not be verified
LONGEST = 10  # weeks of an outbreak
SEED, CLEAN_SEED = 40, 7  # what is reported, and what sets thresholds; others chose
N_SERIES = 200  # a scenario
ALPHA = 0.01
SETTINGS = (  # theta, beta, gamma1, gamma2, phi
    (0.1, 0.0025, 0.6, 0.6, 1.5),
    (-2.0, 0.005, 0.1, 0.3, 2.0),
    (1.5, 0.003, 0.2, -0.4, 1.0),
    (0.5, 0.002, 0.5, 0.5, 5.0),
    (2.5, 0.001, 1.0, 0.1, 3.0),
    (3.75, 0.001, 0.1, -0.1, 1.1),
    (5.0, 0.0001, 0.05, 0.01, 1.2),
)


class Draw(NamedTuple):
    """Series side by side, one outbreak in the weeks that are judged.

    `counts` (WEEKS, n) are without it; `outbreaks` (n_sizes, WEEKS, n) are what it adds at each of
    the sizes, from the week `onset` (n,) to before `end` (n_sizes, n).
    """

    counts: np.ndarray
    outbreaks: np.ndarray
    onset: np.ndarray
    end: np.ndarray


def means() -> Iterator[tuple[np.ndarray, float]]:
    """The 28 scenarios: the mean of each week (WEEKS,), and the variance in means."""
    t = np.arange(1, WEEKS + 1)
    for theta, beta, gamma1, gamma2, phi in SETTINGS:
        season = gamma1 * np.cos(2 * np.pi * t / 52) + gamma2 * np.sin(2 * np.pi * t / 52)
        for trend in (0.0, beta):
            for m in (0, 1):
                yield np.exp(theta + trend * t + m * season), phi


def draw(seed: int, n: int = N_SERIES) -> Draw:
    """`n` series of each of the 28 scenarios, one after the other.

    >>> made = draw(0, 2)
    >>> made.counts.shape, made.outbreaks.shape, bool((made.end > made.onset).all())
    ((624, 56), (10, 624, 56), True)
    """
    rng = np.random.default_rng(seed)
    known = [(np.tile(mean[:, None], n), phi) for mean, phi in means()]
    counts = np.concatenate([negative_binomial(rng, mean, phi) for mean, phi in known], axis=1)
    deviation = np.concatenate([np.sqrt(phi * mean) for mean, phi in known], axis=1)
    for _ in range(4):
        onset = rng.integers(FIRST, CURRENT - LONGEST, counts.shape[1])
        size = rng.choice(PAST_SIZES, counts.shape[1])
        counts += outbreak(rng, onset, size, deviation)[0]
    onset = rng.integers(CURRENT, WEEKS - LONGEST, counts.shape[1])
    made = [outbreak(rng, onset, np.full(len(onset), size), deviation) for size in SIZES]
    added, end = (np.stack(part) for part in zip(*made, strict=True))
    return Draw(counts, added, onset, end)


def negative_binomial(rng: np.random.Generator, mean: np.ndarray, phi: float) -> np.ndarray:
    """Counts of this mean, and a variance of `phi` means."""
    if phi == 1:
        return rng.poisson(mean).astype(float)
    return rng.poisson(rng.gamma(mean / (phi - 1)) * (phi - 1)).astype(float)


def outbreak(
    rng: np.random.Generator, onset: np.ndarray, size: np.ndarray, deviation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cases that come on top, `size` deviations of the first week in the mean, and the end."""
    rows = np.arange(len(onset))
    n_cases = rng.poisson(size * deviation[onset, rows])
    added = np.zeros(deviation.shape)
    series = np.repeat(rows, n_cases)
    late = np.minimum(np.exp(rng.normal(0, 0.5, len(series))).astype(int), LONGEST - 1)
    np.add.at(added, (onset[series] + late, series), 1)
    last = onset.copy()
    np.maximum.at(last, series, onset[series] + late)
    return added, last + 1


class Figures(NamedTuple):
    """False alarms a week in each scenario (28,), and the share found of each size (n_sizes,)."""

    false: np.ndarray
    found: np.ndarray


Fit = Callable[[Draw], weekly.Fitted]
Score = Callable[[weekly.Fitted, np.ndarray], np.ndarray]


def farrington(made: Draw) -> weekly.Fitted:
    return weekly.farrington(CURRENT, made.counts)


def yearly(made: Draw) -> weekly.Fitted:
    return weekly.yearly(CURRENT, made.counts)


def known(made: Draw) -> weekly.Fitted:
    """What nobody can know: the means and the dispersion that the counts were drawn from."""
    n = made.counts.shape[1] // len(SETTINGS) // 4
    mean = np.concatenate([np.tile(one[CURRENT:, None], n) for one, _ in means()], axis=1)
    phi = np.concatenate([np.full((len(mean), n), one) for _, one in means()], axis=1)
    return weekly.Fitted(CURRENT, mean, phi, np.zeros_like(mean))


def judged(fitted: weekly.Fitted, score: Score, made: Draw) -> np.ndarray:
    """Scores (n_sizes + 1, n_weeks, n) of the weeks from CURRENT on; the first without outbreak."""
    return np.stack([score(fitted, counts) for counts in versions(made)])


def as_it_stands(made: Draw) -> np.ndarray:
    """The same of `Surge` with a week for its step: it knows no year, and forgets in weeks."""
    start = np.datetime64("2010-01-04", "s")
    found = []
    for counts in versions(made):
        detector = Surge(counts.shape[1], 7 * 86_400, desks=counts.shape[1])
        scores = []
        for week, values in enumerate(counts):
            at = start + np.timedelta64(7 * week, "D")
            if week >= CURRENT:
                scores.append(detector.score(at, values))
            detector.learn(at, values)
        found.append(np.stack(scores))
    return np.stack(found)


def versions(made: Draw) -> Iterator[np.ndarray]:
    """The counts without an outbreak in the weeks that are judged, and with one of each size."""
    yield made.counts
    for added in made.outbreaks:
        yield made.counts + added


def figures(scores: np.ndarray, made: Draw, threshold: float) -> Figures:
    """What comes of a threshold: an outbreak is found by any alarm from its first to last week."""
    alarms = scores > threshold
    weeks = np.arange(CURRENT, WEEKS)[:, None]
    during = (weeks >= made.onset) & (weeks < made.end[:, None])
    false = alarms[0].mean(axis=0).reshape(4 * len(SETTINGS), -1).mean(axis=1)
    return Figures(false, (alarms[1:] & during).any(axis=1).mean(axis=1))


COLUMNS = ("", "FPR", "of a scenario", *(f"k = {size}" for size in SIZES))
BAR = (0.05, 0.14, 0.25, 0.36, 0.40, 0.57, 0.80, 0.86, 0.91, 0.92)


def rows() -> Iterator[list[str]]:
    """One row a method. Ours have one threshold for all scenarios, from series of another seed."""
    clean, made = draw(CLEAN_SEED), draw(SEED)
    fitted = farrington(made)
    found = figures(judged(fitted, weekly.over_quantile, made), made, 1 - ALPHA)
    yield row("Farrington flexible, its own quantile", found)
    fits = {"a yearly rhythm": yearly, "rates known": known}
    statistics = {"likelihood ratio / D": weekly.surge, "chance of the tail": weekly.unlikely}
    for rhythm, fit in fits.items():
        before, now = fit(clean), fit(made)
        for name, score in statistics.items():
            threshold = float(np.quantile(score(before, clean.counts), 1 - ALPHA))
            found = figures(judged(now, score, made), made, threshold)
            yield row(f"{rhythm}, {name}", found)
    threshold = float(
        np.quantile(as_it_stands(clean._replace(outbreaks=clean.outbreaks[:0])), 0.99)
    )
    yield row("`Surge` as it stands, a week a step", figures(as_it_stands(made), made, threshold))
    yield ["hoped for", "0.008-0.012", "", *(f"{share:.2f}" for share in BAR)]


def row(name: str, found: Figures) -> list[str]:
    """A method's figures.

    >>> row("one", Figures(np.array([0.01, 0.02]), np.array([0.5])))
    ['one', '0.0150', '0.010-0.020', '0.50']
    """
    false = found.false
    shares = [f"{share:.2f}" for share in found.found]
    return [name, f"{false.mean():.4f}", f"{false.min():.3f}-{false.max():.3f}", *shares]
