"""Alerts held against incidents, by hand."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from data.records import Alert, Incident
from pipelines.found import compare

START = datetime(2026, 2, 16, tzinfo=UTC)
STOP = START + timedelta(weeks=2)
VPN = Incident(
    id="i1",
    desk="it",
    title="VPN gateway",
    onset_at=START + timedelta(hours=9),
    ended_at=START + timedelta(hours=11),
    categories=("VPN",),
    series=("vpn.errors",),
)


def alert(hours: float, key: str, kind: str = "metric") -> Alert:
    opened_at = START + timedelta(hours=hours)
    numbers = dict.fromkeys(("observed", "expected", "lower", "upper"), 1.0)
    return Alert(
        id=f"{kind}-{key}-{hours}",
        desk="it",
        kind=kind,
        key=key,
        opened_at=opened_at,
        score=5.0,
        threshold=4.0,
        why="",
        detector="rare",
        **numbers,
    )


def test_minutes_count_from_the_true_onset_to_the_first_alert():
    compared = compare([alert(10, "vpn.errors"), alert(9.5, "VPN", "surge")], [VPN], START, STOP)
    assert compared.found[0].minutes == 30
    assert compared.share == 1.0
    assert not compared.false


@pytest.mark.parametrize(
    ("hours", "key"),
    [(8.9, "vpn.errors"), (13.1, "vpn.errors"), (10, "mail.errors"), (10, "VPN")],
    ids=["before the onset", "two hours after the end", "another series", "a series of that name"],
)
def test_what_is_not_about_the_incident_is_false(hours, key):
    compared = compare([alert(hours, key)], [VPN], START, STOP)
    assert compared.share == 0.0
    assert np.isnan(compared.median_minutes)
    assert compared.false_per_week == 0.5


def test_the_total_tells_of_any_incident():
    assert compare([alert(10, "total", "surge")], [VPN], START, STOP).share == 1.0


def test_only_the_time_asked_for_counts():
    late = START + timedelta(hours=12)
    compared = compare([alert(10, "vpn.errors")], [VPN], late, STOP)
    assert not compared.found
    assert not compared.false
    assert np.isnan(compared.share)


def test_an_incident_without_an_end_ends_where_it_began():
    open_ended = Incident("i2", "it", "?", START + timedelta(hours=9), series=("vpn.errors",))
    alerts = [alert(10.9, "vpn.errors"), alert(11.1, "vpn.errors")]
    compared = compare(alerts, [open_ended], START, STOP)
    assert [len(one.alerts) for one in compared.found] == [1]
    assert len(compared.false) == 1


def test_an_alert_is_told_when_its_step_is_over():
    step = timedelta(minutes=30)
    compared = compare([alert(8.75, "vpn.errors")], [VPN], START, STOP, step)
    assert compared.found[0].told_at == VPN.onset_at + timedelta(minutes=15)
    assert compared.found[0].minutes == 15
    assert not compare([alert(8.25, "vpn.errors")], [VPN], START, STOP, step).found[0].alerts
