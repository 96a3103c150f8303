"""A new topic among a desk's tickets is told of, named, listed, and forgotten with its tickets."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from fastapi.testclient import TestClient

import serve
from data.records import Ticket
from data.settings import Settings
from models.topics import Topics
from pipelines.incidents import join_alerts
from pipelines.topics import look_for_topics
from pipelines.workspace import workspace
from tests.endpoint import NOW, an_alert, put_alerts
from tests.test_incidents import know_series, told

STEP, HOUR = timedelta(minutes=5), timedelta(hours=1)
WHAT = ["printer", "vpn", "screen", "mouse", "password", "outlook", "invoice", "phone"]
HOW = ["is broken", "does not start", "asks for a code", "is slow again", "was lost", "blinks"]
REFUND = [
    "refund to my card declined", "card refund was declined", "declined a refund to card",
    "refund declined on card", "card refund declined twice", "refund card declined",
]  # fmt: skip


def a_ticket(number, at, title, **changed):
    given = {"title": title, "requester": f"r{number % 90}", "labels": {"category": "other"}}
    return Ticket("default", "desk", f"T{number}", at, **given | changed)


def usual(n=1500, days=20):
    """Tickets on anything, at any time of three weeks."""
    rng = np.random.default_rng(1)
    minutes = np.sort(rng.integers(0, days * 1440, n)).tolist()
    return [
        a_ticket(i, NOW - days * timedelta(days=1) + timedelta(minutes=at),
                 f"{rng.choice(WHAT)} {rng.choice(HOW)} in room {rng.integers(400)}")
        for i, at in enumerate(minutes)
    ]  # fmt: skip


def new_topic(at=NOW + HOUR, n=6):
    return [a_ticket(5000 + i, at + i * 2 * STEP, REFUND[i]) for i in range(n)]


@pytest.fixture
def place(tmp_path):
    with workspace(Settings(home=tmp_path)) as place:
        place.store.put_tickets(usual())
        look_for_topics(place, NOW)  # it begins here
        yield place


def topics(place):
    return place.store.alerts(kind="topic")


def test_a_new_topic_is_told_while_it_grows_and_named_by_its_words(place):
    place.store.put_tickets(new_topic())
    look_for_topics(place, NOW + 3 * HOUR)
    (alert,) = topics(place)
    assert timedelta(0) <= alert.opened_at - (NOW + HOUR) <= HOUR
    assert alert.closed_at is not None
    assert {"refund", "declined"} <= set(alert.key.split())
    assert alert.n_tickets == 6
    assert f"tickets on {alert.key} within" in alert.why
    assert len(place.store.alert_tickets([alert.id])) == 6
    assert place.store.trace(alert.id).observed == (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)


def test_usual_tickets_in_a_busy_hour_are_no_topic(place):
    busy = [replace(one, external_id=f"B{i}", opened_at=NOW + HOUR + i * STEP / 5)
            for i, one in enumerate(usual()[:60])]  # fmt: skip
    place.store.put_tickets(busy)
    look_for_topics(place, NOW + 4 * HOUR)
    assert topics(place) == []


def test_many_small_looks_find_what_one_large_one_finds(place, tmp_path_factory):
    place.store.put_tickets(new_topic())
    look_for_topics(place, NOW + 4 * HOUR)
    home = tmp_path_factory.mktemp("other")
    with workspace(Settings(home=home)) as other:
        other.store.put_tickets(usual())
        watch, _ = look_for_topics(other, NOW)
        coming = new_topic()
        for i in range(1, 49):
            now = NOW + i * STEP
            other.store.put_tickets([one for one in coming if one.opened_at < now])
            watch = None if i % 7 == 0 else watch  # another process, which has to read anew
            watch, _ = look_for_topics(other, now, watch)
        assert topics(other) == topics(place)
        (alert,) = topics(other)
        ids = [alert.id]
        assert other.store.alert_tickets(ids) == place.store.alert_tickets(ids)


def test_a_ticket_that_comes_twice_or_late_counts_once(place):
    first, *others = new_topic()
    place.store.put_tickets(others)
    watch, _ = look_for_topics(place, NOW + 2 * HOUR + STEP)
    place.store.put_tickets([first, *others])
    look_for_topics(place, NOW + 3 * HOUR, watch)
    (alert,) = topics(place)
    assert alert.n_tickets <= 6


def test_a_topic_is_told_on_either_database(url, tmp_path):
    with workspace(Settings(home=tmp_path, database_url=url)) as place:
        place.store.put_tickets(usual())
        look_for_topics(place, NOW)
        place.store.put_tickets(new_topic())
        look_for_topics(place, NOW + 3 * HOUR)
        (alert,) = topics(place)
        assert len(place.store.alert_tickets([alert.id])) == 6


def test_an_erased_ticket_is_in_no_topic(place):
    place.store.put_tickets(new_topic())
    look_for_topics(place, NOW + 3 * HOUR)
    (alert,) = topics(place)
    place.store.erase_requester("default", new_topic()[0].requester)
    assert ("desk", "T5000") not in place.store.alert_tickets([alert.id])


def test_what_one_person_writes_again_and_again_gives_a_topic_no_words(place):
    place.store.put_tickets([replace(one, requester="ada") for one in new_topic()])
    look_for_topics(place, NOW + 3 * HOUR)
    (alert,) = topics(place)
    assert alert.key.startswith("like T50")


def test_a_topic_that_was_true_does_not_raise_the_threshold(place):
    def threshold_after(status):
        place.store.judge_alert(alert.id, status, "ada", NOW + 4 * HOUR)
        watch, _ = look_for_topics(place, NOW + 5 * HOUR)
        watch, _ = look_for_topics(place, NOW + timedelta(days=2), watch)
        return watch.budget.threshold.realised_per_week

    place.store.put_tickets(new_topic())
    look_for_topics(place, NOW + 3 * HOUR)
    (alert,) = topics(place)
    assert threshold_after("resolved") == 0.0


def test_a_topic_joins_the_incident_of_the_same_hour(place):
    place.store.put_tickets(new_topic())
    look_for_topics(place, NOW + 3 * HOUR)
    join_alerts(place, NOW + 3 * HOUR)
    ((one, _),) = told(place)
    assert one.title == topics(place)[0].key
    assert one.why.startswith("6 tickets on")


def test_a_topic_belongs_to_the_surge_of_its_own_kind_however_late(place):
    know_series(place)
    surge = an_alert(9, kind="surge", key="other", group_key="other", opened_at=NOW, n_tickets=12,
                     closed_at=NOW + 6 * HOUR, detector="surge")  # fmt: skip
    put_alerts(place.store, surge)
    place.store.put_tickets(new_topic(NOW + 2 * HOUR))
    look_for_topics(place, NOW + 4 * HOUR)
    join_alerts(place, NOW + 4 * HOUR)
    ((one, ids),) = told(place)
    assert ids == [surge.id, topics(place)[0].id]
    assert one.title == "other and 1 more"


def test_a_desk_that_wants_no_topics_gets_none(place):
    off = replace(place, settings=replace(place.settings, topic_budget=0.0))
    assert look_for_topics(off, NOW + HOUR) == (None, [])


def test_the_pages_list_a_topics_tickets(place):
    place.store.put_tickets(new_topic())
    look_for_topics(place, NOW + 3 * HOUR)
    join_alerts(place, NOW + 3 * HOUR)
    (alert,) = topics(place)
    settings = replace(place.settings, open_loopback=True)
    app = serve.create_app(settings, now=lambda: NOW + 3 * HOUR, poll_seconds=60)
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 5000)) as browser:
        page = browser.get(f"/ops/alerts/{alert.id}").text
        ((incident, _),) = told(place)
        for text in (page, browser.get(f"/ops/incidents/{incident.id}").text):
            assert "T5003" in text
            assert "refund declined on card" in text
        assert "New topic" in browser.get("/ops/alerts?kind=topic&status=all").text
        assert browser.get(f"/v1/alerts/{alert.id}").json()["kind"] == "topic"


def test_many_tickets_are_compared_by_their_signs_and_give_the_same(monkeypatch):
    rng = np.random.default_rng(4)
    vectors, at = rng.normal(size=(3000, 256)), np.arange(3000) * 700
    near = rng.normal(size=256) + 0.6 * rng.normal(size=(8, 256))

    def judged():
        topics = Topics(256)
        topics.add([f"T{i}" for i in range(3000)], at, vectors)
        return [topics.judge(f"N{i}", int(at[-1]) + 60 * i, one) for i, one in enumerate(near)]

    exactly = judged()
    monkeypatch.setattr("models.topics.EXACT", 100)
    assert judged() == exactly
    assert exactly[-1].score > 20
    assert exactly[-1].ids == tuple(f"N{i}" for i in range(8))
