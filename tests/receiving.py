"""Real receivers of alerts: a webhook's server that can fail, hang and die, and an Alertmanager."""

import json
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from data.records import Alert
from tests.endpoint import an_alert, free_port, wait_for

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


class Hook:
    """What a webhook's server was sent, on a port that stays its own while it is down.

    `answer` gives (status, headers) for a request; by default all is well.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.received: list[Request] = []
        self.answer: Callable[[Request], tuple[int, dict[str, str]]] = lambda _: (200, {})
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/T0KEN"

    @property
    def keys(self) -> list[str]:
        return [request.key for request in self.received]

    @property
    def statuses(self) -> list[str]:
        return [request.told["status"] for request in self.received]

    def start(self) -> None:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # connections are kept, as a real server does

            def do_POST(self) -> None:
                headers = {name.lower(): text for name, text in self.headers.items()}
                body = self.rfile.read(int(headers["content-length"]))
                request = Request(self.path, headers.get("idempotency-key", ""), headers, body)
                hook.received.append(request)
                status, told = hook.answer(request)
                try:
                    self.send_response(status)
                    for name, text in (told | {"Content-Length": "4"}).items():
                        self.send_header(name, text)
                    self.end_headers()
                    self.wfile.write(b"said")
                except OSError:  # whoever asked was killed
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


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
