"""The endpoint while its workers are killed, its models swapped, and far more asked than it can."""

import http.client
import itertools
import json
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.page import table
from benchmarks.serving import (
    DESK,
    TARGETS,
    Server,
    family,
    of_length,
    ours,
    running,
    token_for,
    work,
)
from benchmarks.triage import existing
from data.published import publish
from data.store import Store
from models.triage import Triage
from pipelines.dataset import from_file
from pipelines.encoder import encoder

N_KILLS, N_CLIENTS, SECONDS_BETWEEN = 50, 4, 1.0
N_PROMOTIONS, N_REQUESTS = 50, 1_000
CROWD, SECONDS = 64, 20.0  # connections that ask again as soon as they are answered


class Kept(NamedTuple):
    """Tickets that were answered with 2xx, and what of them is in the store."""

    kills: int
    answered: int
    stored: int
    missing: int


class Swapped(NamedTuple):
    """Requests under promotions: those that failed, those that named no version that was served."""

    promotions: int
    requests: int
    failed: int
    nameless: int
    versions: int


class Crowd(NamedTuple):
    """What a crowd was answered, and how soon; `alone` and `after` are p99 of one connection."""

    model: str
    statuses: Counter[int]
    seconds: float
    accepted: np.ndarray
    refused: np.ndarray
    alone: float
    after: float


class Measured(NamedTuple):
    kills: str
    promotions: str
    crowds: str


def measured(data: Path) -> Measured:
    path = existing(data, "endava_it_tickets_subset.csv.gz")
    tickets = from_file(path, ["title", "body"], TARGETS)
    rows = np.random.default_rng(0).permutation(len(tickets))
    asked = of_length(tickets.take(rows[: len(rows) // 5].tolist()))
    train = tickets.take(rows[len(rows) // 5 :].tolist())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        read = encoder(folder / "encoder-home")
        saved = {}
        for model, triage in (("words", Triage()), ("cascade", Triage(encoder=read))):
            saved[model] = folder / model
            saved[model].mkdir()
            labels = {target: train.labels[target] for target in TARGETS}
            triage.fit(train.fields, labels, ordered=False).save(saved[model])
        servers = {
            model: ours(model, folder / f"home-{model}", place, asked)
            for model, place in saved.items()
        }
        return Measured(
            kills_table(killed(servers["words"], folder / "home-words", asked)),
            promotions_table(promoted(servers["words"], folder / "home-words", saved["words"])),
            crowds_table([crowded(server) for server in servers.values()]),
        )


def killed(server: Server, home: Path, asked: Sequence[dict[str, str]]) -> Kept:
    """Kill a worker again and again while tickets come; who gets no answer sends it again."""
    many = server._replace(
        command=lambda port: [*server.command(port), "--workers", "2"],
        headers={"Authorization": f"Bearer {token_for(home, 'tickets')}"},
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
        for _ in range(N_KILLS):
            time.sleep(SECONDS_BETWEEN)
            workers = [pid for pid in family(process.pid)[1:] if is_worker(pid)]
            if workers:
                os.kill(workers[0], signal.SIGKILL)
    store = Store(f"sqlite:///{home / 'forewarn.db'}")
    try:
        kept = store.tickets_of(DESK, [("api", id) for id in sorted(answered)])
    finally:
        store.close()
    return Kept(N_KILLS, len(answered), len(kept), len(answered) - len(kept))


def is_worker(pid: int) -> bool:
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()


def promoted(server: Server, home: Path, saved: Path) -> Swapped:
    """Ask while one version after the other is promoted."""
    told: list[tuple[int, str]] = []
    done = threading.Event()

    def ask() -> None:
        bodies = itertools.cycle(server.bodies)
        while not done.is_set():
            told.append(answer_of(port, server.path, next(bodies), server.headers))

    with running(server) as (port, _, _), going(ask, N_CLIENTS, done):
        for number in range(N_PROMOTIONS):
            publish(home, f"ticket-{DESK}", str(number % 3 + 2), f"run{number}", saved)
            time.sleep(0.5)
        while len(told) < N_REQUESTS:
            time.sleep(0.1)
    failed = sum(status != 200 for status, _ in told)
    versions = [json.loads(body)["model"]["version"] for status, body in told if status == 200]
    known = {"1", "2", "3", "4"}
    nameless = sum(version not in known for version in versions)
    return Swapped(N_PROMOTIONS, len(told), failed, nameless, len(set(versions)))


def crowded(server: Server) -> Crowd:
    """One connection alone, then a crowd, then one again."""
    statuses: Counter[int] = Counter()
    accepted: list[float] = []
    refused: list[float] = []
    done = threading.Event()

    def ask() -> None:
        line, bodies = http.client.HTTPConnection("127.0.0.1", port), itertools.cycle(server.bodies)
        headers = {"Content-Type": "application/json", **server.headers}
        while not done.is_set():
            began = time.perf_counter()
            line.request("POST", server.path, next(bodies), headers)
            answer = line.getresponse()
            answer.read()
            statuses[answer.status] += 1
            took = accepted if answer.status == 200 else refused
            took.append(time.perf_counter() - began)
        line.close()

    with running(server) as (port, _, _):
        work(server, port, 1, n_requests=200)
        alone = np.percentile(work(server, port, 1, seconds=5), 99)
        began = time.perf_counter()
        with going(ask, CROWD, done):
            time.sleep(SECONDS)
        seconds = time.perf_counter() - began
        after = np.percentile(work(server, port, 1, seconds=5), 99)
    return Crowd(
        server.model, statuses, seconds, np.array(accepted), np.array(refused), float(alone),
        float(after),
    )  # fmt: skip


@contextmanager
def going(what: Callable[[], None], n: int, done: threading.Event) -> Iterator[None]:
    """`what` in `n` threads, until the end of the block sets `done`."""
    threads = [threading.Thread(target=what) for _ in range(n)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def status_of(port: int, path: str, body: bytes, headers: Mapping[str, str]) -> int:
    return answer_of(port, path, body, headers)[0]


def answer_of(port: int, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    """Status and body; 0 where there was no answer."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        line.request("POST", path, body, {"Content-Type": "application/json", **headers})
        answer = line.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        line.close()


def kills_table(found: Kept) -> str:
    columns = ("workers killed", "tickets answered with 2xx", "of these in the store", "missing")
    return table(columns, [[f"{one:,}" for one in found]])


def promotions_table(found: Swapped) -> str:
    columns = ("promotions", "requests", "failed", "naming no version", "versions that answered")
    return table(columns, [[f"{one:,}" for one in found]])


def crowds_table(crowds: Sequence[Crowd]) -> str:
    columns = (
        "model", "asked a second", "answered a second", "refused (429)", "other answers",
        "p99 alone ms", "p99 of the answered ms", "p99 of the refused ms", "p99 afterwards ms",
    )  # fmt: skip
    return table(columns, [crowd_row(one) for one in crowds])


def crowd_row(one: Crowd) -> list[str]:
    n, n_ok, n_refused = one.statuses.total(), one.statuses[200], one.statuses[429]
    return [
        one.model,
        f"{n / one.seconds:,.0f}",
        f"{n_ok / one.seconds:,.0f}",
        f"{n_refused / n:.0%}",
        f"{n - n_ok - n_refused:,}",
        f"{1000 * one.alone:.0f}",
        f"{1000 * np.percentile(one.accepted, 99):.0f}" if len(one.accepted) else "",
        f"{1000 * np.percentile(one.refused, 99):.0f}" if len(one.refused) else "",
        f"{1000 * one.after:.0f}",
    ]
