"""The past of a real Prometheus into the history."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from benchmarks.scraped import prometheus, scraped
from data.sources.prometheus import Prometheus
from pipelines.backfill import backfill
from pipelines.detect import begin
from pipelines.feeds import METRICS
from tests.desk import DESK, placed

pytestmark = pytest.mark.skipif(
    not shutil.which("promtool"), reason="needs Debian's prometheus, with promtool"
)
DAYS = 5
ALL = '{job="demo"}'


@pytest.fixture(scope="module")
def now():
    at = datetime.now(UTC) - timedelta(hours=4)  # Prometheus has younger blocks to itself
    return at.replace(minute=at.minute // 5 * 5, second=0, microsecond=0)


@pytest.fixture(scope="module")
def kept(tmp_path_factory, now):
    """A Prometheus' folder with five days of two series, a reading every five minutes."""
    folder = tmp_path_factory.mktemp("kept")
    last = int(now.timestamp())
    moments = np.arange(last - DAYS * 86_400, last + 1, 300)
    noise = np.random.default_rng(0).normal(size=len(moments)).round(6)
    total = np.arange(len(moments)) * 600
    with (folder / "past.om").open("w") as file:
        file.write("# TYPE load gauge\n")
        rows = zip(moments, noise, strict=True)
        file.writelines(f'load{{job="demo"}} {v} {at}\n' for at, v in rows)
        file.write("# TYPE asked counter\n")
        rows = zip(moments, total, strict=True)
        file.writelines(f'asked_total{{job="demo"}} {v} {at}\n' for at, v in rows)
        file.write("# EOF\n")
    made = ["promtool", "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run(
        [*made, folder / "past.om", folder / "tsdb"], check=True, stdout=subprocess.DEVNULL
    )
    return folder


@pytest.fixture(scope="module")
def address(kept):
    with prometheus(kept, "127.0.0.1:1", "http://127.0.0.1:1/", "none", 60) as address:
        yield address


def held(place, now):
    told = place.history.columns(DESK, now - timedelta(days=9), now + timedelta(hours=1))
    at = told.at.astype(np.int64).tolist()
    names = [told.keys[number] for number in told.series.tolist()]
    return dict(zip(zip(names, at, strict=True), told.values.tolist(), strict=True))


def test_a_desk_begins_with_what_prometheus_has_kept(tmp_path, address, now):
    asked = Prometheus(address, ALL, 300)
    with placed(tmp_path, step_seconds=300) as place:
        done = backfill(place, asked, DAYS * 86_400, now)
        found, wanted = held(place, now), scraped(address, 0, now.timestamp(), 9 * 86_400)
        assert set(wanted) - set(found) == {key for key in wanted if key[1] == max(wanted)[1]}
        assert all(found[key] == value for key, value in wanted.items() if key in found)
        assert done.new == len(found)
        assert begin(place, METRICS, now).watching  # it knows enough to alert
        assert list((tmp_path / "history" / DESK).glob("*.parquet"))


def test_cut_off_it_goes_on_where_it_was(tmp_path, address, now):
    since, told = DAYS * 86_400, []

    def cut(done, total=None, note=""):
        told.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with placed(tmp_path) as place:
        asked = Prometheus(address, ALL, 300)
        with pytest.raises(KeyboardInterrupt):
            backfill(place, asked, since, now, cut)
        half = held(place, now)
        rest = backfill(place, asked, since, now)
        whole = held(place, now)
        again = backfill(place, asked, since, now)
    assert told[-1] == (2, 7)
    assert rest.same == 0
    assert rest.new == len(whole) - len(half) > len(half) > 0
    assert again.read == 0


def test_a_prometheus_that_does_not_answer_is_named(tmp_path, now):
    with placed(tmp_path) as place, pytest.raises(OSError, match="no Prometheus answers at http"):
        backfill(place, Prometheus("http://127.0.0.1:1", ALL, 300), 86_400, now)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("load{", "refused the query"),
        ("sum(load)", "label_replace"),
    ],
    ids=["bad PromQL", "no name"],
)
def test_a_query_that_cannot_be_stored_is_refused_in_one_line(tmp_path, address, now, query, said):
    with placed(tmp_path) as place, pytest.raises(ValueError, match=said):
        backfill(place, Prometheus(address, query, 300), 86_400, now)


def test_an_address_that_is_none_is_refused():
    with pytest.raises(ValueError, match="http://HOST:PORT"):
        Prometheus("localhost:9090", ALL, 300)
