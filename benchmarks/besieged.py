"""The endpoint while its models are swapped, far more is asked than it can, and all is made up."""

import http.client
import itertools
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.fuzzed import (
    READERS,
    Asked,
    Fuzzed,
    for_seconds,
    fuzzed_table,
    parsed,
    requested,
)
from benchmarks.overload import overload_table, overloaded
from benchmarks.page import table
from benchmarks.serving import (
    DESK,
    TARGETS,
    Server,
    of_length,
    ours,
    running,
    store_of,
    token_for,
)
from benchmarks.triage import existing
from data.published import publish
from models.triage import Triage
from pipelines.dataset import from_file
from pipelines.encoder import encoder

N_CLIENTS = 4


class Swapped(NamedTuple):
    """Requests under promotions: those that failed, those that named no version that was served."""

    promotions: int
    requests: int
    failed: int
    nameless: int
    versions: int


class Measured(NamedTuple):
    promotions: str
    overload: str
    fuzzed: str


class How(NamedTuple):
    """How much is done; less of it proves only that the benchmark itself works."""

    n_promotions: int = 50
    n_requests: int = 1_000
    overload_seconds: float = 60.0
    fuzzing_seconds: float = 600.0
    n_tickets: int = 10**9  # that the models learn, at most


SHORT = How(3, 100, 6.0, 10.0, 1_500)


def measured(data: Path, how: How, say: Callable[[str], None]) -> Measured:
    path = existing(data, "endava_it_tickets_subset.csv.gz")
    tickets = from_file(path, ["title", "body"], TARGETS)
    rows = np.random.default_rng(0).permutation(len(tickets))
    asked = of_length(tickets.take(rows[: len(rows) // 5].tolist()))
    train = tickets.take(rows[len(rows) // 5 :][: how.n_tickets].tolist())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        read = encoder(folder / "encoder-home")
        saved, homes = {}, {}
        for model, triage in (("words", Triage()), ("cascade", Triage(encoder=read))):
            say(f"training {model}")
            saved[model], homes[model] = folder / model, folder / f"home-{model}"
            saved[model].mkdir()
            labels = {target: train.labels[target] for target in TARGETS}
            triage.fit(train.fields, labels, ordered=False).save(saved[model])
        servers = {model: ours(model, homes[model], place, asked) for model, place in saved.items()}
        words, home = servers["words"], homes["words"]
        swapped = promoted(words, home, saved["words"], how, say)
        return Measured(
            promotions_table(swapped),
            overload_table(
                [overloaded(one, how.overload_seconds, say) for one in servers.values()]
            ),
            fuzzed_table(all_fuzzed(words, home, how, say)),
        )


def all_fuzzed(server: Server, home: Path, how: How, say: Callable[[str], None]) -> list[Fuzzed]:
    """Half of the time the parsers of webhooks, half of it every operation of the endpoint."""
    half = how.fuzzing_seconds / 2
    found = for_seconds(half, lambda n: [parsed(name, 500, n) for name in READERS], say)
    token = token_for(store_of(home), "admin")
    known = {"model": f"ticket-{DESK}", "desk": DESK, "source": "api", "external_id": "T0"}
    with running(server) as (port, _, _):
        asked = Asked(f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {token}"}, known)
        over_http = for_seconds(half, lambda n: list(requested(asked, 10, n)), say)
    n_examples = sum(one.n_examples for one in over_http)
    breaches = [breach for one in over_http for breach in one.breaches]
    for breach in breaches:
        say(breach)
    return [*found, Fuzzed(f"{len(over_http)} operations over HTTP", n_examples, breaches)]


def promoted(
    server: Server, home: Path, saved: Path, how: How, say: Callable[[str], None]
) -> Swapped:
    """Ask while one version after the other is promoted."""
    told: list[tuple[int, str]] = []
    done = threading.Event()

    def ask() -> None:
        bodies = itertools.cycle(server.bodies)
        while not done.is_set():
            told.append(answer_of(port, server.path, next(bodies), server.headers))

    with running(server) as (port, _, _), going(ask, N_CLIENTS, done):
        for number in range(how.n_promotions):
            publish(home, f"ticket-{DESK}", str(number % 3 + 2), f"run{number}", saved)
            time.sleep(0.5)
        while len(told) < how.n_requests:
            time.sleep(0.1)
    failed = sum(status != 200 for status, _ in told)
    versions = [json.loads(body)["model"]["version"] for status, body in told if status == 200]
    nameless = sum(version not in {"1", "2", "3", "4"} for version in versions)
    say(f"{how.n_promotions} promotions: {len(told):,} requests, {failed} failed")
    return Swapped(how.n_promotions, len(told), failed, nameless, len(set(versions)))


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


def promotions_table(found: Swapped) -> str:
    columns = ("promotions", "requests", "failed", "naming no version", "versions that answered")
    return table(columns, [[f"{one:,}" for one in found]])
