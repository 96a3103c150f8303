import numpy as np
import pytest

from models import DETECTORS
from models.detector_checks import CHECKS, STEP_SECONDS
from models.rare import Rare

DAY = 288


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", DETECTORS)
def test_contract(name, check):
    check(lambda n_series: DETECTORS[name](n_series, step_seconds=STEP_SECONDS))


@pytest.mark.parametrize("name", DETECTORS)
def test_step_out_of_range(name):
    with pytest.raises(ValueError, match="step_seconds must be at least 1, got 0"):
        DETECTORS[name](1, step_seconds=0)


@pytest.mark.parametrize("name", DETECTORS)
def test_series_are_never_dropped(name):
    with pytest.raises(ValueError, match="cannot shrink from 3 series to 2"):
        DETECTORS[name](3).resize(2)


def times(n_steps, start="2026-01-05"):
    return np.datetime64(f"{start}T00:00:00") + np.arange(n_steps) * np.timedelta64(300, "s")


def test_rhythm_moves_with_summer_time():
    n_steps = 14 * DAY  # 2026-03-23 to 2026-04-05; London's clocks went forward on the 29th
    at = times(n_steps, "2026-03-23")
    shift = np.where(at >= np.datetime64("2026-03-29T01:00"), 12, 0)
    load = 150 - 50 * np.cos(2 * np.pi * (np.arange(n_steps) + shift) / DAY)
    load += np.random.default_rng(3).normal(0, 3, n_steps)
    worst = {}
    for zone in ("Europe/London", "UTC"):
        detector, scores = Rare(1, timezone=zone), []
        for moment, value in zip(at, load, strict=True):
            scores.append(detector.score(moment, np.array([value]))[0])
            detector.learn(moment, np.array([value]))
        worst[zone] = max(scores[6 * DAY + 24 : 7 * DAY])
    assert worst["Europe/London"] < worst["UTC"]
