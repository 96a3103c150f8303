"""The page without a browser: who is let in, what the forms need, what is shown."""

import json
import re
import stat
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

import serve
from data.settings import Settings
from data.store import Store
from ops.sessions import LIFETIME, Sessions
from tests.endpoint import NOW, a_trace, an_alert, put_alerts, put_key


class Clock:
    """Stands still until somebody moves it."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path):
    store = Store(Settings(home=tmp_path).database_url)
    yield store
    store.close()


@pytest.fixture
def browser(tmp_path, store, clock):
    """A browser far away, in which nobody has signed in."""
    with browser_of(Settings(home=tmp_path), clock, client=("192.0.2.7", 5000)) as client:
        yield client


@pytest.fixture
def machine(tmp_path, store, clock):
    """A browser on the machine itself, which is let in without a key."""
    settings = Settings(home=tmp_path, open_loopback=True)
    with browser_of(settings, clock, client=("127.0.0.1", 5000)) as client:
        yield client


def browser_of(settings, clock, **told):
    app = serve.create_app(settings, now=clock)
    return TestClient(app, "http://127.0.0.1:8000", raise_server_exceptions=False, **told)


def form_token(page):
    return re.search(r'name="token" value="(\w+)"', page.text)[1]


def sign_in(browser, token, goal="/ops/alerts"):
    page = browser.get("/ops/login", params={"next": goal})
    fields = {"token": form_token(page), "key": token, "next": goal}
    return browser.post("/ops/login", data=fields, follow_redirects=False)


def act(browser, alert, action, **fields):
    page = browser.get(f"/ops/alerts/{alert.id}")
    told = {"token": form_token(page), "action": action} | fields
    return browser.post(f"/ops/alerts/{alert.id}", data=told, follow_redirects=False)


# Signing in


def test_who_is_not_signed_in_comes_to_the_form_and_then_where_they_wanted(browser, store):
    answer = browser.get("/ops/alerts?kind=surge", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/ops/login?next=%2Fops%2Falerts%3Fkind%3Dsurge"
    signed = sign_in(browser, put_key(store, "read"), "/ops/alerts?kind=surge")
    assert signed.headers["location"] == "/ops/alerts?kind=surge"
    assert browser.get("/").url.path == "/ops/alerts"


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(browser, store):
    cookie = sign_in(browser, put_key(store, "read")).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/ops", "Max-Age=43200"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


def test_over_https_the_cookie_is_secure(tmp_path, store, clock):
    with browser_of(Settings(home=tmp_path, secure_cookie=True), clock) as browser:
        assert "Secure" in browser.get("/ops/login").headers["set-cookie"]


@pytest.mark.parametrize("goal", ["https://evil.example", "//evil.example", "/ops/\\evil", "/x"])
def test_after_signing_in_nobody_is_led_away(browser, store, goal):
    assert sign_in(browser, put_key(store, "read"), goal).headers["location"] == "/ops/alerts"


@pytest.mark.parametrize("token", ["", "nonsense", "a.b\0", "<script>alert(1)</script>"])
def test_a_wrong_key_is_told_and_not_repeated(browser, token):
    answer = sign_in(browser, token)
    assert answer.status_code == 401
    assert "unknown, expired or revoked" in answer.text
    assert "alert(1)" not in answer.text


def test_a_key_that_may_only_score_opens_no_page(browser, store):
    assert "may not read alerts" in sign_in(browser, put_key(store, "score")).text


def test_a_revoked_key_is_out_at_once(browser, store):
    token = put_key(store, "read")
    sign_in(browser, token)
    store.revoke_key(token.partition(".")[0], NOW)
    assert browser.get("/ops/alerts").url.path == "/ops/login"


def test_a_session_ends(browser, store, clock):
    sign_in(browser, put_key(store, "read"))
    clock.now = NOW + LIFETIME - timedelta(minutes=1)
    assert browser.get("/ops/alerts").url.path == "/ops/alerts"
    clock.now = NOW + LIFETIME
    assert browser.get("/ops/alerts").url.path == "/ops/login"


def test_signing_out_ends_it_too(browser, store):
    sign_in(browser, put_key(store, "read"))
    token = form_token(browser.get("/ops/alerts"))
    assert browser.post("/ops/logout", data={"token": token}).url.path == "/ops/login"
    assert browser.get("/ops/alerts").url.path == "/ops/login"


def test_a_cookie_that_was_changed_counts_nothing(tmp_path, clock):
    sessions, others = (Sessions(tmp_path / name, clock) for name in ("ours", "theirs"))
    session = sessions.new("k1")
    cookie = sessions.cookie(session)
    assert sessions.read(cookie) == session
    for changed in (cookie[1:], cookie[:-1], "x" + cookie, "", ".", others.cookie(session)):
        assert sessions.read(changed) is None


def test_the_secret_is_the_owners_alone_and_lasts(tmp_path, clock):
    path = tmp_path / "home/session.secret"
    cookie = Sessions(path, clock).cookie(session := Sessions(path, clock).new("k1"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Sessions(path, clock).read(cookie) == session


def test_a_link_from_elsewhere_is_asked_again_with_the_cookie(browser):
    page = browser.get("/ops/alerts", headers={"sec-fetch-site": "cross-site"})
    assert page.url.path == "/ops/alerts"
    assert 'http-equiv="refresh"' in page.text
    own = browser.get("/ops/alerts", headers={"sec-fetch-site": "same-origin"})
    assert own.url.path == "/ops/login"


# Forms


def test_an_alert_is_judged_by_the_buttons(browser, store):
    token = put_key(store, "admin")
    put_alerts(store, alert := an_alert(1))
    sign_in(browser, token)
    for action, status, then in [
        ("acknowledge", "acknowledged", "resolve"),
        ("resolve", "resolved", "reopen"),
        ("reopen", "open", "false_alarm"),
        ("false_alarm", "false_alarm", "reopen"),
    ]:
        answer = act(browser, alert, action)
        assert answer.headers["location"] == f"/ops/alerts/{alert.id}"
        kept = store.alert(alert.id)
        assert (kept.status, kept.status_by) == (status, token.partition(".")[0])
        assert f'value="{then}"' in browser.get(f"/ops/alerts/{alert.id}").text


@pytest.mark.parametrize("forged", ["", "0" * 64, "é"])
def test_a_form_that_is_not_ours_changes_nothing(machine, store, forged):
    put_alerts(store, alert := an_alert(1))
    assert act(machine, alert, "resolve", token=forged).status_code == 403
    assert store.alert(alert.id).status == "open"


def test_a_token_of_another_session_changes_nothing(machine, store):
    put_alerts(store, alert := an_alert(1))
    token = form_token(machine.get(f"/ops/alerts/{alert.id}"))
    machine.cookies.clear()
    assert act(machine, alert, "resolve", token=token).status_code == 403
    assert store.alert(alert.id).status == "open"


def test_a_form_sent_by_a_page_elsewhere_changes_nothing(machine, store):
    put_alerts(store, alert := an_alert(1))
    token = form_token(machine.get(f"/ops/alerts/{alert.id}"))
    answer = machine.post(
        f"/ops/alerts/{alert.id}",
        data={"token": token, "action": "resolve"},
        headers={"origin": "http://evil.example"},
    )
    assert answer.status_code == 403
    assert store.alert(alert.id).status == "open"


def test_the_machine_itself_acts_without_a_key(machine, store):
    put_alerts(store, alert := an_alert(1))
    assert act(machine, alert, "resolve").status_code == 303
    assert store.alert(alert.id).status_by == "loopback"


def test_who_may_only_read_sees_no_buttons_and_cannot_act(browser, store):
    put_alerts(store, alert := an_alert(1))
    sign_in(browser, put_key(store, "read"))
    page = browser.get(f"/ops/alerts/{alert.id}")
    assert 'name="action"' not in page.text
    assert act(browser, alert, "resolve").status_code == 403
    assert store.alert(alert.id).status == "open"


def test_an_action_that_is_none_is_told(machine, store):
    put_alerts(store, alert := an_alert(1))
    assert act(machine, alert, "explode").status_code == 422


# The list


def keys_on(page):
    return re.findall(r'<h2><a href="/ops/alerts/\w+">([^<]+)</a>', page.text)


def put_some(store):
    put_alerts(
        store,
        an_alert(1, key="new"),
        an_alert(30, key="older"),
        an_alert(24 * 9, key="surging", kind="surge", n_tickets=20),
        an_alert(24 * 40, key="done", status="resolved"),
    )


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("", ["new", "older", "surging"]),
        ("status=all", ["new", "older", "surging", "done"]),
        ("status=resolved", ["done"]),
        ("status=false_alarm", []),
        ("kind=surge", ["surging"]),
        ("key=older", ["older"]),
        ("span=24h", ["new"]),
        ("span=7d", ["new", "older"]),
        ("status=all&span=30d&kind=metric", ["new", "older"]),
        ("kind=%00&span=x&page=-3&desk=%00", ["new", "older", "surging"]),
    ],
)
def test_the_list_shows_what_the_filters_ask_for(machine, store, query, keys):
    put_some(store)
    assert keys_on(machine.get(f"/ops/alerts?{query}")) == keys


def test_the_tabs_count(machine, store):
    put_some(store)
    page = machine.get("/ops/alerts").text
    counts = dict(re.findall(r'>([\w ]+) <span class="count">(\d+)<', page))
    assert counts == {
        "Open": "3",
        "Acknowledged": "0",
        "Resolved": "1",
        "False alarm": "0",
        "All": "4",
    }


def test_a_long_list_has_pages(machine, store):
    put_alerts(store, *(an_alert(n, key=f"series {n}") for n in range(1, 61)))
    first = machine.get("/ops/alerts")
    assert len(keys_on(first)) == 50
    further = re.search(r'rel="next" href="([^"]+)"', first.text)[1].replace("&amp;", "&")
    second = machine.get(further)
    assert keys_on(first) + keys_on(second) == [f"series {n}" for n in range(1, 61)]
    assert 'rel="next"' not in second.text


@pytest.mark.parametrize(
    ("ratio", "word"), [(1.0, "Minor"), (1.6, "Major"), (3.0, "Critical")], ids=str
)
def test_severity_is_a_word_from_score_and_threshold(machine, store, ratio, word):
    put_alerts(store, an_alert(1, score=4 * ratio, threshold=4.0))
    assert f"{word}</span>" in machine.get("/ops/alerts").text.replace("\n", "")


def test_times_are_told_both_ways_in_the_desks_zone(tmp_path, store, clock):
    settings = Settings(home=tmp_path, open_loopback=True, timezone="Europe/Berlin")
    put_alerts(store, an_alert(2))
    with browser_of(settings, clock, client=("127.0.0.1", 1)) as machine:
        page = machine.get("/ops/alerts").text
    assert "2 h ago" in page
    assert "Wed 4 Mar 2026, 09:00 CET" in page


def test_the_empty_page_teaches(machine, store):
    assert "forewarn detect" in machine.get("/ops/alerts").text
    store.save_detection("default", "metrics", NOW - timedelta(minutes=5), b"")
    watched = machine.get("/ops/alerts").text
    assert "learns first" in watched
    assert "has read up to Wed 4 Mar 2026, 09:55 UTC (5 min ago)" in watched
    put_alerts(store, an_alert(1, status="resolved"))
    assert "Nothing is open" in machine.get("/ops/alerts").text
    assert "No alert matches" in machine.get("/ops/alerts?kind=surge").text


def test_a_key_sees_its_own_desks_only(browser, store):
    put_alerts(store, mine := an_alert(1, key="mine", desk="hr"), theirs := an_alert(2, key="no"))
    sign_in(browser, put_key(store, "admin", desks=("hr",)))
    for query in ("", "desk=default"):
        assert keys_on(browser.get(f"/ops/alerts?{query}")) == ["mine"]
    assert browser.get(f"/ops/alerts/{mine.id}").status_code == 200
    assert browser.get(f"/ops/alerts/{theirs.id}").status_code == 404
    own_form = act(browser, mine, "acknowledge")
    assert own_form.status_code == 303
    token = form_token(browser.get(f"/ops/alerts/{mine.id}"))
    told = {"token": token, "action": "resolve"}
    assert browser.post(f"/ops/alerts/{theirs.id}", data=told).status_code == 404
    assert store.alert(theirs.id).status == "open"
    assert "default" not in browser.get("/ops/status").text


# One alert


def test_an_alert_brings_its_chart_its_facts_and_its_neighbours(machine, store):
    beside = an_alert(2, key="queue_length", opened_at=NOW - timedelta(minutes=72))
    put_alerts(store, alert := an_alert(1), beside, an_alert(5, key="long before"))
    page = machine.get(f"/ops/alerts/{alert.id}").text
    assert alert.why in page
    chart = json.loads(re.search(r'id="chart-data">(.+?)</script>', page, re.DOTALL)[1])
    assert len(chart["times"]) == len(chart["observed"]) == len(chart["upper"]) == 96
    marks = {mark["name"]: mark["at"][11:16] for mark in chart["marks"]}
    assert marks == {"opened": "09:00", "strangest": "09:10", "closed": "09:30"}
    assert "20 to 62" in page
    assert "queue_length" in page
    assert "12 min earlier" in page
    assert "long before" not in page


def test_an_alert_that_opened_at_its_peak_has_one_mark_for_both(machine, store):
    alert = an_alert(1)
    at_once = replace(alert, peak_at=alert.opened_at)
    store.save_detection("default", "metrics", NOW, b"", [at_once], [a_trace(alert)])
    page = machine.get(f"/ops/alerts/{alert.id}").text
    assert re.findall(r'"name": "([^"]+)"', page) == ["opened, strangest", "closed"]


def test_what_stands_in_an_alert_is_text_and_never_markup(machine, store):
    evil = "</script><script>alert(1)</script>"
    put_alerts(store, alert := an_alert(1, key=evil, why=evil))
    for path in ("/ops/alerts", f"/ops/alerts/{alert.id}"):
        assert "<script>alert" not in machine.get(path).text


def test_an_alert_without_values_says_so(machine, store):
    alert = an_alert(1, expected=float("nan"), lower=float("nan"), upper=float("inf"))
    store.save_detection("default", "metrics", NOW, b"", [alert])
    page = machine.get(f"/ops/alerts/{alert.id}").text
    assert "there is no chart" in page
    assert "unknown to no limit" in page


def test_errors_of_the_page_are_pages(machine):
    for path in ("/ops/alerts/unknown", "/ops/nowhere", "/ops/static/nowhere.js"):
        answer = machine.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")


def test_plotly_comes_from_the_installed_package_and_may_be_kept(machine):
    answer = machine.get("/ops/static/plotly.min.js")
    assert "plotly.js" in answer.text[:200]
    assert "max-age=604800" in answer.headers["cache-control"]


def test_nothing_on_the_page_comes_from_elsewhere(machine, store):
    put_alerts(store, alert := an_alert(1))
    for path in ("/ops/alerts", f"/ops/alerts/{alert.id}", "/ops/status", "/ops/login"):
        linked = re.findall(r'(?:src|href|action)="([^"]+)"', machine.get(path).text)
        assert linked
        assert [link for link in linked if not link.startswith(("/", "#main"))] == []


def test_the_status_page_tells_models_detectors_and_rows(machine, store):
    assert "forewarn train FILE --promote" in machine.get("/ops/status").text
    put_alerts(store, an_alert(1))
    page = machine.get("/ops/status").text
    assert "metrics</td>" in page
    assert "<dt>alerts</dt><dd>1</dd>" in page
