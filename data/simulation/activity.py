"""How busy the simulated desk is at each moment: rhythm, holidays, trend, noise, campaigns."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import holidays
import numpy as np

from data.simulation.desk import CATEGORIES, DAYS, HOLIDAY_FACTOR, HOURS, TIMEZONE, shares

BIN_SECONDS = 300
BINS_PER_HOUR = 12
BINS_PER_WEEK = 7 * 24 * BINS_PER_HOUR
DISPERSION = 20.0  # r of the negative binomial of an hour's count, apart from the day's noise


class Calendar(NamedTuple):
    """The desk's local calendar, one row a bin of five minutes.

    `starts` is UTC (`datetime64[s]`), `hour` lies in [0, 24), `day` counts from Monday = 0,
    `day_number` from the first bin's day = 0.
    """

    starts: np.ndarray
    hour: np.ndarray
    day: np.ndarray
    day_number: np.ndarray
    holiday: np.ndarray


def calendar(end: datetime, weeks: int) -> Calendar:
    """The `weeks` weeks before `end`, which must lie on a full hour.

    >>> year_end = calendar(datetime(2026, 1, 5, tzinfo=UTC), weeks=2)
    >>> int(year_end.holiday.sum()) / BINS_PER_HOUR / 24  # 25 and 26 December, 1 January
    3.0
    """
    zone = ZoneInfo(TIMEZONE)
    first = end.astimezone(UTC) - timedelta(weeks=weeks)
    hours = [(first + timedelta(hours=h)).astimezone(zone) for h in range(weeks * 168)]
    closed = holidays.country_holidays("GB", subdiv="ENG")
    within = np.tile(np.arange(BINS_PER_HOUR) / BINS_PER_HOUR, len(hours))
    start = np.datetime64(first.replace(tzinfo=None), "s")
    return Calendar(
        starts=start + np.arange(within.size) * np.timedelta64(BIN_SECONDS, "s"),
        hour=_per_bin([hour.hour for hour in hours]) + within,
        day=_per_bin([hour.weekday() for hour in hours]),
        day_number=_per_bin([(hour.date() - hours[0].date()).days for hour in hours]),
        holiday=_per_bin([hour.date() in closed for hour in hours]),
    )


def _per_bin(hourly: list[int] | list[bool]) -> np.ndarray:
    return np.repeat(np.array(hourly), BINS_PER_HOUR)


def rhythm(name: str, hour: np.ndarray, day: np.ndarray) -> np.ndarray:
    """How busy a usual week is at local `hour` of `day`; its mean over the week is 1.

    >>> monday_9_sunday_9 = rhythm("office", np.array([9.5, 9.5]), np.array([0, 6]))
    >>> monday_9_sunday_9.round(2)
    array([5.28, 0.2 ])
    """
    shape, weights = np.array(HOURS[name], float), np.array(DAYS[name])
    # A shape's figure stands for the middle of its hour; midnight joins 23:30 with 00:30.
    at = np.arange(-1, 25) + 0.5
    value = np.interp(hour, at, shape[np.arange(-1, 25) % 24]) * weights[day]
    return value / (shape.mean() * weights.mean())


def ar1(
    rng: np.random.Generator, n_steps: int, n_series: int, phi: float, sigma: float
) -> np.ndarray:
    """Noise that remembers, shape (n_steps, n_series), standard deviation `sigma` throughout."""
    shocks = rng.normal(0, sigma, (n_steps, n_series))
    shocks[1:] *= np.sqrt(1 - phi**2)
    for before, now in pairwise(shocks):
        now += phi * before
    return shocks


def expected_shares(when: Calendar) -> np.ndarray:
    """Each category's tickets, before noise, as a part of a mean bin's: (n_bins, n_categories)."""
    rhythms = np.stack([rhythm(c.rhythm, when.hour, when.day) for c in CATEGORIES], axis=1)
    return rhythms * np.array(shares()) * np.where(when.holiday, HOLIDAY_FACTOR, 1.0)[:, None]


def activity(when: Calendar) -> np.ndarray:
    """How busy the whole desk is, shape (n_bins,): 1 is a mean hour from 9 to 17 on weekdays."""
    hour, day = np.tile(np.arange(9, 17, 0.25), 5), np.repeat(np.arange(5), 32)
    parts = zip(CATEGORIES, shares(), strict=True)
    working = sum(share * rhythm(c.rhythm, hour, day).mean() for c, share in parts)
    return expected_shares(when).sum(axis=1) / working


def ticket_rates(rng: np.random.Generator, when: Calendar, tickets_a_week: float) -> np.ndarray:
    """Tickets expected in each bin when nothing is wrong, noise included: (n_bins, n_categories).

    A slow trend, good and bad days (common and a category's own), hours that scatter as gamma
    noise, so that counts are negative binomial, and campaigns: +40 % for three hours, harmless.
    """
    n_bins, n_categories = when.starts.size, len(CATEGORIES)
    n_days = int(when.day_number[-1]) + 1
    trend = np.linspace(0, rng.uniform(-0.12, 0.18), n_bins)[:, None]
    common = ar1(rng, n_days, 1, 0.6, 0.09)[when.day_number]
    own = ar1(rng, n_days, n_categories, 0.5, 0.12)[when.day_number]
    hours = rng.gamma(DISPERSION, 1 / DISPERSION, (n_bins // BINS_PER_HOUR, n_categories))
    noise = np.exp(trend + common + own) * np.repeat(hours, BINS_PER_HOUR, axis=0)
    mean_bin = tickets_a_week / BINS_PER_WEEK
    return mean_bin * expected_shares(when) * noise * _campaigns(rng, when)


def _campaigns(rng: np.random.Generator, when: Calendar) -> np.ndarray:
    """About two a week, in working hours: a reminder mail, a rollout, a fire drill."""
    factors = np.ones((when.starts.size, len(CATEGORIES)))
    working = np.flatnonzero((when.day < 5) & (when.hour >= 8) & (when.hour < 15))
    for _ in range(rng.poisson(2 * when.starts.size / BINS_PER_WEEK)):
        at, category = rng.choice(working), rng.integers(len(CATEGORIES))
        factors[at : at + 3 * BINS_PER_HOUR, category] *= 1.4
    return factors
