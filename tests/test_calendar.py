"""Summer time, holidays and own days off: they wake nobody, and the rhythm stays what it was."""

from datetime import date

import numpy as np
import pytest

from data.settings import Settings
from features.rhythm import calendar, local_seconds
from models.rare import Rare
from models.replay import Replayed, replay
from models.surge import Surge
from models.watch import Watch
from pipelines.days_off import days_off
from pipelines.live import made_with

STEP = 3600
THRESHOLD = 2.5


def steps(first: str, n_days: int) -> np.ndarray:
    return np.datetime64(first, "s") + np.arange(n_days * 24) * np.timedelta64(STEP, "s")


def office(times: np.ndarray, zone: str, *off: str, seed: int = 0) -> np.ndarray:
    """A load of 100 from nine to five by the clock on the wall, on working days; 10 otherwise."""
    local = local_seconds(times, calendar(zone)).astype("datetime64[s]")
    day, hour = local.astype("datetime64[D]"), (local - local.astype("datetime64[D]")).astype(int)
    works = np.is_busday(day, holidays=list(off)) & (hour >= 9 * 3600) & (hour < 17 * 3600)
    return np.where(works, 100.0, 10.0) + np.random.default_rng(seed).normal(0, 1, len(times))


def watched(detector: Rare | Surge, times: np.ndarray, values: np.ndarray) -> Replayed:
    watch = Watch(detector, THRESHOLD, n_series=1, step_seconds=STEP)
    return replay(watch, times, values[:, None])


def strangest(seen: Replayed, times: np.ndarray, first: str, last: str) -> float:
    """The highest score of the UTC days from `first` to `last`."""
    days = times.astype("datetime64[D]")
    return float(
        np.nanmax(seen.scores[(days >= np.datetime64(first)) & (days <= np.datetime64(last))])
    )


@pytest.mark.parametrize(
    ("zone", "start", "change"),
    [
        ("Europe/Berlin", "2026-02-23", "2026-03-30"),
        ("Europe/Berlin", "2026-09-21", "2026-10-26"),
        ("America/New_York", "2026-02-02", "2026-03-09"),
        ("America/New_York", "2026-09-28", "2026-11-02"),
    ],
    ids=["berlin-spring", "berlin-autumn", "new-york-spring", "new-york-autumn"],
)
def test_the_rhythm_moves_with_the_clock_on_the_wall(zone, start, change):
    """`change` is the Monday after the clocks were changed."""
    times = steps(start, 49)
    load = office(times, zone)
    seen = watched(Rare(1, STEP, zone), times, load)
    after = str(np.datetime64(change) + 13)
    assert strangest(seen, times, change, after) < THRESHOLD
    off = np.abs(seen.expected[:, 0] - load)[times >= np.datetime64(change)]
    assert np.nanmax(off) < 25  # by an hour it would be 90
    by_utc = watched(Rare(1, STEP, "UTC"), times, load)
    assert strangest(by_utc, times, change, after) > THRESHOLD


CHRISTMAS = ("2026-12-25", "2026-12-26")


def test_christmas_on_a_friday_wakes_nobody_and_the_next_friday_is_as_expected():
    times = steps("2026-11-02", 56)
    load = office(times, "Europe/Berlin", *CHRISTMAS)
    holidays = days_off(Settings(holidays=("DE-BY",)))
    found = {}
    for name, days in (("with", holidays), ("without", "")):
        detector = Rare(1, STEP, "Europe/Berlin", days_off=days)
        found[name] = watched(detector, times, load)
    assert strangest(found["with"], times, "2026-12-25", "2026-12-25") < THRESHOLD
    assert strangest(found["without"], times, "2026-12-25", "2026-12-25") > THRESHOLD
    assert not [c for c in found["with"].changes if c.opened_at >= np.datetime64("2026-12-24")]
    friday = times.astype("datetime64[D]") == np.datetime64("2026-12-18")
    usual = found["with"].expected[friday, 0]
    ahead = {
        name: watched_ahead(detector_days, times, load)
        for name, detector_days in (("with", holidays), ("without", ""))
    }
    busy = usual > 50
    assert np.abs(ahead["with"][busy] - usual[busy]).max() < 10
    assert np.abs(ahead["with"] - usual)[busy].max() < np.abs(ahead["without"] - usual)[busy].max()


def watched_ahead(days: str, times: np.ndarray, load: np.ndarray) -> np.ndarray:
    """What was expected of the Friday after New Year, 2027-01-08, in the week after Christmas."""
    known = times < np.datetime64("2026-12-28")
    detector = Rare(1, STEP, "Europe/Berlin", days_off=days)
    watched(detector, times[known], load[known])
    ahead = steps("2027-01-08", 1)
    return np.array([detector.expect(at)[0][0] for at in ahead])


def test_a_surge_on_a_holiday_is_held_against_sundays():
    times = steps("2026-11-02", 54)
    rng = np.random.default_rng(4)
    tickets = rng.poisson(office(times, "Europe/Berlin", *CHRISTMAS, seed=1) / 10).astype(float)
    christmas = times.astype("datetime64[D]") == np.datetime64("2026-12-25")
    expected = {}
    for name, days in (("with", ",".join(CHRISTMAS)), ("without", "")):
        seen = watched(Surge(1, STEP, "Europe/Berlin", days_off=days), times, tickets)
        expected[name] = float(seen.expected[christmas, 0].sum())
    happened = float(tickets[christmas].sum())
    assert abs(expected["with"] - happened) < abs(expected["without"] - happened) / 5


# What an operator writes down


def test_countries_parts_and_a_file_of_own_days_come_together(tmp_path):
    own = tmp_path / "off.csv"
    own.write_text("date,name\n2026-08-14,Works outing\n2026-12-25,Christmas\n")
    days = days_off(Settings(holidays=("DE-BY", "US"), days_off=str(own))).split(",")
    wanted = ("2026-01-06", "2026-07-04", "2026-08-14", "2026-12-25", "2026-12-26")
    assert set(wanted) <= set(days)
    assert days == sorted(set(days))
    assert date.fromisoformat(days[0]).year == 2000
    assert made_with("metrics", Settings())["timezone"] == "UTC"
    assert "days_off" not in made_with("metrics", Settings())


@pytest.mark.parametrize("given", ["XX", "DE-XX", "US,DE-BYE", "DE_BY"])
def test_a_country_that_is_not_known_is_refused_at_the_start(given):
    with pytest.raises(ValueError, match=r"FOREWARN_HOLIDAYS is .*: no holidays are known for"):
        Settings.from_env({"FOREWARN_HOLIDAYS": given})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("day\n2026-12-24\n", "wanted a column date, got day"),
        ("date\n2026-12-24\n24.12.\n", "line 3: wanted a date like 2026-12-24, got '24.12.'"),
        ("", "wanted a column date, got nothing"),
    ],
    ids=["no column", "no date", "empty"],
)
def test_a_file_of_own_days_that_cannot_be_read_says_where(tmp_path, text, wanted):
    file = tmp_path / "off.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=wanted):
        days_off(Settings(days_off=str(file)))
    with pytest.raises(ValueError, match="FOREWARN_DAYS_OFF names no file"):
        days_off(Settings(days_off=str(tmp_path / "none.csv")))
