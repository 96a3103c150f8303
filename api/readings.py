"""Scores and expected ranges of every series, for Prometheus to keep and Grafana to draw."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np

from api.metrics_text import headed, line
from api.opened import UNREACHABLE
from api.service import Service
from data.readings import Readings
from features.labels import parsed

OWN = ("desk", "detector", "metric", "category")  # labels that are ours: another's are exported_
UNFIT = re.compile(r"[^a-zA-Z0-9_]|^(?=\d)")
STALE = timedelta(hours=1)
SCORE, THRESHOLD = "forewarn_anomaly_score", "forewarn_anomaly_threshold"
BAND = {
    "forewarn_expected": "expected",
    "forewarn_expected_lower": "lower",
    "forewarn_expected_upper": "upper",
}


def readings_text(service: Service) -> str:
    """What each detector of our desk saw last; nothing where the database cannot be read."""
    desk = service.settings.desk
    try:
        found = service.store().readings(desk)
    except UNREACHABLE as error:
        service.store.say_unreachable(error)
        return ""
    return gauges(desk, found, service.now())


def gauges(desk: str, found: dict[str, Readings], now: datetime) -> str:
    """Gauges of each series; of a detector that stopped for an hour, only when it did.

    >>> one = Readings(datetime.max, 3.0, ['errors{job="web"}'], *np.full((4, 1), 0.5))
    >>> print(gauges("it", {"metrics": one}, datetime.max).splitlines()[5])
    forewarn_anomaly_score{desk="it",detector="metrics",metric="errors",job="web"} 0.5
    """
    own = {name: {"desk": desk, "detector": name} for name in found}
    fresh = {name: one for name, one in found.items() if now - one.at <= STALE}
    looked = "forewarn_detection_watermark_timestamp_seconds"
    blocks = {
        looked: [line(looked, own[name], one.at.timestamp()) for name, one in found.items()],
        SCORE: [row for name, one in fresh.items() for row in lines(SCORE, own[name], one)],
    }
    for block in BAND:
        metrics = {name: one for name, one in fresh.items() if name == "metrics"}
        blocks[block] = [
            row for name, one in metrics.items() for row in lines(block, own[name], one)
        ]
    blocks[THRESHOLD] = [
        line(THRESHOLD, own[name], shown(one.threshold))
        for name, one in fresh.items()
        if np.isfinite(one.threshold)
    ]
    return "".join(f"{row}\n" for name, rows in blocks.items() for row in headed(name, rows))


def lines(name: str, own: dict[str, str], readings: Readings) -> Iterator[str]:
    """A sample of each series for which there is a value."""
    values = getattr(readings, BAND.get(name, "scores"))
    for series in np.flatnonzero(np.isfinite(values)).tolist():
        labels = own | labels_of(readings.keys[series], own["detector"])
        yield line(name, labels, shown(values[series]))


def labels_of(key: str, detector: str) -> dict[str, str]:
    """A series' own labels, under names that clash with none of ours.

    >>> labels_of('errors{job="web",desk="3",http.code="500"}', "metrics")
    {'metric': 'errors', 'job': 'web', 'exported_desk': '3', 'http_code': '500'}
    >>> labels_of("VPN", "tickets")
    {'category': 'VPN'}
    """
    if detector != "metrics":
        return {"category": key}
    name, labels = parsed(key)
    return {"metric": name} | {
        f"exported_{label}" if label in OWN else UNFIT.sub("_", label): text
        for label, text in labels.items()
    }


def shown(value: float) -> float:
    """Six digits are all that a float32 has."""
    return float(f"{value:.6g}")
