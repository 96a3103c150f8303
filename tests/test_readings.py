"""What a detector saw last goes back to Prometheus, so that Grafana draws the expected range."""

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

import serve
from data.settings import Settings
from pipelines.detect import begin, save
from pipelines.feeds import KINDS
from pipelines.watching import look
from tests.desk import DESK, placed, wave, with_fault

START = datetime(2026, 1, 5, tzinfo=UTC)
LIVE = START + timedelta(days=8)
NOW = LIVE + timedelta(hours=12)
KEY = 'errors{service="checkout",desk="front"}'


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home where one series goes wrong in the last hours that were looked at."""
    home = tmp_path_factory.mktemp("readings")
    with placed(home) as place:
        points = wave(START, 9, series=KEY)
        place.history.append(DESK, with_fault(points, NOW - timedelta(hours=3), 4))
        place.history.append(DESK, wave(START, 9, series="disk", seed=1))
        for kind in KINDS:
            save(place, begin(place, kind, LIVE), [])
        look(place, NOW, quiet=True)
    return home


def scraped(home, now=NOW):
    app = serve.create_app(Settings(home=home, desk=DESK, open_loopback=True), now=lambda: now)
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 5000)) as client:
        return client.get("/metrics").text


def value(text, name, *labels):
    rows = re.findall(rf"^{name}{{([^}}]*)}} (\S+)$", text, re.MULTILINE)
    (found,) = (float(number) for told, number in rows if all(one in told for one in labels))
    return found


def test_score_and_range_of_every_series_stand_in_the_metrics(home):
    text = scraped(home)
    mine = ('metric="errors"', 'service="checkout"', 'exported_desk="front"', f'desk="{DESK}"')
    threshold = value(text, "forewarn_anomaly_threshold", 'detector="metrics"')
    assert value(text, "forewarn_anomaly_score", *mine) > threshold
    assert value(text, "forewarn_anomaly_score", 'metric="disk"') < threshold
    low, middle, high = (
        value(text, f"forewarn_expected{end}", *mine) for end in ("_lower", "", "_upper")
    )
    assert low < middle < high < 90
    looked = value(text, "forewarn_detection_watermark_timestamp_seconds", 'detector="metrics"')
    assert looked == NOW.timestamp()


def test_the_range_is_the_one_that_the_detector_has_now(home):
    with placed(home) as place:
        readings = place.store.readings(DESK)["metrics"]
    text = scraped(home)
    series = readings.keys.index("disk")
    for name in ("lower", "upper"):
        told = value(text, f"forewarn_expected_{name}", 'metric="disk"')
        assert told == pytest.approx(getattr(readings, name)[series], rel=1e-5)


def test_of_detection_that_stopped_only_the_time_is_told(home):
    text = scraped(home, NOW + timedelta(hours=2))
    assert "forewarn_anomaly_score" not in text
    assert "forewarn_detection_watermark_timestamp_seconds" in text


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus is not installed")
def test_prometheus_reads_it_without_complaint(home):
    told = subprocess.run(
        ["promtool", "check", "metrics"], input=scraped(home), capture_output=True, text=True
    )
    assert (told.returncode, told.stderr) == (0, "")
