"""The replay on the ops page: what would have fired, before anything is switched on."""

import re
from datetime import timedelta

from data.records import SeriesState
from tests.endpoint import NOW, a_replay, an_alert, fired, put_alerts, put_key, put_replay
from tests.test_ops_page import browser, clock, machine, sign_in, store

__all__ = ["browser", "clock", "machine", "store"]  # fixtures


def listed(page):
    """Series, time over threshold of each alert that is listed."""
    return re.findall(r'<span class="ratio">([^<]+)</span></div>.+?<h3>([^<]+)</h3>', page, re.S)


def test_where_nothing_was_replayed_the_page_says_what_to_do(machine):
    page = machine.get("/ops/replay").text
    assert "Nothing has been replayed for default yet" in page
    for command in ("ingest metrics FILE", "ingest incidents FILE", "replay metrics"):
        assert f"<code>forewarn {command}</code>" in page


def test_the_page_says_how_old_it_is_and_what_makes_it_anew(machine, store):
    put_replay(store)
    page = machine.get("/ops/replay").text
    assert "2 days ago" in page
    assert "Mon 2 Mar 2026, 10:00 UTC" in page
    assert "<code>forewarn replay metrics</code>" in page
    assert "25 series, detector rare, judged over 4.0 weeks" in page


def test_the_budget_that_is_set_is_shown_first_and_others_are_a_click_away(machine, store):
    put_replay(store)
    page = machine.get("/ops/replay").text
    assert listed(page) == [("3.5× threshold", "queue"), ("1.5× threshold", "queue")]
    assert "About: Mail down, 1" in page
    assert "About no known incident" in page
    link = re.search(r'href="(/ops/replay[^"]+budget=4)#fired"', page)[1].replace("&amp;", "&")
    assert len(listed(machine.get(link).text)) == 3
    assert len(listed(machine.get("/ops/replay?budget=%00&desk=%00").text)) == 2


def test_without_incidents_only_alerts_a_week_are_drawn(machine, store):
    put_replay(store, incidents=())
    page = machine.get("/ops/replay").text
    assert re.findall("<figcaption>([^<]+)", page) == ["Alerts a week"]
    assert "About no known incident" not in page
    assert "name incidents with --incidents FILE" in page


def test_a_key_sees_the_replays_of_its_own_desks(browser, store):
    put_replay(store, "default")
    put_replay(store, "hr", n_series=7)
    sign_in(browser, put_key(store, "read", desks=("hr",)))
    for query in ("", "?desk=default"):
        page = browser.get(f"/ops/replay{query}").text
        assert "7 series" in page
        assert "25 series" not in page


def test_what_stands_in_a_replay_is_text_and_never_markup(machine, store):
    evil = "</title></svg><script>alert(1)</script>"
    put_replay(store, fired=(fired(1.0, NOW - timedelta(days=1), series=evil, why=evil),))
    page = machine.get("/ops/replay").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_one_budget_that_raised_nothing_is_drawn_too(machine, store):
    calm = a_replay().budgets[0]
    put_replay(store, budgets=(calm,), fired=(), incidents=())
    assert "Nothing would have fired at this budget" in machine.get("/ops/replay").text


def test_while_the_metrics_are_learnt_the_alerts_page_leads_here(machine, store):
    put_alerts(store, an_alert(1, kind="surge"))  # what other detectors say does not matter
    for state, is_learning in (("learning", True), ("watching", False)):
        told = SeriesState("default", "cpu", state, NOW)
        store.save_detection("default", "metrics", NOW, b"", states=[told])
        page = machine.get("/ops/alerts").text
        assert ('href="/ops/replay?desk=default"' in page) == is_learning
