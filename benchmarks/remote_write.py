"""A real Prometheus writes to a real endpoint that is killed meanwhile: does all of it arrive?"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.kills import worked
from benchmarks.page import table
from benchmarks.scraped import Scraped, exporter, free_port, prometheus, scraped, wait_for
from data.history import History
from data.keys import new_key
from data.store import Store

ROOT = Path(__file__).parent.parent
DESK, N_SERIES, SECONDS, N_KILLS = "it", 2000, 600.0, 6
PATIENCE = 60.0  # seconds in which all that was scraped has to arrive
COLUMNS = (
    "series", "seconds", "kills", "scraped", "stored", "missing", "another value", "twice",
    "never scraped", "CPU s of the endpoint", "CPU ms a 1,000 samples",
)  # fmt: skip


class Outcome(NamedTuple):
    """What Prometheus scraped, what of it is stored, and what the endpoint took for it."""

    seconds: float
    n_kills: int
    n_scraped: int
    n_stored: int
    missing: int
    changed: int
    doubled: int
    foreign: int
    cpu_seconds: float


class Endpoint:
    """`forewarn serve` on a port of its own, which may be killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.cpu_seconds = 0.0

    def start(self) -> None:
        environ = {"FOREWARN_HOME": str(self.home), "FOREWARN_PORT": str(self.port)}
        with (self.home / "serve.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipelines", "serve"],
                cwd=ROOT,
                env=os.environ | environ | {"FOREWARN_LOG_LEVEL": "WARNING"},
                stdout=log,
                stderr=log,
            )
        wait_for(f"{self.address}/healthz", self._process)
        self._cpu_before = worked(self._process.pid)  # what starting took

    def kill(self) -> None:
        self.cpu_seconds += worked(self._process.pid) - self._cpu_before
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@contextmanager
def endpoint(home: Path) -> Iterator[Endpoint]:
    home.mkdir(parents=True, exist_ok=True)
    made = Endpoint(home)
    made.start()
    try:
        yield made
    finally:
        made.kill()


def token_for(home: Path) -> str:
    """A key that may write the desk's metrics."""
    store = Store(f"sqlite:///{home / 'forewarn.db'}")
    try:
        key, token = new_key(["metrics"], [DESK], datetime.now(UTC))
        store.put_key(key)
        return token
    finally:
        store.close()


def run(folder: Path, seconds: float, n_kills: int, n_series: int, seed: int = 0) -> Outcome:
    """Scrape once a second for `seconds`, the endpoint killed `n_kills` times meanwhile."""
    pauses = np.diff([0, *np.sort(np.random.default_rng(seed).uniform(0, 1, n_kills)), 1]) * seconds
    home, began = folder / "home", time.time()
    with endpoint(home) as receiver, exporter(n_series) as target:
        url = f"{receiver.address}/api/v1/write"
        with prometheus(folder / "prometheus", target, url, token_for(home)) as address:
            for pause in pauses[:-1]:
                time.sleep(pause)
                receiver.kill()
                receiver.start()
            time.sleep(pauses[-1])
            wanted = scraped(address, began, time.time())
            had = arrived(home, wanted)
    stored, n_rows = stored_in(home)
    there = {key: value for key, value in stored.items() if key in wanted}
    last = max(at for _, at in wanted)
    return Outcome(
        seconds,
        n_kills,
        len(wanted),
        len(there),
        len(wanted) - len(there),
        sum(wanted[key] != value for key, value in there.items()),
        n_rows - len(stored),
        sum(at <= last for _, at in stored.keys() - wanted.keys()),
        receiver.cpu_seconds if had else float("nan"),
    )


def arrived(home: Path, wanted: Scraped) -> bool:
    """Whether all of it is stored within `PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if wanted.keys() <= stored_in(home)[0].keys():
            return True
        time.sleep(1)
    return False


def stored_in(home: Path) -> tuple[Scraped, int]:
    """The samples that the endpoint has stored, and the rows that they fill."""
    store = Store(f"sqlite:///{home / 'forewarn.db'}")
    try:
        history = History(store.engine, home / "history")
        now = datetime.now(UTC)
        keys, _, series, at, values = history.columns(DESK, now - timedelta(days=1), now)
        moments = at.astype(np.int64).tolist()
        names = [keys[number] for number in series.tolist()]
        n_rows = history.count(DESK)
        return dict(zip(zip(names, moments, strict=True), values.tolist(), strict=True)), n_rows
    finally:
        store.close()


def measured() -> str:
    """The whole run, as a table of one row."""
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), SECONDS, N_KILLS, N_SERIES)
    row = [
        f"{N_SERIES:,}",
        f"{found.seconds:.0f}",
        *(f"{n:,}" for n in found[1:8]),
        f"{found.cpu_seconds:.1f}",
        f"{1e6 * found.cpu_seconds / max(found.n_stored, 1):.1f}",
    ]
    return table(COLUMNS, [row])
