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


def test_contract_holds_without_patience():
    for check in CHECKS:
        check(lambda n_series: Rare(n_series, step_seconds=STEP_SECONDS))


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


def rhythm(n_steps):
    """A load that is 200 at noon and 100 at midnight, with some noise."""
    noise = np.random.default_rng(3).normal(0, 3, n_steps)
    return 150 - 50 * np.cos(2 * np.pi * np.arange(n_steps) / DAY) + noise


def learnt(values, **options):
    detector = Rare(1, **options)
    scores = []
    for at, value in zip(times(len(values)), values, strict=True):
        scores.append(detector.score(at, np.array([value]))[0])
        detector.learn(at, np.array([value]))
    return detector, np.array(scores)


def test_noon_load_at_midnight_is_strange_though_it_is_seen_every_day():
    values = rhythm(6 * DAY)
    values[5 * DAY : 5 * DAY + 4] = 200
    scores = learnt(values)[1]
    assert scores[5 * DAY + 3] > 2 * np.nanmax(scores[3 * DAY : 5 * DAY])


def test_expected_follows_the_day():
    detector, _ = learnt(rhythm(6 * DAY))
    noon = detector.expect(np.datetime64("2026-01-11T12:00"))
    midnight = detector.expect(np.datetime64("2026-01-11T00:00"))
    assert noon[0][0] == pytest.approx(200, abs=5)
    assert midnight[0][0] == pytest.approx(100, abs=5)
    assert midnight[2][0] < noon[1][0]


def test_single_spike_waits_where_there_is_patience():
    values = rhythm(4 * DAY)
    values[3 * DAY + 50] = 500
    patient, prompt = learnt(values)[1], learnt(values)[1]
    assert prompt[3 * DAY + 50] > 4 > 2 > patient[3 * DAY + 50]


def test_fault_does_not_become_normal():
    values = rhythm(7 * DAY)
    values[5 * DAY + 100 : 5 * DAY + 136] += 100  # three hours
    spoilt, _ = learnt(values)
    clean, _ = learnt(rhythm(7 * DAY))
    at = np.datetime64("2026-01-12T09:30")
    assert spoilt.expect(at)[0][0] == pytest.approx(clean.expect(at)[0][0], abs=15)


def test_constant_series_is_calm_and_its_first_change_is_not():
    values = np.full(400, 7.0)
    values[390:] = 9.0
    scores = learnt(values)[1]
    assert np.nanmax(scores[:390]) == 0
    assert scores[392] > 4


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
