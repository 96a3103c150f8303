"""Planning maintenance: on the command line, over the API and on the page."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from data.maintenance import exactly, new_maintenance
from data.points import Points
from data.settings import Settings
from data.store import Store
from tests.desk import wave
from tests.endpoint import NOW, an_alert, put_alerts, put_key
from tests.test_ops_page import browser_of, form_token, sign_in

HOUR = timedelta(hours=1)
LONG_AHEAD = "2099-03-01"
SOON = f"{datetime.now(UTC) + HOUR:%Y-%m-%d %H:%M}"  # the command line knows no other clock


# On the command line


def test_a_maintenance_is_planned_listed_and_called_off(forewarn, monkeypatch):
    monkeypatch.setenv("FOREWARN_TIMEZONE", "Europe/Berlin")
    when = ("--from", f"{LONG_AHEAD} 02:00", "--until", f"{LONG_AHEAD} 04:00")
    told = forewarn("maintenance", "add", *when, "--category", "vpn", "--note", "New gateway")[1]
    assert "2099-03-01 02:00 to 2099-03-01 04:00 CET: tickets on vpn" in told
    id = told.split()[1].rstrip(",")
    every = forewarn("maintenance", "add", *when, "--every", "week")[1]
    assert "each Sunday 02:00 to 04:00 CET, from 2099-03-01 on: all" in " ".join(every.split())
    listed = forewarn("maintenance", "list")[1]
    assert "to come" in listed
    assert "New gateway" in " ".join(listed.split())
    assert forewarn("maintenance", "remove", id)[:2] == (0, f"Maintenance {id} holds no more\n")
    assert id not in forewarn("maintenance", "list")[1]
    assert "over" in forewarn("maintenance", "list", "--all")[1]
    code, _, said = forewarn("maintenance", "remove", id)
    assert code == 2
    assert "goes on or is to come" in said


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["--from", "2099-01-02", "--until", "2099-01-01"], "must end after it starts"),
        (["--until", "2020-01-01"], "must end after it starts"),
        (["--from", "2020-01-01", "--until", "2020-01-02"], "must end in the future"),
        (["--until", "tonight"], "--until wants a time like 2026-03-01 06:00, got 'tonight'"),
        (["--until", LONG_AHEAD, "--every", "week"], "must be shorter than a week"),
        (["--until", LONG_AHEAD], "must last at most 92 days"),
        (
            ["--until", SOON, "--series", "chekout_*"],
            "fits none of 1 series; is it",
        ),
        (["--until", SOON, "--series", ""], "a glob must have 1 to 300"),
    ],
    ids=["backwards", "past", "over", "no time", "too long", "for ever", "misspelt", "empty"],
)
def test_what_cannot_be_meant_is_said_in_one_line(forewarn, tmp_path, given, wanted):
    store = Store(Settings(home=tmp_path / "home").database_url)
    store.close()
    points = wave(NOW, 0.1)
    csv = tmp_path / "checkout_latency.csv"
    write(csv, points)
    assert forewarn("ingest", "metrics", str(csv))[0] == 0
    code, _, said = forewarn("maintenance", "add", *given)
    assert code == 2
    assert wanted in " ".join(said.split())
    assert "Traceback" not in said
    assert forewarn("maintenance", "list")[1].startswith("No maintenance is planned")


def write(file, points: Points) -> None:
    rows = (f"{at},{value}" for at, value in zip(points.at, points.values, strict=True))
    file.write_text("\n".join(["timestamp,value", *rows]) + "\n")


# Over the API and on the page


@pytest.fixture
def store(tmp_path):
    store = Store(Settings(home=tmp_path).database_url)
    yield store
    store.close()


@pytest.fixture
def browser(tmp_path, store):
    settings = Settings(home=tmp_path, timezone="Europe/Berlin")
    with browser_of(settings, lambda: NOW, client=("192.0.2.7", 5000)) as client:
        yield client


def key(token):
    return {"Authorization": f"Bearer {token}"}


def test_an_admin_plans_reads_and_ends_maintenance(browser, store):
    admin = key(put_key(store, "admin"))
    given = {
        "ends_at": (NOW + HOUR).isoformat(),
        "matchers": [{"name": "series", "value": "checkout_*"}],
        "comment": "Upgrade",
    }
    made = browser.post("/v1/maintenance", json=given, headers=admin)
    assert made.status_code == 201
    told = made.json()
    assert told["state"] == "active"
    assert told["matchers"] == given["matchers"]
    later = given | {"starts_at": (NOW + HOUR / 2).isoformat(), "every": "week"}
    assert browser.post("/v1/maintenance", json=later, headers=admin).json()["state"] == "pending"
    listed = browser.get("/v1/maintenance", headers=admin).json()["maintenance"]
    assert [one["every"] for one in listed] == [None, "week"]
    gone = f"/v1/maintenance/{told['id']}"
    assert browser.delete(gone, headers=admin).status_code == 204
    assert browser.delete(gone, headers=admin).status_code == 404
    assert len(browser.get("/v1/maintenance", headers=admin).json()["maintenance"]) == 1


def test_who_may_only_look_plans_nothing_and_other_desks_stay_closed(browser, store):
    reader, other = key(put_key(store, "read")), key(put_key(store, "admin", desks=("hr",)))
    given = {"ends_at": (NOW + HOUR).isoformat()}
    one = new_maintenance("default", NOW, NOW + HOUR, by="ada", now=NOW)
    store.put_maintenance(one)
    assert browser.get("/v1/maintenance", headers=reader).status_code == 200
    for headers, hidden in ((reader, 403), (other, 404)):
        assert browser.post("/v1/maintenance", json=given, headers=headers).status_code == 403
        ended = browser.delete(f"/v1/maintenance/{one.id}", headers=headers)
        assert ended.status_code == hidden
    assert browser.get("/v1/maintenance", headers=other).status_code == 403
    assert store.maintenance(one.id).removed_at is None


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"starts_at": (NOW + 2 * HOUR).isoformat()}, "must end after it starts"),
        ({"ends_at": "tonight"}, "body.ends_at"),
        ({"matchers": [{"name": "host", "value": "a"}]}, "body.matchers.0.name"),
        ({"matchers": [{"name": "series", "value": ""}]}, "a glob must have"),
        ({"every": "day"}, "body.every"),
        ({"until": "x"}, "body.until"),
    ],
    ids=["backwards", "no time", "no such name", "empty glob", "daily", "no such field"],
)
def test_a_request_that_cannot_be_meant_is_told_why(browser, store, changed, wanted):
    given = {"ends_at": (NOW + HOUR).isoformat()} | changed
    admin = key(put_key(store, "admin"))
    answer = browser.post("/v1/maintenance", json=given, headers=admin)
    assert answer.status_code == 422
    assert wanted in answer.json()["detail"]
    assert store.maintenances() == []


@pytest.mark.parametrize(
    ("lasts", "ends"),
    [("1h", "11:00"), ("4h", "14:00"), ("tomorrow", "07:00")],  # UTC; NOW is 10:00
)
def test_an_alert_is_muted_from_its_page_and_heard_again_when_ended(browser, store, lasts, ends):
    alert = an_alert(1, key="disk[0]")
    put_alerts(store, alert)
    sign_in(browser, put_key(store, "admin"))
    page = browser.get(f"/ops/alerts/{alert.id}")
    told = {"token": form_token(page), "lasts": lasts}
    browser.post(f"/ops/alerts/{alert.id}/mute", data=told)
    (one,) = store.maintenances(["default"])
    assert (one.series, one.categories) == ((exactly("disk[0]"),), ())
    assert f"{one.ends_at:%H:%M}" == ends
    page = browser.get(f"/ops/alerts/{alert.id}")
    assert f"Muted by {one.created_by}" in page.text
    assert 'name="lasts"' not in page.text
    status = browser.get("/ops/status")
    assert one.created_by in status.text
    assert "End now" in status.text
    browser.post(f"/ops/maintenance/{one.id}/end", data={"token": form_token(status)})
    assert "End now" not in browser.get("/ops/status").text
    assert store.maintenance(one.id).removed_at == NOW


def test_a_form_without_our_token_or_with_a_key_that_may_only_look_mutes_nothing(browser, store):
    surge = an_alert(1, kind="surge", key="vpn")
    put_alerts(store, surge)
    one = new_maintenance("default", NOW, NOW + HOUR, by="ada", now=NOW)
    store.put_maintenance(one)
    mute, end = f"/ops/alerts/{surge.id}/mute", f"/ops/maintenance/{one.id}/end"
    sign_in(browser, put_key(store, "read"))
    page = browser.get("/ops/status")
    assert "End now" not in page.text
    for path in (mute, end):
        for token in ("forged", form_token(browser.get("/ops/status"))):
            answer = browser.post(path, data={"token": token, "lasts": "1h"})
            assert answer.status_code == 403
    assert [window.removed_at for window in store.maintenances()] == [None]


@pytest.mark.parametrize(
    ("kind", "named", "rests"),
    [
        ("metric", {"series": ["vpn_*"]}, True),
        ("metric", {"series": ["disk_*"]}, False),
        ("metric", {"categories": ["vpn*"]}, False),
        ("surge", {"series": ["vpn_*"]}, False),
        ("silent", {}, True),
    ],
)
def test_an_alert_says_that_its_series_rests(browser, store, kind, named, rests):
    alert = an_alert(1, kind=kind)
    put_alerts(store, alert)
    one = new_maintenance("default", NOW - HOUR, NOW + HOUR, by="ada", now=NOW, **named)
    store.put_maintenance(one)
    sign_in(browser, put_key(store, "read"))
    assert ("Muted by ada until" in browser.get(f"/ops/alerts/{alert.id}").text) == rests


def test_a_surge_rests_by_its_kind_of_tickets(browser, store):
    surge = an_alert(1, kind="surge", key="vpn")
    put_alerts(store, surge)
    sign_in(browser, put_key(store, "admin"))
    told = {"token": form_token(browser.get(f"/ops/alerts/{surge.id}")), "lasts": "1h"}
    browser.post(f"/ops/alerts/{surge.id}/mute", data=told)
    (one,) = store.maintenances()
    assert (one.series, one.categories) == ((), ("vpn",))
    told["lasts"] = "1y"
    assert browser.post(f"/ops/alerts/{surge.id}/mute", data=told).status_code == 422


# In the store


def test_a_window_that_has_held_is_kept_until_its_time_is_over(url):
    with closing(Store(url)) as store:
        kept_until_over(store)


def kept_until_over(store):
    old = new_maintenance("default", NOW, NOW + HOUR, note="x", by="ada", now=NOW)
    weekly = new_maintenance("default", NOW, NOW + HOUR, weekly=True, by="ada", now=NOW)
    for one in (old, weekly, old):
        store.put_maintenance(one)
    assert store.maintenances(["hr"]) == []
    assert set(store.maintenances(["default"])) == {old, weekly}
    assert store.maintenances(since=NOW + 2 * HOUR) == [weekly]
    assert store.expire("default", NOW + 2 * HOUR)["maintenance"] == 1
    assert store.maintenances() == [weekly]
