"""A small desk for the tests of the endpoint and the page: a model, alerts, keys, a server."""

import math
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.keys import new_key
from data.published import publish
from data.records import Alert, Trace
from data.replays import BudgetTold, Declared, Estimate, Fired, ReplayTold
from data.sources.desk_ticket import HIGH, LOW, MEDIUM
from data.store import Store
from data.store_replays import Replay
from models.triage import Triage

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)
STEP = timedelta(minutes=5)
TEXTS = ["printer jam", "printer broken", "old printer", "vpn down", "vpn slow", "my vpn"] * 40
GROUPS = ["print", "print", "print", "net", "net", "net"] * 40


def train(folder: Path, groups: list[str] = GROUPS) -> Path:
    folder.mkdir(parents=True)
    fields = {"title": TEXTS, "body": ["please help"] * len(TEXTS)}
    Triage(precision=0.9).fit(fields, {"group": groups}, ordered=False).save(folder)
    return folder


DESK_LABELS = {  # of tickets on the VPN, and on printers
    "category": ("Network / VPN", "Printing"),
    "priority": ("P1", "P4"),
    "impact": (HIGH, LOW),
    "urgency": (MEDIUM, LOW),
    "group": ("Net Ops", "Field"),
}


def train_for_desks(
    folder: Path, targets: Iterable[str] = DESK_LABELS, body: str = "please help"
) -> Path:
    """A model in `folder` of labels that help desks know."""
    folder.mkdir()
    fields = {"title": TEXTS, "body": [body] * len(TEXTS)}
    labels = {name: [DESK_LABELS[name]["vpn" not in text] for text in TEXTS] for name in targets}
    Triage(precision=0.9).fit(fields, labels, ordered=False).save(folder)
    return folder


def promote(home: Path, folder: Path, version: str, desk: str = "default") -> None:
    publish(home, f"ticket-{desk}", version, f"run{version}", folder)


def an_alert(number: int, **changed: object) -> Alert:
    """The alert of this number: opened `number` hours before NOW, lasting half an hour."""
    opened = NOW - timedelta(hours=number)
    told = {
        "id": f"{number:032x}",
        "desk": "default",
        "kind": "metric",
        "key": "vpn_auth_errors",
        "opened_at": opened,
        "peak_at": opened + 2 * STEP,
        "closed_at": opened + 6 * STEP,
        "score": 9.0,
        "threshold": 4.0,
        "observed": 180.0,
        "expected": 40.0,
        "lower": 20.0,
        "upper": 62.0,
        "why": "vpn_auth_errors stood at 180 where 20 to 62 is normal for a Wednesday morning.",
        "detector": "metrics",
    }
    return Alert(**told | changed)


def a_trace(alert: Alert, n_steps: int = 96) -> Trace:
    """A daily wave with a fault in it, as the detector would have kept it."""
    n_steps = n_steps if alert.closed_at else n_steps // 2 + 6
    start = alert.opened_at - 48 * STEP
    times = [start + i * STEP for i in range(n_steps)]
    expected = [alert.expected * (1 + 0.3 * math.sin(i / 15)) for i in range(n_steps)]
    lower, upper = [0.6 * e for e in expected], [1.5 * e for e in expected]
    observed = [e * (1 + 0.12 * math.sin(7.3 * i)) for i, e in enumerate(expected)]
    for i, at in enumerate(times):
        if alert.opened_at <= at < (alert.closed_at or times[-1]):
            observed[i] = alert.observed * (1 - 0.12 * abs(i - 50))
    return Trace(alert.id, tuple(times), *map(tuple, (observed, expected, lower, upper)))


def put_alerts(store: Store, *alerts: Alert) -> None:
    for alert in alerts:
        store.save_detection(alert.desk, alert.detector, NOW, b"", [alert], [a_trace(alert)])


def a_replay(**changed: object) -> ReplayTold:
    """Four weeks of two budgets: the higher one also finds the second of two incidents."""
    start = NOW - timedelta(weeks=4)
    onsets = [start + timedelta(days=days) for days in (9, 20)]
    likely = Estimate(1.0, 0.5, 2.0)
    told = {
        "detector": "rare",
        "marked": 1.0,
        "step_seconds": 300,
        "start": start,
        "stop": NOW,
        "n_weeks": 4.0,
        "n_series": 25,
        "n_points": 200_000,
        "budgets": (
            BudgetTold(1.0, 2, likely, 1, likely, 0.01, likely, likely, 1, likely),
            BudgetTold(4.0, 3, likely, 2, likely, 0.02, likely, likely, 1, likely),
        ),
        "fired": (
            fired(1.0, onsets[0], incident="I1"),
            fired(1.0, onsets[0] + timedelta(days=3), score=14.0),
            fired(4.0, onsets[0], incident="I1"),
            fired(4.0, onsets[0] + timedelta(days=3)),
            fired(4.0, onsets[1], incident="I2"),
        ),
        "incidents": tuple(
            Declared(f"I{n}", f"Mail down, {n}", at, at + timedelta(hours=3), least)
            for n, at, least in zip((1, 2), onsets, (1.0, 4.0), strict=True)
        ),
    }
    return ReplayTold(**told | changed)


def fired(budget: float, opened_at: datetime, **changed: object) -> Fired:
    told = {"series": "queue", "closed_at": opened_at + STEP, "score": 6.0, "threshold": 4.0,
            "observed": 9.0, "expected": 4.0, "lower": 1.0, "upper": 6.0,
            "why": "queue is 9, expected 1 to 6 at 09:00 on a Monday"}  # fmt: skip
    return Fired(budget=budget, opened_at=opened_at, **told | changed)


def put_replay(store: Store, desk: str = "default", **changed: object) -> None:
    made_at = NOW - timedelta(days=2)
    store.put_replay(
        desk, "metrics", Replay(made_at, "forewarn replay metrics", a_replay(**changed))
    )


def put_key(store: Store, *scopes: str, desks: tuple[str, ...] = ("*",)) -> str:
    key, token = new_key(scopes, desks, NOW)
    store.put_key(key)
    return token


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def serving(home: Path, **environ: str) -> Iterator[str]:
    """A real `uvicorn serve:app` on a free port; gives its address."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "serve:app", "--port", str(port)]
    log = (home / "serve.log").open("w")
    process = subprocess.Popen(
        [*command, "--log-level", "warning"],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"FOREWARN_HOME": str(home), **environ},
        stdout=log,
        stderr=log,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def wait_for(url: str, process: subprocess.Popen, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer; the server's state is {process.poll()}")
