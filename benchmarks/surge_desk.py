"""Desks of tickets as counts, five minutes a bin, with surges whose onset and size are known."""

from dataclasses import dataclass

import numpy as np

BIN_SECONDS, DAY_BINS, WEEK_BINS = 300, 288, 2016
N_CATEGORIES = 50
START = np.datetime64("2025-01-06", "s")  # a Monday
EXTRA = (3, 6, 12, 25)  # tickets more in the first hour, where that is a working hour
SPREAD, SPREAD_SHARE = (0.7, 0.2, 0.1), 0.3  # over three categories, and how often
A_WEEK = 4  # surges
ACTIVITY_POWER = 0.7  # of the activity, that onset and size go by
HOLIDAY, CAMPAIGN = 0.25, 1.4
CAMPAIGN_BINS = 36
R = 20.0  # of the negative binomial
NOISE = {"common": (0.08, 48), "own": (0.12, 72)}  # sd of the logarithm, memory in bins
DAY_SD, TREND_SD = 0.08, 0.02  # of a day's effect; of a week's growth, as logarithms


@dataclass(frozen=True)
class Surge:
    """Bins counted from the first; `rate` (n_bins, n_categories) is what it adds to each."""

    desk: int
    onset: int
    rate: np.ndarray
    categories: tuple[int, ...]
    size: int

    @property
    def end(self) -> int:
        return self.onset + len(self.rate)


@dataclass(frozen=True)
class Desks:
    """`counts` and the `rates` behind them without surges, (n_bins, n_desks, n_categories)."""

    counts: np.ndarray
    rates: np.ndarray
    surges: list[Surge]
    days_off: str

    @property
    def times(self) -> np.ndarray:
        return START + np.arange(len(self.counts)) * np.timedelta64(BIN_SECONDS, "s")


def draw(seed: int, n_desks: int, weeks: int, tickets_a_week: float, quiet_weeks: int) -> Desks:
    """Some desks side by side; surges come after the first `quiet_weeks`, all of them if equal.

    >>> desks = draw(1, 2, 2, 600, quiet_weeks=1)
    >>> desks.counts.shape, len(desks.surges), 0.8 < desks.counts.mean() * 2016 * 50 / 600 < 1.2
    ((4032, 2, 50), 8, np.True_)
    """
    rng = np.random.default_rng(seed)
    n_bins = weeks * WEEK_BINS
    share = 1 / np.arange(1, N_CATEGORIES + 1)
    share /= share.sum()
    shape = rhythms()[rng.integers(0, 3, (n_desks, N_CATEGORIES))]  # (desks, categories, week)
    off = rng.choice(np.arange(7, weeks * 7), weeks // 5, replace=False)
    day = np.arange(n_bins) // DAY_BINS
    slow = np.exp(rng.normal(0, DAY_SD, (weeks * 7, n_desks)))[day]
    slow *= np.exp(rng.normal(0, TREND_SD, n_desks) * np.arange(n_bins)[:, None] / WEEK_BINS)
    slow *= np.where(np.isin(day, off), HOLIDAY, 1.0)[:, None]
    slow *= np.exp(_ar(rng, n_bins, (n_desks,), *NOISE["common"]))
    rates = np.exp(_ar(rng, n_bins, (n_desks, N_CATEGORIES), *NOISE["own"]))
    rates *= np.tile(np.moveaxis(shape, -1, 0), (weeks, 1, 1)) * share
    rates *= slow[:, :, None] * (tickets_a_week / WEEK_BINS)
    usual = np.tile(activity(), weeks)
    _campaigns(rng, rates, weeks)
    surges = _surges(rng, usual, n_desks, quiet_weeks, weeks, share)
    with_surges = rates.copy()
    for one in surges:
        with_surges[one.onset : one.end, one.desk] += one.rate
    counts = rng.poisson(with_surges * rng.gamma(R, 1 / R, rates.shape)).astype(np.float32)
    days = ",".join(str((START + int(one) * np.timedelta64(1, "D")).astype("M8[D]")) for one in off)
    return Desks(counts, rates.astype(np.float32), surges, days)


def rhythms() -> np.ndarray:
    """An office, a shop and a plant: the activity of a week, mean 1, shape (3, WEEK_BINS)."""
    hour = np.arange(WEEK_BINS) / 12 % 24
    weekday = np.arange(WEEK_BINS) // DAY_BINS
    office = np.exp(-(((hour - 10) / 2.2) ** 2)) + 0.8 * np.exp(-(((hour - 14.5) / 2.2) ** 2))
    office += 0.03
    office = office * np.where(weekday < 5, 1.0, 0.12) * np.where(weekday == 0, 1.2, 1.0)
    shop = np.exp(-(((hour - 17) / 5) ** 2)) + 0.08
    shop = shop * np.where(weekday < 5, 1.0, 1.3)
    plant = 1 + 0.3 * np.sin(2 * np.pi * (hour - 8) / 24) * np.where(weekday < 5, 1, 0.5)
    return np.stack([one / one.mean() for one in (office, shop, plant)])


def activity() -> np.ndarray:
    """How busy a desk is through the week: 1 is a mean hour from 9 to 17 on weekdays."""
    mean, bins = rhythms().mean(axis=0), np.arange(WEEK_BINS)
    hour = bins / 12 % 24
    working = (bins < 5 * DAY_BINS) & (hour >= 9) & (hour < 17)
    active: np.ndarray = mean / mean[working].mean()
    return active


def _ar(
    rng: np.random.Generator, n_bins: int, shape: tuple[int, ...], sd: float, memory: int
) -> np.ndarray:
    """Noise with a memory, mean of its exponential 1."""
    keep = np.exp(-1 / memory)
    steps = rng.normal(0, sd * np.sqrt(1 - keep**2), (n_bins, *shape)).astype(np.float32)
    steps[0] *= 1 / np.sqrt(1 - keep**2)
    for row in range(1, n_bins):
        steps[row] += keep * steps[row - 1]
    return steps - np.float32(sd**2 / 2)


def _campaigns(rng: np.random.Generator, rates: np.ndarray, weeks: int) -> None:
    """Once a week one category of a desk has more for three hours, and nothing is wrong."""
    n_bins, n_desks, n_categories = rates.shape
    for desk in range(n_desks):
        for first in rng.integers(0, n_bins - CAMPAIGN_BINS, weeks):
            category = rng.integers(n_categories)
            rates[first : first + CAMPAIGN_BINS, desk, category] *= CAMPAIGN


def _surges(
    rng: np.random.Generator, usual: np.ndarray, n_desks: int, first: int, last: int,
    share: np.ndarray,
) -> list[Surge]:  # fmt: skip
    found = []
    for desk in range(n_desks):
        for week in range(first, last):
            bins = np.arange(week * WEEK_BINS, (week + 1) * WEEK_BINS - 6 * 12)
            weights = usual[bins] ** ACTIVITY_POWER
            for onset in rng.choice(bins, A_WEEK, replace=False, p=weights / weights.sum()):
                size = int(rng.choice(EXTRA))
                rate = size * _course(rng, usual[onset])
                left = last * WEEK_BINS - onset
                found.append(_surge(rng, desk, int(onset), rate[:left], share, size))
    return found


def _course(rng: np.random.Generator, activity: float) -> np.ndarray:
    """Tickets a bin: a ramp, a plateau and a tail; one in the first hour, by the activity."""
    ramp, plateau = rng.integers(1, 13), rng.integers(12, 49)
    memory = rng.integers(6, 19)
    tail = np.exp(-np.arange(1, 2 * memory) / memory)
    course = np.concatenate([np.arange(1, ramp + 1) / ramp, np.ones(plateau), tail])
    scaled: np.ndarray = course * activity**ACTIVITY_POWER / course[:12].sum()
    return scaled


def _surge(
    rng: np.random.Generator, desk: int, onset: int, rate: np.ndarray, share: np.ndarray, size: int
) -> Surge:
    spread = rng.random() < SPREAD_SHARE
    touched = rng.choice(len(share), 3 if spread else 1, replace=False, p=share)
    added = np.zeros((len(rate), len(share)))
    added[:, touched] = rate[:, None] * (SPREAD if spread else (1.0,))
    return Surge(desk, onset, added, tuple(touched.tolist()), size)
