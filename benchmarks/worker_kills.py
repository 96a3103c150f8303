"""Workers of the endpoint killed while tickets come, on either database: what becomes of these."""

import itertools
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.besieged import N_CLIENTS, answer_of, going
from benchmarks.page import table
from benchmarks.postgres import postgres
from benchmarks.serving import (
    DESK,
    TARGETS,
    Server,
    family,
    of_length,
    ours,
    running,
    store_of,
    token_for,
)
from benchmarks.triage import existing
from data.store import Store
from models.triage import Triage
from pipelines.dataset import from_file

N_BETWEEN = 20  # tickets answered between two kills: a worker that only starts is not worth one
PATIENCE = 60.0  # seconds that these may take


class Kept(NamedTuple):
    """Tickets that were answered with 2xx, and what of them is in the store."""

    database: str
    kills: int
    restarts: int
    answered: int
    stored: int
    missing: int
    doubled: int


class How(NamedTuple):
    """How much is done; less of it proves only that the benchmark itself works."""

    n_kills: int = 50
    n_restarts: int = 5


SHORT = How(2, 1)


def measured(data: Path, how: How, say: Callable[[str], None]) -> str:
    """The table, as it stands on the page."""
    path = existing(data, "endava_it_tickets_subset.csv.gz")
    tickets = from_file(path, ["title", "body"], TARGETS)
    rows = np.random.default_rng(0).permutation(len(tickets))
    asked = of_length(tickets.take(rows[: len(rows) // 5].tolist()))
    train = tickets.take(rows[len(rows) // 5 :].tolist())
    with tempfile.TemporaryDirectory() as name:
        saved, home = Path(name) / "words", Path(name) / "home"
        saved.mkdir()
        say("training words")
        labels = {target: train.labels[target] for target in TARGETS}
        Triage().fit(train.fields, labels, ordered=False).save(saved)
        server = ours("words", home, saved, asked)
        return kills_table(list(all_killed(server, home, asked, how, say)))


def all_killed(
    server: Server,
    home: Path,
    asked: Sequence[dict[str, str]],
    how: How,
    say: Callable[[str], None],
) -> Iterator[Kept]:
    """On SQLite, and on a PostgreSQL that is itself stopped and started again meanwhile."""
    place = Under("SQLite", store_of(home), how.n_kills, [])
    yield killed(server, place, asked, say)
    with postgres() as own:
        every = max(1, how.n_kills // (how.n_restarts + 1))
        place = Under("PostgreSQL, restarted", own.url, how.n_kills, [own.stop, own.start], every)
        yield killed(server, place, asked, say)


class Under(NamedTuple):
    """A database, and what is done to it after `every` so many kills."""

    name: str
    url: str
    n_kills: int
    restart: Sequence[Callable[[], None]]
    every: int = 0


def killed(
    server: Server, under: Under, asked: Sequence[dict[str, str]], say: Callable[[str], None]
) -> Kept:
    """Kill a worker again and again while tickets come; who gets no answer sends it again."""
    many = server._replace(
        command=lambda port: [*server.command(port), "--workers", "2"],
        environ={**server.environ, "FOREWARN_DATABASE_URL": under.url},
        headers={"Authorization": f"Bearer {token_for(under.url, 'tickets')}"},
    )
    answered: set[str] = set()
    numbers, done = itertools.count(), threading.Event()

    def send() -> None:
        while not done.is_set():
            id = f"T{next(numbers)}"
            body = json.dumps({"external_id": id, **asked[len(answered) % len(asked)]}).encode()
            while not done.is_set():
                if status_of(port, "/v1/tickets", body, many.headers) == 200:
                    answered.add(id)
                    break
                time.sleep(0.05)

    with running(many) as (port, process, _), going(send, N_CLIENTS, done):
        for number in range(1, under.n_kills + 1):
            wait_for_more(answered)
            workers = [pid for pid in family(process.pid)[1:] if is_worker(pid)]
            if workers:
                os.kill(workers[0], signal.SIGKILL)
            if under.every and number % under.every == 0:
                for step in under.restart:
                    step()
            say(f"{under.name}: {number} of {under.n_kills} killed, {len(answered):,} answered")
    store = Store(under.url)
    try:
        rows = [ticket.external_id for ticket in store.tickets(DESK)]
    finally:
        store.close()
    kept = answered & set(rows)
    n_restarts = under.n_kills // under.every if under.every else 0
    return Kept(
        under.name, under.n_kills, n_restarts, len(answered), len(kept),
        len(answered - kept), len(rows) - len(set(rows)),
    )  # fmt: skip


def wait_for_more(answered: set[str]) -> None:
    """Until `N_BETWEEN` more tickets were answered, so that each kill meets a worker at work."""
    wanted, until = len(answered) + N_BETWEEN, time.monotonic() + PATIENCE
    while len(answered) < wanted:
        if time.monotonic() > until:
            raise RuntimeError(f"{N_BETWEEN} tickets were not answered within {PATIENCE:.0f} s")
        time.sleep(0.05)


def is_worker(pid: int) -> bool:
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()


def status_of(port: int, path: str, body: bytes, headers: Mapping[str, str]) -> int:
    return answer_of(port, path, body, headers)[0]


def kills_table(found: Sequence[Kept]) -> str:
    columns = (
        "database", "workers killed", "restarts of the database", "tickets answered with 2xx",
        "of these in the store", "missing", "doubled",
    )  # fmt: skip
    return table(columns, [[one[0], *(f"{n:,}" for n in one[1:])] for one in found])
