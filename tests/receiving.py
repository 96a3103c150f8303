"""Real receivers of alerts: a webhook's server that can fail, hang and die, and an Alertmanager."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from data.records import Alert
from tests.endpoint import an_alert, free_port, wait_for
from tests.local_server import Headers, LocalServer

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
CONFIG = """
route: {{receiver: hook, group_by: [series], group_wait: 0s, group_interval: 1s}}
receivers: [{{name: hook, webhook_configs: [{{url: "{hook}"}}]}}]
"""


class Request(NamedTuple):
    path: str
    key: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict:
        return json.loads(self.body)


class Hook(LocalServer):
    """What a webhook's server was sent, on a port that stays its own while it is down.

    `answer` gives (status, headers) for a request; by default all is well.
    """

    def __init__(self) -> None:
        super().__init__(self._take)
        self.received: list[Request] = []
        self.answer: Callable[[Request], tuple[int, Headers]] = lambda _: (200, {})

    def _take(
        self, _method: str, path: str, headers: Headers, body: bytes
    ) -> tuple[int, Headers, bytes]:
        request = Request(path, headers.get("idempotency-key", ""), headers, body)
        self.received.append(request)
        return *self.answer(request), b"said"

    @property
    def url(self) -> str:
        return f"{super().url}/hook/T0KEN"

    @property
    def keys(self) -> list[str]:
        return [request.key for request in self.received]

    @property
    def statuses(self) -> list[str]:
        return [request.told["status"] for request in self.received]


@contextmanager
def alertmanager(folder: Path, hook: Hook) -> Iterator[str]:
    """A real Alertmanager of its own, that tells `hook`; gives its address."""
    if ALERTMANAGER is None:
        pytest.skip("no prometheus-alertmanager here; `make servers` installs it")
    port, config = free_port(), folder / "alertmanager.yml"
    config.write_text(CONFIG.format(hook=hook.url))
    with (folder / "alertmanager.log").open("w") as log:
        process = subprocess.Popen(
            [
                ALERTMANAGER,
                f"--config.file={config}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/-/ready", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def alerts_at(url: str) -> list[dict]:
    """What an Alertmanager holds that still fires."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=5) as answer:
        return json.load(answer)


class Clock:
    """The time, as the test says."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def over(number: int = 1, **changed: object) -> Alert:
    """An alert that lasted half an hour."""
    return an_alert(number, **{"detector": "rare"} | changed)


def firing(number: int = 1, **changed: object) -> Alert:
    """An alert that still fires."""
    return over(number, **{"closed_at": None} | changed)


def until(said: Callable[[], object], seconds: float = 20) -> None:
    """Wait until `said()` is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not said():
        time.sleep(0.02)
    assert said()
