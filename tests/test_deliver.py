"""Alerts on their way out, to a real Alertmanager and to a real webhook's server."""

import hashlib
import hmac
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import serve
from data.receivers import receivers_of
from data.settings import Settings
from pipelines import status
from pipelines.deliver import LEASE_SECONDS, keep_on, once, say, try_again, try_out
from pipelines.watching import look
from pipelines.workspace import workspace
from tests import desk
from tests.endpoint import NOW, put_alerts
from tests.receiving import Clock, Hook, firing, over, until

ROOT = Path(__file__).parent.parent
MINUTE = timedelta(minutes=1)


@pytest.fixture
def hook():
    hook = Hook()
    hook.start()
    yield hook
    hook.stop()


@pytest.fixture
def placed(tmp_path, hook):
    """A workspace whose webhook is known, and nothing to tell yet."""
    settings = Settings(home=tmp_path, webhook_url=hook.url, webhook_secret="sesame")
    with workspace(settings) as place:
        once(place, now=Clock(NOW - timedelta(days=1)))
        yield place


@pytest.fixture
def clock():
    return Clock(NOW)


@pytest.fixture
def go(placed, clock):
    """One round, with no luck: each rest is its shortest."""
    return lambda: once(placed, now=clock, luck=lambda: 0.0)


class TestWebhook:
    def test_it_is_told_once_that_an_alert_fires_and_once_that_it_is_over(
        self, placed, hook, go, clock
    ):
        put_alerts(placed.store, firing())
        go()
        clock.at += 30 * MINUTE
        put_alerts(placed.store, firing(score=9.5, why="still so"))
        go()
        assert hook.statuses == ["firing"]
        put_alerts(placed.store, over(1))
        go()
        placed.store.judge_alert(over(1).id, "resolved", "ann", clock.at)
        go()
        assert hook.statuses == ["firing", "resolved"]
        assert [request.told["id"] for request in hook.received] == hook.keys
        assert hook.received[0].told["groupKey"] == hook.received[1].told["groupKey"]

    def test_it_hears_once_more_when_an_alert_grows_graver(self, placed, hook, go):
        put_alerts(placed.store, firing())
        go()
        put_alerts(placed.store, firing(score=99.0))
        go()
        grave = [request.told["commonLabels"]["severity"] for request in hook.received]
        assert grave == ["major", "critical"]

    def test_the_signature_is_that_of_the_bytes_that_came(self, placed, hook, go):
        put_alerts(placed.store, firing(key="Größe"))
        go()
        (request,) = hook.received
        wanted = hmac.new(b"sesame", request.body, hashlib.sha256).hexdigest()
        assert request.headers["x-hub-signature-256"] == f"sha256={wanted}"

    def test_a_server_that_fails_dies_and_comes_back_hears_all_and_nothing_twice(
        self, placed, hook, go, clock
    ):
        heard = set()
        put_alerts(placed.store, firing(3))
        hook.answer = lambda _: (500, {})
        go()
        clock.at += MINUTE
        put_alerts(placed.store, firing(3, score=9.5, why="still so"))
        go()
        assert len(hook.received) == 2
        assert len(set(hook.keys)) == 1, "a try and another one are one message"
        assert len({request.body for request in hook.received}) == 1
        hook.stop()
        for _ in range(9):  # three hours
            clock.at += 20 * MINUTE
            go()
        put_alerts(placed.store, over(3), firing(2), firing(1))
        go()
        hook.received.clear()
        hook.answer = lambda request: heard.add(request.key) or (200, {})
        hook.start()
        clock.at += MINUTE
        for _ in range(3):
            go()
        told = [(one.told["alerts"][0]["fingerprint"], one.told["status"]) for one in hook.received]
        assert told == [
            (over(3).id, "resolved"),
            (firing(2).id, "firing"),
            (firing(1).id, "firing"),
        ]
        assert placed.store.backlog("default", receivers_of(placed.settings)[0].name)[::2] == (0, 0)

    def test_while_it_is_away_it_is_asked_once_a_rest_however_much_waits(
        self, placed, hook, go, clock
    ):
        hook.answer = lambda _: (503, {})
        put_alerts(placed.store, *(firing(number) for number in range(1, 6)))
        for _ in range(60):
            go()
            clock.at += timedelta(seconds=1)
        assert len(hook.received) <= 6, "rests of 1, 2, 4, 8, 16 and 30 seconds"

    def test_it_hears_nothing_of_what_came_and_went_while_it_was_away(self, placed, hook, go):
        put_alerts(placed.store, firing())
        go()
        placed.store.judge_alert(firing().id, "resolved", "ann", NOW)
        placed.store.judge_alert(firing().id, "open", "ann", NOW)
        go()
        assert hook.statuses == ["firing"]
        assert say(placed), "nothing is left to wait"

    def test_it_is_left_alone_for_as_long_as_it_asks(self, placed, hook, go, clock):
        put_alerts(placed.store, firing())
        hook.answer = lambda _: (429, {"Retry-After": "600"})
        go()
        clock.at += 9 * MINUTE
        go()
        assert len(hook.received) == 1
        clock.at += MINUTE
        go()
        assert len(hook.received) == 2

    def test_a_message_that_it_cannot_take_holds_up_no_other(self, placed, hook, go, clock):
        put_alerts(placed.store, firing(2, key="poison"), firing(1, key="good"))
        hook.answer = lambda request: (500 if b"poison" in request.body else 200, {})
        go()
        assert b"good" in hook.received[-1].body
        go()
        assert len(hook.received) == 2

    def test_what_it_refuses_is_kept_and_sent_again_only_when_asked(self, placed, hook, go, capsys):
        hook.answer = lambda _: (403, {})
        put_alerts(placed.store, firing())
        (sent,) = go()
        assert sent.n_refused == 1
        assert go() == []
        assert not say(placed)
        status.show(status.look(placed, NOW))
        said = capsys.readouterr().out
        assert "1 refused" in said
        assert "refused 1 alerts (403 said): mend that, then `forewarn deliver --again`" in said
        assert "T0KEN" not in said
        hook.answer = lambda _: (200, {})
        assert try_again(placed) == 1
        go()
        assert len(hook.received) == 2
        assert say(placed)

    def test_a_redirect_is_not_followed(self, placed, hook, go):
        hook.answer = lambda request: (307, {"Location": f"http://127.0.0.1:{hook.port}/else"})
        put_alerts(placed.store, firing())
        (sent,) = go()
        assert [request.path for request in hook.received] == ["/hook/T0KEN"]
        assert "which is not followed" in sent.error

    def test_nobody_hears_of_what_was_over_before_they_were_named(self, tmp_path, hook):
        with workspace(Settings(home=tmp_path)) as before:
            put_alerts(before.store, over(2), firing(1))
        with workspace(Settings(home=tmp_path, webhook_url=hook.url)) as place:
            once(place, now=Clock(NOW + MINUTE))
            put_alerts(place.store, over(3))
            once(place, now=Clock(NOW + MINUTE))
        assert [one.told["alerts"][0]["fingerprint"] for one in hook.received] == [firing(1).id]

    def test_a_past_that_is_looked_through_late_is_no_news(self, placed, hook, go):
        put_alerts(placed.store, over(24 * 9))
        go()
        assert hook.received == []
        assert say(placed)

    def test_what_opened_and_ended_between_two_rounds_is_told(self, placed, hook, go):
        put_alerts(placed.store, over(2))
        go()
        assert hook.statuses == ["resolved"]

    def test_while_another_process_sends_this_one_does_not(self, placed, hook, go, clock):
        put_alerts(placed.store, firing())
        placed.store.take_lease("deliver-default", "elsewhere:1", clock.at, LEASE_SECONDS)
        assert go() == []
        assert hook.received == []
        clock.at += timedelta(seconds=LEASE_SECONDS)
        go()
        assert hook.statuses == ["firing"]

    def test_a_sender_that_is_killed_is_taken_up_and_nothing_is_lost_or_doubled(
        self, placed, hook, clock, go
    ):
        numbers, let_go = range(1, 9), threading.Event()
        put_alerts(placed.store, *(firing(number) for number in numbers))
        hook.answer = lambda _: (let_go.wait(20) and 200 if len(hook.received) == 4 else 200, {})
        command = [sys.executable, "-m", "pipelines", "deliver", "--follow"]
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ
            | {"FOREWARN_HOME": str(placed.settings.home), "FOREWARN_WEBHOOK_URL": hook.url},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: len(hook.received) == 4, seconds=60)
        child.send_signal(signal.SIGKILL)
        child.wait()
        let_go.set()  # the server took the fourth, and had nobody to tell so
        clock.at = datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS)
        go()
        assert len(hook.received) == len(numbers) + 1
        assert {key: hook.keys.count(key) for key in hook.keys if hook.keys.count(key) > 1} == {
            hook.keys[3]: 2
        }
        assert len({request.body for request in hook.received}) == len(numbers)


def test_a_fault_in_a_metric_reaches_the_webhook_before_the_next_look(tmp_path, hook):
    start, week = datetime(2026, 1, 5, tzinfo=UTC), timedelta(weeks=1)
    with desk.placed(tmp_path, webhook_url=hook.url) as place:
        fault = desk.with_fault(desk.wave(start, 8), start + week, 24)
        place.history.append(desk.DESK, fault)
        look(place, start + week, quiet=True)
        keep_on(place, 0.01)
        assert hook.received == []
        look(place, start + week + timedelta(hours=4), quiet=True)
        keep_on(place, 0.01)
    (request,) = hook.received
    assert request.told["status"] == "firing"
    assert request.told["groupLabels"]["series"] == "cpu"
    assert "cpu is" in request.told["commonAnnotations"]["summary"]


def test_a_test_alert_says_what_came_back(placed, hook, tmp_path):
    ((name, answer),) = try_out(placed, NOW)
    assert (name, answer.accepted, answer.said) == (
        f"webhook 127.0.0.1:{hook.port}",
        True,
        "200 said",
    )
    assert hook.statuses == ["firing", "resolved"]
    hook.stop()
    ((_, answer),) = try_out(placed, NOW)
    assert not answer.accepted
    assert "cannot be reached" in answer.said
    assert placed.store.alerts() == []


def test_prometheus_can_ask_how_much_waits_and_for_how_long(placed, hook, go):
    put_alerts(placed.store, firing(2), firing(1))
    hook.answer = lambda _: (503, {})
    go()
    placed.store.judge_alert(firing(2).id, "resolved", "ann", NOW)
    settings = replace(placed.settings, open_loopback=True)
    app = serve.create_app(settings, now=Clock(NOW + 5 * MINUTE))
    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 50000)) as client:
        text = client.get("/metrics").text
    labels = f'desk="default",receiver="webhook 127.0.0.1:{hook.port}"'
    assert f"forewarn_deliveries_waiting{{{labels}}} 2" in text
    assert f"forewarn_deliveries_failed{{{labels}}} 0" in text
    assert f"forewarn_deliveries_oldest_waiting_seconds{{{labels}}} 300.0" in text


def test_an_alert_and_what_is_to_be_told_of_it_are_saved_together(placed, hook, go):
    with pytest.raises(ValueError, match="wanted alerts of desk"):
        placed.store.save_detection("other", "rare", NOW, b"", [firing()])
    assert go() == []
    put_alerts(placed.store, over(1, closed_at=NOW))
    placed.store.expire("default", NOW + MINUTE)
    assert go() == []
    assert hook.received == []
