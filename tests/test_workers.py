"""Several processes on one port: each answers, and none is left behind."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from data.settings import Settings
from data.store import Store
from tests.endpoint import free_port, promote, put_key, train, wait_for
from tests.receiving import until

ROOT = Path(__file__).parent.parent


def children(pid):
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def home(tmp_path):
    promote(tmp_path / "home", train(tmp_path / "m"), "1")
    return tmp_path / "home"


def test_two_workers_answer_and_go_with_the_server(home):
    store = Store(Settings(home=home).database_url)
    key = put_key(store, "score")
    store.close()
    port = free_port()
    environ = {"FOREWARN_HOME": str(home), "FOREWARN_PORT": str(port)}
    server = subprocess.Popen(
        [sys.executable, "-m", "pipelines", "serve", "--workers", "2"],
        cwd=ROOT,
        env=os.environ | environ,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", server)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        for _ in range(8):
            asked = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/tickets/score", b'{"title": "vpn down"}', headers
            )
            with urllib.request.urlopen(asked, timeout=30) as answer:
                told = json.load(answer)
            assert told["results"][0]["targets"]["group"]["label"] == "net"
        workers = children(server.pid)
        assert len(workers) >= 2
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
