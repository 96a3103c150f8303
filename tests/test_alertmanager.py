"""What a real Alertmanager makes of the alerts that it is sent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from data.settings import Settings
from pipelines.deliver import once
from pipelines.workspace import workspace
from tests.endpoint import put_alerts
from tests.receiving import Clock, Hook, alertmanager, alerts_at, firing, until

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def told():
    """What the Alertmanager tells in its turn."""
    hook = Hook()
    hook.start()
    yield hook
    hook.stop()


@pytest.fixture(scope="module")
def address(tmp_path_factory, told):
    with alertmanager(tmp_path_factory.mktemp("alertmanager"), told) as address:
        yield address


@pytest.fixture
def hook():
    hook = Hook()
    hook.start()
    yield hook
    hook.stop()


@pytest.fixture
def place(tmp_path, address):
    page = "https://forewarn.example.com/"
    with workspace(
        Settings(home=tmp_path, alertmanager_url=(address,), external_url=page)
    ) as place:
        yield place


def begun(number, series):
    """An alert that began ten minutes ago by the clock on the wall, which Alertmanager has."""
    began = datetime.now(UTC) - 10 * MINUTE
    return firing(number, key=series, opened_at=began, peak_at=began + MINUTE)


def test_an_alert_is_seen_with_its_labels_stays_and_ends(place, address, told):
    alert, clock = begun(1, 'errors{job="api",severity="x"}'), Clock(datetime.now(UTC))
    put_alerts(place.store, alert)
    once(place, now=clock)
    (seen,) = alerts_at(address)
    assert seen["labels"] == {
        "alertname": "ForewarnMetricAnomaly",
        "desk": "default",
        "kind": "metric",
        "series": alert.key,
        "severity": "major",
        "job": "api",
        "exported_severity": "x",
    }
    assert seen["annotations"]["summary"] == alert.why
    page = f"https://forewarn.example.com/ops/alerts/{alert.id}"
    assert seen["generatorURL"] == seen["annotations"]["dashboard"] == page
    assert datetime.fromisoformat(seen["startsAt"]) == alert.opened_at.replace(
        microsecond=alert.opened_at.microsecond // 1000 * 1000
    )

    clock.at += 59 * MINUTE / 60
    assert once(place, now=clock) == [], "it was told less than a minute ago"
    clock.at += MINUTE / 60
    once(place, now=clock)
    (again,) = alerts_at(address)
    assert again["fingerprint"] == seen["fingerprint"]
    assert again["endsAt"] > seen["endsAt"], "it lasts from the last time it was told"

    put_alerts(place.store, replace(alert, closed_at=alert.opened_at + 5 * MINUTE))
    once(place, now=clock)
    assert alerts_at(address) == []
    until(lambda: "resolved" in [one.told["status"] for one in told.received])
    assert once(place, now=Clock(clock.at + 10 * MINUTE)) == []


def test_a_person_who_resolves_ends_it(place, address):
    alert = begun(2, "queue")
    put_alerts(place.store, alert)
    once(place)
    place.store.judge_alert(alert.id, "acknowledged", "ann", datetime.now(UTC))
    once(place)
    assert [one["labels"]["series"] for one in alerts_at(address)] == ["queue"]
    place.store.judge_alert(alert.id, "false_alarm", "ann", datetime.now(UTC))
    once(place)
    assert alerts_at(address) == []


def test_a_graver_alert_takes_the_place_of_the_milder_one(place, address):
    alert = begun(3, "latency")
    put_alerts(place.store, alert)
    once(place)
    put_alerts(place.store, replace(alert, score=99.0))
    once(place)
    assert [one["labels"]["severity"] for one in alerts_at(address)] == ["critical"]
    put_alerts(place.store, replace(alert, score=99.0, closed_at=datetime.now(UTC)))
    once(place)
    assert alerts_at(address) == []


def test_an_alert_that_grew_graver_just_before_it_ended_ends_as_it_was_known(place, address):
    alert = begun(9, "memory")
    put_alerts(place.store, alert)
    once(place)
    put_alerts(place.store, replace(alert, score=99.0, closed_at=datetime.now(UTC)))
    once(place)
    assert alerts_at(address) == []


def test_the_next_episode_of_a_series_fires_though_the_last_was_not_told_to_end(place, address):
    first = begun(4, "disk")
    put_alerts(place.store, first)
    once(place)
    second = replace(first, id="second", opened_at=first.opened_at + 5 * MINUTE)
    put_alerts(place.store, replace(first, closed_at=first.opened_at + MINUTE), second)
    once(place)
    place.store.judge_alert(first.id, "false_alarm", "ann", datetime.now(UTC))
    once(place)
    (seen,) = alerts_at(address)
    assert seen["status"]["state"] == "active"
    put_alerts(place.store, replace(second, closed_at=datetime.now(UTC)))
    once(place)


def test_one_alert_that_is_refused_leaves_the_others_alone(place, address):
    put_alerts(place.store, begun(5, "good"), begun(6, "worse"))
    bad = replace(begun(7, "bad"), opened_at=datetime.now(UTC) + 60 * MINUTE)
    put_alerts(place.store, bad)  # which ends before it begins
    (sent,) = once(place)
    assert (sent.n_told, sent.n_refused) == (2, 1)
    assert sorted(one["labels"]["series"] for one in alerts_at(address)) == ["good", "worse"]
    assert "start time must be before end time" in sent.error
    assert once(place) == []


def test_our_webhook_says_what_alertmanagers_own_says(place, told, hook, tmp_path):
    alert = begun(8, "cpu")
    put_alerts(place.store, alert)
    once(place)
    until(lambda: told.received and told.received[-1].told["groupLabels"] == {"series": "cpu"})
    theirs = told.received[-1].told
    with workspace(Settings(home=tmp_path, webhook_url=hook.url)) as ours:
        once(ours)
    (request,) = hook.received
    mine = request.told
    assert set(mine) == set(theirs) | {"id"}
    assert (mine["version"], mine["status"]) == (theirs["version"], theirs["status"])
    assert set(mine["alerts"][0]) == set(theirs["alerts"][0])
    assert mine["alerts"][0]["labels"] == theirs["alerts"][0]["labels"]
