"""Forecasts from stored points to what an operator reads: by command, endpoint and page."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from fastapi.testclient import TestClient

from data.limit_file import Limit, Limits, read_limits
from data.points import Points
from data.settings import Settings
from data.store import Store
from pipelines.forecast import forecast_all, foretell
from pipelines.workspace import workspace
from serve import create_app
from tests.desk import a_crossing as crossing
from tests.endpoint import put_key
from tests.test_ops_page import sign_in

NOW = datetime(2026, 3, 23, tzinfo=UTC)
GOOD = """\
series,limit,direction,within,name,unit
disk_*,62,up,14d,,%
licences_free,3,down,2w,Seats,seats
"""


def points():
    """Three weeks of two disks, of which one is cleaned up each night, and of free licences."""
    hours = np.arange(21 * 24)
    noise = np.random.default_rng(0).normal(0, 0.3, (3, len(hours)))
    series = {
        "disk_db": 10 + hours / 12 + noise[0],
        "disk_log": 20 + 10 * (hours % 24) / 24 + noise[1],
        "licences_free": 24 - hours / 24 + noise[2],
    }
    times = np.datetime64("2026-03-02", "ms") + hours.astype("m8[h]")
    return Points(
        np.repeat(np.array(list(series), dtype=object), len(hours)),
        np.tile(times, 3),
        np.concatenate(list(series.values())),
    )


@contextmanager
def placed(home, **changed):
    """The workspace of a desk that has these points."""
    with workspace(Settings(home=home, desk="it", **changed)) as place:
        place.history.append("it", points())
        yield place


@pytest.fixture
def store(tmp_path):
    store = Store(Settings(home=tmp_path).database_url)
    yield store
    store.close()


@pytest.fixture
def browser(tmp_path, store):
    """A browser far away, in which nobody has signed in."""
    app = create_app(Settings(home=tmp_path), now=lambda: NOW)
    with TestClient(app, "http://127.0.0.1:8000", client=("192.0.2.7", 5000)) as client:
        yield client


@pytest.fixture
def machine(tmp_path, store):
    """A browser on the machine itself, which is let in without a key."""
    app = create_app(Settings(home=tmp_path, open_loopback=True), now=lambda: NOW)
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 5000)) as client:
        yield client


def written(path, text=GOOD):
    path.write_text(text, encoding="utf-8")
    return path


# Limits


def test_a_file_says_what_is_held_against_what(tmp_path):
    disk, seats = read_limits(written(tmp_path / "limits.csv")).limits
    assert disk == Limit("disk_*", 62.0, "up", 14 * 86_400, "", "%")
    assert seats == Limit("licences_free", 3.0, "down", 14 * 86_400, "Seats", "seats")
    toml = '[[limit]]\nseries = "disk_*"\nlimit = 62\nunit = "%"\n'
    assert read_limits(written(tmp_path / "limits.toml", toml)).limits == [disk]


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ("disk,lots,,,,", "line 3, field limit: wanted a number, got 'lots'"),
        ("disk,,,,,", "line 3, field limit: wanted a number, got ''"),
        (",9,,,,", "line 3, field series: wanted a series"),
        ("disk,9,sideways,,,", "line 3, field direction: wanted up or down, got 'sideways'"),
        ("disk,9,up,soon,,", "line 3, field within: wanted a time such as 12h"),
        ("disk,9,up,14d,a,b,c", "line 3, field None: wanted only series, limit"),
    ],
)
def test_a_row_that_is_wrong_is_named_and_the_others_count(tmp_path, row, wanted):
    head, first, second = GOOD.splitlines()
    text = "\n".join([head, first, row, second])
    found = read_limits(written(tmp_path / "limits.csv", text))
    assert len(found.limits) == 2
    assert found.mistakes[0].startswith(f"limits.csv, {wanted}")


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.csv", "", "line 1: wanted columns as series,limit"),
        ("a.csv", "limit\n9\n", "line 1: wanted columns as .* got no 'series'"),
        ("a.csv", "series,limit\n", "wanted a row for each limit, got none"),
        ("a.csv", "series,limit\ndisk,x\n", "line 2, field limit: wanted a number, got 'x'"),
        ("a.toml", "[[limit]\n", "is no TOML"),
        ("a.toml", "limit = 9\n", r"wanted tables \[\[limit\]\]"),
        ("a.toml", "[[limit]]\nseries='a'\nlimits=9\n", "limit 1, field limits: wanted only"),
    ],
)
def test_a_file_of_no_use_is_refused_by_name(tmp_path, name, text, wanted):
    with pytest.raises(ValueError, match=f"{name}.*{wanted}"):
        read_limits(written(tmp_path / name, text))


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such file; FOREWARN_LIMITS names it"):
        read_limits(tmp_path / "none.csv")
    (tmp_path / "odd.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="wanted UTF-8 text"):
        read_limits(tmp_path / "odd.csv")


# From the store to the store


def test_all_that_the_file_names_is_forecast_and_kept(tmp_path):
    file = written(tmp_path / "limits.csv", GOOD + "nothing*,9,up,14d,,\n")
    with placed(tmp_path / "home", limits=str(file)) as place:
        found = forecast_all(place, NOW)
        assert found.notes == ["no stored series fits 'nothing*'"]
        assert place.store.forecasts(desks=["it"]) == found.crossings
        told = {one.series: one for one in found.crossings}
        assert [*told] == ["licences_free", "disk_db", "disk_log"], "the soonest first"
        assert told["licences_free"].median / 86_400 == pytest.approx(0, abs=1)
        assert told["disk_db"].median / 86_400 == pytest.approx(5, abs=0.5)
        assert told["disk_log"].state == "holds"
        assert told["disk_log"].last_reset_at == datetime(2026, 3, 22, tzinfo=UTC)

        written(file, "series,limit\ndisk_db,62\n")
        forecast_all(place, NOW)
        kept = place.store.forecasts(desks=["it"])
        assert [one.series for one in kept] == ["disk_db"], "what is no longer asked for is gone"
        assert kept[0].median == told["disk_db"].median, "the same numbers again"


def test_what_came_after_the_moment_asked_about_is_not_seen(tmp_path):
    before = datetime(2026, 3, 16, tzinfo=UTC)
    with placed(tmp_path) as place:
        (one,) = foretell(place, Limits([Limit("disk_db", 62.0)], []), before).crossings
    assert one.median / 86_400 == pytest.approx(12, abs=1)


# What an operator reads


def test_the_command_tells_when_and_how_sure(forewarn, tmp_path, monkeypatch):
    monkeypatch.setenv("FOREWARN_LIMITS", str(written(tmp_path / "limits.csv", GOOD + "a,b,,,,\n")))
    with placed(tmp_path / "home"):
        pass
    at = ("--until", "2026-03-23T00:00:00")
    code, out, err = forewarn("forecast", *at, "--chart", "fan.png")
    assert code == 0
    assert "Seats" in out
    assert "62 %" in out
    assert "not within 14 days; the" in out
    assert "limits.csv, line 4, field limit: wanted a number, got 'b'" in err
    assert (tmp_path / "fan.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = forewarn("forecast", *at, "--series", "disk_db", "--limit", "72", "--json")
    (one,) = json.loads(out)
    assert one["median"] / 86_400 == pytest.approx(10, abs=1)
    assert one["crosses_at"].startswith("2026-04-0")
    with placed(tmp_path / "home") as place:
        assert len(place.store.forecasts()) == 3, "what was asked on the side is not kept"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ("forecast", "give --limit 95, or name a file in FOREWARN_LIMITS"),
        ("forecast --limit nan", "wanted a number, got 'nan'"),
        ("forecast --limit 9 --within soon", "wanted a time such as 12h, 14d or 4w"),
        ("forecast --limit 9 --until 2999-01-01", "--until wants a time that has passed"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(forewarn, arguments, wanted):
    code, out, err = forewarn(*arguments.split())
    assert (code, out) == (2, "")
    assert wanted in err


def test_the_endpoint_lists_what_is_stored_of_the_callers_desk(browser, store):
    calm = crossing(series="disk_log", state="holds", median=None, chance=0.02, cleaned_first=0.97)
    store.put_forecasts("default", [calm, crossing()])
    store.put_forecasts("it", [replace(crossing(), desk="it")])
    token = {"Authorization": f"Bearer {put_key(store, 'read', desks=('default',))}"}
    told = browser.get("/v1/forecasts", headers=token).json()["forecasts"]
    assert [one["series"] for one in told] == ["disk_db", "disk_log"]
    assert told[0]["crosses_at"] == "2026-03-26T04:48:00Z"
    assert told[0]["upper_95"] is None
    assert told[0]["fan"]["quantiles"] == [[82.0, 83.0, 85.0, 86.0, 87.0]]
    told = browser.get("/v1/forecasts", headers=token, params={"state": "holds"}).json()
    assert [one["series"] for one in told["forecasts"]] == ["disk_log"]
    assert browser.get("/v1/forecasts", headers=token, params={"desk": "it"}).status_code == 403
    assert browser.get("/v1/forecasts").status_code == 401


def test_the_page_shows_each_limit_with_its_fan(machine, store):
    assert "FOREWARN_LIMITS" in machine.get("/ops/forecasts").text
    store.put_forecasts("default", [crossing(series="<b>disk</b>")])
    page = machine.get("/ops/forecasts").text
    assert "in 3.2 days (2.1 to 6.0 days, 80 %), about" in page
    assert "26 Mar 2026" in page
    assert "now 81.5 %, limit 95 %" in page
    assert "93 % within 14 days" in page
    assert '<polygon class="inner" points="' in page
    assert "&lt;b&gt;disk&lt;/b&gt;" in page
    assert "<b>disk" not in page


def test_the_page_shows_nobody_anothers_forecasts(browser, store):
    store.put_forecasts("default", [crossing()])
    assert browser.get("/ops/forecasts", follow_redirects=False).status_code == 303
    sign_in(browser, put_key(store, "read", desks=("it",)))
    assert "disk_db" not in browser.get("/ops/forecasts").text
