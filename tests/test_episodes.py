"""One alert for what belongs together, silence told once, and every alert explained."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from fastapi.testclient import TestClient

import serve
from data.points import Points
from data.settings import Settings
from models.evidence import digest, judge, unpacked
from pipelines import status
from pipelines.detect import begin, save
from pipelines.feeds import KINDS
from pipelines.watching import look
from tests.desk import DESK, STEP, between, placed, wave, with_fault

START = datetime(2026, 1, 5, tzinfo=UTC)
LIVE = START + timedelta(days=14)
DAY = timedelta(days=1)
CHECKOUT = [f'errors{{service="checkout",instance="{i}"}}' for i in range(3)]
OTHERS = ['errors{service="search"}', "disk"]


def together(*parts: Points) -> Points:
    return Points(*(np.concatenate(columns) for columns in zip(*map(vars_of, parts), strict=True)))


def vars_of(points: Points):
    return points.series, points.at, points.values


def a_desk(days: float = 16) -> dict[str, Points]:
    keys = [*CHECKOUT, *OTHERS]
    return {key: wave(START, days, series=key, seed=seed) for seed, key in enumerate(keys)}


def stored(place, series: dict[str, Points]) -> None:
    place.history.append(DESK, together(*series.values()))
    for kind in KINDS:
        save(place, begin(place, kind, LIVE), [])


def alerts(place, kind):
    return sorted(place.store.alerts(desks=[DESK], kind=kind), key=lambda one: one.opened_at)


@pytest.fixture(scope="module")
def fault(tmp_path_factory):
    """A home where two of three checkouts went wrong together, the third a little later."""
    home, series = tmp_path_factory.mktemp("fault"), a_desk()
    for key, late in zip(CHECKOUT, (0, 0, 1), strict=True):
        begins = LIVE + timedelta(hours=9 + late)
        series[key] = with_fault(series[key], begins, 4 - late, 80.0 if key == CHECKOUT[1] else 60)
    with placed(home) as place:
        stored(place, series)
        look(place, LIVE + timedelta(hours=12), quiet=True)
        (going_on,) = alerts(place, "metric")
        look(place, LIVE + 2 * DAY, quiet=True)
    return home, going_on


def test_series_of_one_service_make_one_alert_that_closes_with_the_last(fault):
    home, going_on = fault
    with placed(home) as place:
        (alert,) = alerts(place, "metric")
    assert going_on.closed_at is None
    assert alert.group_key == 'service="checkout"'
    assert set(alert.members) == set(CHECKOUT)
    assert alert.members[0] == alert.key
    assert alert.key in CHECKOUT[:2]
    assert "and 2 more series of service" in alert.summary
    assert timedelta(hours=12) <= alert.closed_at - LIVE <= timedelta(hours=17)
    assert "step outside" in alert.why


def test_an_alert_is_explained_to_the_digit_by_another_process(fault):
    home, _ = fault
    with placed(home) as place:
        (alert,) = alerts(place, "metric")
        evidence = unpacked(place.store.evidence(alert.id))
    again = judge(evidence)
    assert digest(evidence, again) == evidence.sha256
    assert again.score >= evidence.threshold == pytest.approx(alert.threshold)
    assert again.lower < again.expected < again.upper < evidence.value
    assert evidence.at.astype("M8[us]").item().replace(tzinfo=UTC) == alert.opened_at


def test_evidence_that_was_changed_does_not_give_the_same_hash(fault):
    home, _ = fault
    with placed(home) as place:
        evidence = unpacked(place.store.evidence(alerts(place, "metric")[0].id))
    evidence.state["far"][:] *= 1.001
    assert digest(evidence, judge(evidence)) != evidence.sha256


def test_a_series_that_stops_is_told_once_and_closes_when_it_comes_again(tmp_path):
    series, stops, again = a_desk(), LIVE + timedelta(hours=6), LIVE + timedelta(hours=12)
    whole = series["disk"]
    series["disk"] = together(between(whole, START, stops), between(whole, again, LIVE + DAY))
    with placed(tmp_path) as place:
        stored(place, series)
        look(place, LIVE + timedelta(hours=8), quiet=True)
        (alert,) = alerts(place, "silent")
        assert (alert.key, alert.closed_at, alert.members) == ("disk", None, ("disk",))
        assert timedelta() < alert.opened_at - stops <= 4 * STEP
        assert "disk sends no points; the last one came at 05:45" in alert.why
        assert place.store.count_states(DESK) == {"watching": 4, "silent": 1}
        look(place, LIVE + DAY, quiet=True)
        (alert,) = alerts(place, "silent")
        assert alert.closed_at == again - STEP  # when it was last missed
        assert place.store.count_states(DESK) == {"watching": 5}


def test_a_series_that_ended_is_missed_for_a_day_and_then_let_go(tmp_path):
    series = a_desk(18)
    series["disk"] = between(series["disk"], START, LIVE + DAY)
    with placed(tmp_path) as place:
        stored(place, series)
        look(place, LIVE + 3 * DAY, quiet=True)
        (alert,) = alerts(place, "silent")
        assert timedelta(hours=23) <= alert.closed_at - alert.opened_at < DAY
        (state,) = place.store.series_states(DESK, state="ended")
        assert state.key == "disk"


def test_when_all_fall_silent_at_once_it_is_one_alert(tmp_path):
    stops = LIVE + timedelta(hours=6)
    series = {key: between(points, START, stops) for key, points in a_desk().items()}
    with placed(tmp_path) as place:
        stored(place, series)
        look(place, LIVE + DAY / 2, quiet=True)
        (alert,) = alerts(place, "silent")
    assert set(alert.members) == set(series)
    assert alert.group_key == "the whole desk"


def test_a_job_that_reports_now_and_then_is_not_missed_between(tmp_path):
    series, hours = a_desk(), 6
    every = np.timedelta64(hours, "h") // np.timedelta64(15, "m")
    whole = wave(START, 16, series="backup_seconds")
    series["backup"] = Points(*(column[::every] for column in vars_of(whole)))
    with placed(tmp_path) as place:
        stored(place, series)
        look(place, LIVE + DAY, quiet=True)
        assert not alerts(place, "silent")


def test_a_series_says_how_long_it_will_learn(tmp_path):
    series = a_desk(17)
    series["new"] = wave(LIVE, 3, series="new", seed=9)
    with placed(tmp_path) as place:
        stored(place, series)
        look(place, LIVE + timedelta(hours=2), quiet=True)
        (new,) = place.store.series_states(DESK, state="learning")
        assert (new.key, new.until) == ("new", LIVE + 24 * STEP + 2 * DAY)
        look(place, new.until, quiet=True)
        assert place.store.count_states(DESK) == {"watching": 6}


def test_the_command_explains_an_alert_by_the_beginning_of_its_id(fault, capsys):
    home, _ = fault
    with placed(home) as place:
        (alert,) = alerts(place, "metric")
    told = run(home, "explain", alert.id[:6])
    assert "the same to nine digits" in told.stdout
    assert "and 2 more series" in " ".join(told.stdout.split())
    assert told.returncode == 0
    wrong = run(home, "explain", "nothing")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no alert has this id" in " ".join(wrong.stderr.split())


def run(home, *words):
    told = {"FOREWARN_HOME": str(home), "FOREWARN_DESK": DESK}
    command = [sys.executable, "-m", "pipelines", *words]
    return subprocess.run(command, env=os.environ | told, capture_output=True, text=True)


def test_the_page_and_the_endpoint_say_how_an_alert_came_about_and_how_series_stand(fault):
    home, _ = fault
    settings = Settings(home=home, desk=DESK, open_loopback=True)
    with TestClient(
        serve.create_app(settings), "http://127.0.0.1:8000", client=("127.0.0.1", 5000)
    ) as client:
        (listed,) = client.get("/v1/alerts", params={"kind": "metric"}).json()["alerts"]
        assert set(listed["members"]) == set(CHECKOUT)
        told = client.get(f"/v1/alerts/{listed['id']}/explain").json()
        assert told["same"]
        assert told["sha256"] == told["sha256_again"]
        assert told["lower"] < told["expected"] < told["upper"] < told["observed"]
        page = client.get(f"/ops/alerts/{listed['id']}").text
        assert "the same to nine digits" in page
        assert "3 series of service=&#34;checkout&#34;" in page
        stand = client.get("/v1/series", params={"contains": "checkout"}).json()
        assert stand["counts"] == {"watching": 5}
        assert [one["key"] for one in stand["series"]] == CHECKOUT
        assert client.get("/v1/series", params={"state": "asleep"}).status_code == 422
        assert "disk" in client.get("/ops/series", params={"state": "watching"}).text
        nothing = client.get("/ops/series", params={"contains": "%"}).text
        assert "No series is like that" in nothing


def lives_on(place, series, hours, slow):
    """Every step its points come, those of the disk from a sender whose clock is behind."""
    for step in range(int(timedelta(hours=hours) / STEP)):
        now = LIVE + (step + 1) * STEP
        watermark = dict(place.store.detections(DESK))["metrics"]
        for key, points in series.items():
            late = slow if key == "disk" else timedelta()
            came = between(points, now - STEP - late, now - late)
            place.history.append(DESK, came, watermark=watermark)
        look(place, now, quiet=True)
    return now


@pytest.mark.parametrize(("waits", "n_alerts"), [(0, 1), (3600, 0)])
def test_a_sender_whose_clock_is_behind_is_named_or_waited_for(tmp_path, waits, n_alerts):
    with placed(tmp_path, lateness_seconds=waits) as place:
        series = a_desk()
        stored(place, {key: between(points, START, LIVE) for key, points in series.items()})
        now = lives_on(place, series, 4, 3 * STEP)
        told = alerts(place, "silent")
        assert len(told) == n_alerts
        for alert in told:
            assert "disk sends points that come too late to be judged, since 23:45" in alert.why
        belated = [line for line in status.look(place, now).problems if "too late" in line]
        assert len(belated) == n_alerts
        assert all("1 series of the last day" in line for line in belated)
