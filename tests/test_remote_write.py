"""Prometheus' remote-write through the front door: real bytes, a real store, a real Prometheus."""

import asyncio
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event

import serve
from api import samples
from api.metrics_text import Figures
from api.opened import OpenStore
from api.problems import Problem
from benchmarks import remote_write
from data import database
from data.history import History
from data.points import Points
from data.settings import Settings
from data.store import Store
from tests.endpoint import put_key
from tests.wire_bytes import packed, request_v1, request_v2

WIRE = Path(__file__).parent / "wire"
NOW = datetime(2026, 11, 25, 4, 53, 35, tzinfo=UTC)  # just after Prometheus sent tests/wire
MS = int(NOW.timestamp() * 1000)
V1 = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
V2 = V1 | {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}
JOBS = r'jobs_total{instance="127.0.0.1:9797",job="demo",path="C:\\x\ny",queue="mail \"in\""}'
LOAD = 'load{instance="127.0.0.1:9797",job="demo"}'
UP = {"__name__": "up", "job": "demo"}
WRITTEN = "X-Prometheus-Remote-Write-Samples-Written"


@pytest.fixture
def store(tmp_path):
    store = Store(Settings(home=tmp_path).database_url)
    yield store
    store.close()


@pytest.fixture
def history(store, tmp_path):
    return History(store.engine, tmp_path / "history")


def client_of(store, tmp_path, *scopes, desks=("default",), **changed):
    settings = Settings(home=tmp_path, **changed)
    app = serve.create_app(settings, now=lambda: NOW, poll_seconds=60)
    headers = {"Authorization": f"Bearer {put_key(store, *scopes, desks=desks)}"}
    url = "http://127.0.0.1:8000"
    return TestClient(app, base_url=url, headers=headers, raise_server_exceptions=False)


@pytest.fixture
def client(store, tmp_path):
    """Prometheus, with a key that may write metrics and look at the figures."""
    with client_of(store, tmp_path, "metrics", "read") as client:
        yield client


def send(client, body, headers=V1, to="/api/v1/write", **told):
    return client.post(to, content=body, headers=headers, **told)


def held(history, desk="default"):
    """Each sample that is stored."""
    told = history.columns(desk, NOW - timedelta(days=9), NOW + timedelta(days=9))
    moments = told.at.astype(np.int64).tolist()
    names = [told.keys[number] for number in told.series.tolist()]
    return dict(zip(zip(names, moments, strict=True), told.values.tolist(), strict=True))


def figures(client):
    """What /metrics tells of samples."""
    lines = client.get("/metrics").text.splitlines()
    rows = [line.rpartition(" ") for line in lines if line.startswith("forewarn_metric_samples")]
    return {name.removeprefix("forewarn_metric_samples_"): float(n) for name, _, n in rows}


# -- what Prometheus 2.42 sent -------------------------------------------------------------------


def test_what_prometheus_scraped_is_stored_under_its_own_names(client, history):
    answer = send(client, (WIRE / "scraped.snappy").read_bytes())
    assert (answer.status_code, answer.content) == (204, b"")
    found = held(history)
    assert found[JOBS, 1795582408927] == 17.0
    assert found[LOAD, 1795582408927] == 0.25
    assert not any(key.startswith(("missing", "full")) for key, _ in found)  # NaN and +Inf
    told = figures(client)
    assert told['received_total{desk="default"}'] == 9
    assert told['stored_total{desk="default"}'] == len(found) == 7
    assert told['dropped_total{desk="default",reason="not_finite"}'] == 2
    assert told['last_received_timestamp_seconds{desk="default"}'] == NOW.timestamp()


def test_a_target_that_went_away_leaves_markers_and_no_values(client, history):
    answer = send(client, (WIRE / "gone.snappy").read_bytes())
    assert answer.status_code == 204
    assert figures(client)['dropped_total{desk="default",reason="stale"}'] == 4
    assert {key.partition("{")[0] for key, _ in held(history)} == {
        "up",
        "scrape_duration_seconds",
        "scrape_samples_scraped",
        "scrape_samples_post_metric_relabeling",
        "scrape_series_added",
    }


def test_what_is_sent_again_changes_nothing(client, history):
    body = (WIRE / "scraped.snappy").read_bytes()
    send(client, body)
    before = held(history)
    assert send(client, body, to="/v1/metrics/write").status_code == 204
    assert held(history) == before
    assert history.count("default") == len(before)
    assert figures(client)['dropped_total{desk="default",reason="repeated"}'] == len(before)


# -- 2.0 -----------------------------------------------------------------------------------------


def test_version_2_is_told_what_was_written_and_its_types_count(client, history):
    asked = {"__name__": "asked", "job": "a"}, 1, [(1.0, MS), (3.0, MS + 1000)]
    gauge = {"__name__": "floors_total", "job": "a"}, 2, [(7.0, MS)]
    untyped = {"__name__": "sent_total"}, 0, [(2.0, MS)]
    answer = send(client, request_v2(asked, gauge, untyped), V2)
    assert answer.status_code == 204
    assert answer.headers[WRITTEN] == "4"
    assert answer.headers["X-Prometheus-Remote-Write-Histograms-Written"] == "0"
    assert answer.headers["X-Prometheus-Remote-Write-Exemplars-Written"] == "0"
    told = history.columns("default", NOW, NOW + timedelta(minutes=1))
    assert told.keys == ['asked{job="a"}', 'floors_total{job="a"}', "sent_total"]
    assert told.counters.tolist() == [True, False, True]
    assert told.values.tolist() == [1.0, 3.0, 7.0, 2.0]


def test_a_type_that_is_learnt_later_counts_from_then_on(client, history):
    series = {"__name__": "rooms_total"}
    send(client, request_v1((series, [(1.0, MS)])))
    assert history.has_counters("default")
    send(client, request_v2((series, 2, [(1.0, MS + 1000)])), V2)
    assert not history.has_counters("default")


# -- what cannot be taken ------------------------------------------------------------------------


def days(n):
    return n * 86_400_000


BAD = {
    "from the future": (({"__name__": "x"}, [(1.0, MS + 660_000)]), "10 minutes ahead"),
    "past retention": (({"__name__": "x"}, [(1.0, MS - days(31))]), "FOREWARN_RETENTION_DAYS"),
    "before 1970": (({"__name__": "x"}, [(1.0, -5)]), "before 1970"),
    "no moment at all": (({"__name__": "x"}, [(1.0, -(1 << 63))]), "before 1970"),
    "no name": (({"job": "x"}, [(1.0, MS)]), "without a name"),
    "endless label": (({"__name__": "x", "a": "b" * 3000}, [(1.0, MS)]), "cannot be read"),
    "a NUL in a label": (({"__name__": "x", "a": "\0"}, [(1.0, MS)]), "cannot be read"),
}


@pytest.mark.parametrize(("series", "said"), BAD.values(), ids=BAD)
def test_the_good_samples_of_a_request_are_stored(store, history, tmp_path, series, said):
    with client_of(store, tmp_path, "metrics", "read", retention_days=30) as client:
        answer = send(client, request_v1((UP, [(1.0, MS), (0.0, MS + 1000)]), series))
        assert answer.status_code == 400
        assert answer.headers[WRITTEN] == "2"
        assert "1 of 3 samples" in answer.json()["detail"]
        assert said in answer.json()["detail"]
        assert list(held(history).values()) == [1.0, 0.0]
        told = figures(client)
    dropped = sum(n for name, n in told.items() if name.startswith("dropped"))
    assert told['received_total{desk="default"}'] == 3 == 2 + dropped


@pytest.mark.parametrize("version", [1, 2])
def test_histograms_are_refused_by_name_and_the_rest_is_stored(client, history, version):
    one = (UP, [(1.0, MS)]) if version == 1 else (UP, 2, [(1.0, MS)])
    make, headers = (request_v1, V1) if version == 1 else (request_v2, V2)
    answer = send(client, make(one, histograms=1), headers)
    assert answer.status_code == 400
    assert "histograms" in answer.json()["detail"]
    assert answer.headers[WRITTEN] == "1"
    assert list(held(history).values()) == [1.0]


def test_a_label_that_comes_twice_and_symbols_that_are_not_there_are_bad_labels(client):
    twice = b"".join(
        b"\x0a\x0e\x0a\x08__name__\x12\x02" + name for name in (b"up", b"us")
    )  # of one series
    body = b"\x0a" + bytes([len(twice) + 13]) + twice
    body += bytes.fromhex("120b09000000000000f03f1005")
    assert send(client, packed(body)).status_code == 400
    nowhere = bytes.fromhex("2a110a020809120b09000000000000f03f1005")
    assert send(client, packed(nowhere), V2).status_code == 400
    assert figures(client)['dropped_total{desk="default",reason="bad_labels"}'] == 2


GARBAGE = {
    "no snappy": b"no snappy at all",
    "snappy in frames": b"\xff\x06\x00\x00sNaPpY",
    "no protobuf": packed(b"\xff" * 40),
    "cut off": (WIRE / "scraped.snappy").read_bytes()[:100],
    "empty": b"",
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_request_is_refused_for_good_and_nothing_is_stored(client, history, body):
    answer = send(client, body)
    assert answer.status_code == 400
    assert "the body is no" in answer.json()["detail"]
    assert held(history) == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json", "Content-Encoding": "snappy"},
        {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"},
        {"Content-Type": "application/x-protobuf"},
        V1 | {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v3.Request"},
    ],
    ids=["json", "gzip", "plain", "version 3"],
)
def test_types_and_encodings_that_are_not_known_get_415(client, headers):
    assert send(client, b"", headers).status_code == 415


def test_a_request_that_would_unpack_to_far_more_is_refused_unread(store, tmp_path):
    with client_of(store, tmp_path, "metrics", max_body_bytes=20_000) as client:
        answer = send(client, packed(b"\0" * 200_000))
    assert answer.status_code == 413
    assert "max_samples_per_send" in answer.json()["detail"]


# -- whose metrics -------------------------------------------------------------------------------


def test_a_key_needs_the_scope_and_the_desk(store, tmp_path):
    body = request_v1((UP, [(1.0, MS)]))
    with client_of(store, tmp_path, "read", "score") as client:
        assert send(client, body).status_code == 403
    with client_of(store, tmp_path, "metrics") as client:
        assert send(client, body, params={"desk": "hr"}).status_code == 403
        assert client.get("/v1/alerts").status_code == 403


def test_the_desk_is_the_one_that_is_named_or_the_key_s_own(store, history, tmp_path):
    body = request_v1((UP, [(1.0, MS)]))
    with client_of(store, tmp_path, "metrics", desks=("shop",)) as client:
        assert send(client, body).status_code == 204
    with client_of(store, tmp_path, "metrics", desks=("*",)) as client:
        assert send(client, body, V1 | {"X-Forewarn-Desk": "it"}).status_code == 204
        assert send(client, body, params={"desk": "hr"}).status_code == 204
        assert send(client, body).status_code == 204
    assert [history.count(desk) for desk in ("shop", "it", "hr", "default")] == [1, 1, 1, 1]


# -- a busy store --------------------------------------------------------------------------------


def test_a_locked_store_has_prometheus_try_again(store, history, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_SECONDS", 0.1)
    body = request_v1((UP, [(1.0, MS)]))
    with client_of(store, tmp_path, "metrics") as client:
        other = sqlite3.connect(tmp_path / "forewarn.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = send(client, body)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        other.execute("ROLLBACK")
        other.close()
        assert send(client, body).status_code == 204
    assert history.count("default") == 1


def points(number: int) -> Points:
    at = np.array([MS + number], "datetime64[ms]")
    return Points(np.array(["up"], object), at, np.array([1.0]))


def test_requests_that_come_together_are_written_together(store, history, tmp_path):
    opened, commits = OpenStore(Settings(home=tmp_path).database_url), []
    event.listen(opened().engine, "commit", commits.append)
    writer = samples.Samples(opened, tmp_path / "history", Figures())

    async def one_after_the_other() -> None:
        """While another process has the database, so that the first one has to wait."""
        other = sqlite3.connect(tmp_path / "forewarn.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = []
        for number in range(50):
            write = writer.write("default", points(number), {"up"})
            waiting.append(asyncio.create_task(write))
            await asyncio.sleep(0.001)
        other.execute("ROLLBACK")
        other.close()
        await asyncio.gather(*waiting)

    asyncio.run(one_after_the_other())
    opened.close()
    assert history.count("default") == 50
    assert history.has_counters("default")
    assert len(commits) < 10  # not one for each


def test_more_than_may_wait_is_refused_for_now(store, tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "MAX_WAITING", 10)
    opened = OpenStore(Settings(home=tmp_path).database_url)
    writer = samples.Samples(opened, tmp_path / "history", Figures())

    async def many() -> list[object]:
        each = (writer.write("default", points(n), set()) for n in range(12))
        return await asyncio.gather(*each, return_exceptions=True)

    refused = [one for one in asyncio.run(many()) if one is not None]
    assert [type(one) for one in refused] == [Problem, Problem]
    assert {one.status_code for one in refused} == {503}
    asyncio.run(writer.write("default", points(99), set()))  # those before have made room
    opened.close()


# -- a real Prometheus ---------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("prometheus"), reason="needs Debian's prometheus")
def test_all_that_prometheus_scraped_is_stored_once_though_the_endpoint_is_killed(tmp_path):
    found = remote_write.run(tmp_path, seconds=20, n_kills=2, n_series=2000)
    assert found.n_scraped >= 2000 * 10
    assert found.n_stored == found.n_scraped
    assert (found.missing, found.changed, found.doubled, found.foreign) == (0, 0, 0, 0)
