"""The same models behind `mlflow models serve` and behind our endpoint, under the same load."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.page import table
from benchmarks.scraped import free_port, wait_for
from benchmarks.triage import existing
from data.keys import new_key
from data.published import publish
from data.store import Store
from models.triage import Triage
from pipelines.dataset import Dataset, from_file
from pipelines.encoder import encoder, weights

ROOT = Path(__file__).parent.parent
SERVED = Path(__file__).parent / "served"
TARGETS = ("topic_group", "category", "impact", "urgency")
DESK, SECONDS, WARM_UP = "it", 8.0, 200
REST = 0.02  # seconds until one who was refused asks again
CONNECTIONS = (1, 8)
OURS = "forewarn serve"
THEIRS = "mlflow models serve"
RECIPE = "MiniLM + LR"
ALL_READ = "blend, all read"
BULK = {"words": (10_000, 1_000_000), "cascade": (10_000,)}  # tickets in one call
PEERS = (("words", "words"), ("cascade", "cascade"), ("cascade", ALL_READ), ("cascade", RECIPE))
WORDS = range(40, 81)  # of a ticket, 60 in the mean
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
COLUMNS = (
    "model", "server", "connections", "requests a second", "requests a CPU second",
    "CPU ms a request", "p50 ms", "p99 ms", "memory MB", "CPU s to start",
)  # fmt: skip


class Server(NamedTuple):
    """How one is started, where it answers, and what it is asked."""

    model: str
    name: str
    command: Callable[[int], list[str]]
    environ: Mapping[str, str]
    ready: str
    path: str
    headers: Mapping[str, str]
    bodies: Sequence[bytes]


class Load(NamedTuple):
    """What came of one load; `cpu` and `start_cpu` are seconds of all the server's processes."""

    model: str
    server: str
    connections: int
    n_requests: int
    seconds: float
    cpu: float
    latencies: np.ndarray
    n_bytes: int
    start_cpu: float

    @property
    def per_cpu_second(self) -> float:
        return self.n_requests / self.cpu


class Bulk(NamedTuple):
    """What one call of many tickets took; memory at its peak, before it and after."""

    model: str
    n_tickets: int
    seconds: float
    cpu: float
    n_bytes_before: int
    n_bytes: int


class Measured(NamedTuple):
    """The tables, as they stand on the page."""

    loads: str
    times: str
    bulks: str


def measured(data: Path) -> Measured:
    path = existing(data, "endava_it_tickets_subset.csv.gz")
    tickets = from_file(path, ["title", "body"], TARGETS)
    loads: list[Load] = []
    bulks: list[Bulk] = []
    with tempfile.TemporaryDirectory() as folder:
        for server in servers(Path(folder), tickets):
            loads += loaded(server)
            if server.model in BULK and server.name == OURS:
                bulks += [bulk(server, n_tickets) for n_tickets in BULK[server.model]]
    return Measured(
        table(COLUMNS, list(map(row, loads))), times_markdown(loads), bulk_markdown(bulks)
    )


def servers(folder: Path, tickets: Dataset) -> Iterator[Server]:
    """Each model behind each server, trained on four tickets in five and asked the others."""
    rows = np.random.default_rng(0).permutation(len(tickets))
    asked = of_length(tickets.take(rows[: len(rows) // 5].tolist()))
    train = tickets.take(rows[len(rows) // 5 :].tolist())
    read = encoder(folder / "encoder-home")
    for name, model in (("words", Triage()), ("cascade", Triage(encoder=read))):
        saved = folder / name
        saved.mkdir()
        model.fit(train.fields, {t: train.labels[t] for t in TARGETS}, ordered=False).save(saved)
        yield mlflow_server(name, folder, "triage_model", saved, asked)
        yield ours(name, folder / f"home-{name}", saved, asked)
    yield mlflow_server(ALL_READ, folder, "triage_model", saved, asked, {"tier": "full"})
    yield mlflow_server(RECIPE, folder, "recipe", recipe(folder, train), asked)
    yield bare(folder, asked)


def of_length(tickets: Dataset) -> list[dict[str, str]]:
    """The tickets of some 60 words."""
    pairs = zip(tickets.fields["title"], tickets.fields["body"], strict=True)
    some = [{"title": title, "body": body} for title, body in pairs]
    return [one for one in some if len(f"{one['title']} {one['body']}".split()) in WORDS]


def recipe(folder: Path, train: Dataset) -> Path:
    """A logistic regression a target on vectors of the encoder as its makers publish it."""
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression

    saved, reader = folder / "recipe", SentenceTransformer(str(weights()), device="cpu")
    saved.mkdir()
    texts = [f"{t} {b}" for t, b in zip(train.fields["title"], train.fields["body"], strict=True)]
    vectors, arrays, classes = reader.encode(texts), {}, {}
    for target in TARGETS:
        known = [row for row, label in enumerate(train.labels[target]) if label]
        fitted = LogisticRegression(C=5, max_iter=2000)
        fitted.fit(vectors[known], [train.labels[target][row] for row in known])
        arrays |= {f"{target} coef": fitted.coef_, f"{target} intercept": fitted.intercept_}
        classes[target] = fitted.classes_.tolist()
    about = {"encoder": str(weights()), "classes": classes}
    (saved / "recipe.json").write_text(json.dumps(about))
    np.savez(saved / "recipe.npz", **arrays)
    return saved


def mlflow_server(
    model: str,
    folder: Path,
    code: str,
    saved: Path,
    asked: Sequence[dict[str, str]],
    config: Mapping[str, str] | None = None,
) -> Server:
    import mlflow

    path = folder / f"mlflow-{model.replace(' ', '')}"
    mlflow.pyfunc.save_model(
        path,
        python_model=str(SERVED / f"{code}.py"),
        artifacts={"model": str(saved)},
        model_config=dict(config or {}),
        pip_requirements=[],
    )
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(path)]
    bin_first = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return Server(
        model,
        THEIRS,
        lambda port: [*command, "--env-manager", "local", "--host", "127.0.0.1", "-p", str(port)],
        {"PATH": bin_first, "PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"},
        "/ping",
        "/invocations",
        {},
        [json.dumps({"dataframe_records": [one]}).encode() for one in asked],
    )


def ours(model: str, home: Path, saved: Path, asked: Sequence[dict[str, str]]) -> Server:
    home.mkdir()
    publish(home, f"ticket-{DESK}", "1", "run", saved)
    return Server(
        model,
        OURS,
        lambda _: [sys.executable, "-m", "pipelines", "serve"],
        {"FOREWARN_HOME": str(home), "FOREWARN_DESK": DESK, "FOREWARN_LOG_LEVEL": "WARNING"},
        "/readyz",
        "/v1/tickets/score",
        {"Authorization": f"Bearer {token_for(store_of(home))}"},
        [json.dumps(one).encode() for one in asked],
    )


def bare(folder: Path, asked: Sequence[dict[str, str]]) -> Server:
    body = folder / "answer.json"
    body.write_text(json.dumps({"results": [{"targets": dict.fromkeys(TARGETS, "x" * 180)}]}))
    app = [sys.executable, "-m", "uvicorn", "benchmarks.served.bare:app", "--log-level", "warning"]
    return Server(
        "none: the floor",
        "a bare ASGI app",
        lambda port: [*app, "--port", str(port)],
        {"BARE_BODY": str(body)},
        "/",
        "/",
        {},
        [json.dumps(one).encode() for one in asked],
    )


def store_of(home: Path) -> str:
    """The URL of the store that lies in a home."""
    return f"sqlite:///{home / 'forewarn.db'}"


def token_for(url: str, scope: str = "score") -> str:
    store = Store(url)
    try:
        key, token = new_key([scope], [DESK], datetime.now(UTC))
        store.put_key(key)
        return token
    finally:
        store.close()


def loaded(server: Server) -> Iterator[Load]:
    """The server under each number of connections."""
    with running(server) as (port, process, start_cpu):
        work(server, port, 1, n_requests=WARM_UP)
        for connections in CONNECTIONS:
            cpu, began = cpu_of(process.pid), time.perf_counter()
            latencies = work(server, port, connections, seconds=SECONDS)
            seconds, used = time.perf_counter() - began, cpu_of(process.pid) - cpu
            n_bytes = sum(peak_bytes(pid) for pid in family(process.pid))
            yield Load(
                server.model, server.name, connections, len(latencies), seconds, used,
                latencies, n_bytes, start_cpu,
            )  # fmt: skip


@contextmanager
def running(server: Server) -> Iterator[tuple[int, subprocess.Popen[bytes], float]]:
    """The port, the process and the CPU seconds that it took to be ready."""
    port = free_port()
    process = subprocess.Popen(
        server.command(port),
        cwd=ROOT,
        env=os.environ | ONE_THREAD | server.environ | {"FOREWARN_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}{server.ready}", process)
        yield port, process, cpu_of(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def work(
    server: Server,
    port: int,
    connections: int,
    *,
    seconds: float = 1e9,
    n_requests: int = 10**9,
    passed: Container[int] = (),
) -> np.ndarray:
    """Seconds that each request took, one after the other on each connection.

    An answer other than 200 is an error; of those whose status is to be `passed`, no time is told.
    """
    until = time.perf_counter() + seconds

    def ask(start: int) -> list[float]:
        own, line = [], http.client.HTTPConnection("127.0.0.1", port)
        headers = {"Content-Type": "application/json", **server.headers}
        while time.perf_counter() < until and len(own) < n_requests:
            body = server.bodies[(start + len(own)) % len(server.bodies)]
            began = time.perf_counter()
            line.request("POST", server.path, body, headers)
            answer = line.getresponse()
            answer.read()
            if answer.status == 200:
                own.append(time.perf_counter() - began)
            elif answer.status not in passed:
                raise RuntimeError(f"{server.name} answered {answer.status}")
            else:
                time.sleep(REST)
        line.close()
        return own

    with ThreadPoolExecutor(connections) as threads:
        took = list(threads.map(ask, range(0, 97 * connections, 97)))
    return np.concatenate(took)


def bulk(server: Server, n_tickets: int) -> Bulk:
    """One call of `n_tickets` lines to a server that has just started."""
    with running(server) as (port, process, _), tempfile.TemporaryFile() as lines:
        bodies = server.bodies
        for number in range(n_tickets):
            lines.write(bodies[number % len(bodies)] + b"\n")
        size = lines.tell()
        lines.seek(0)
        work(server, port, 1, n_requests=WARM_UP)
        before, cpu, began = peak_bytes(process.pid), cpu_of(process.pid), time.perf_counter()
        line = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"Content-Type": "application/x-ndjson", "Content-Length": str(size)}
        line.request("POST", f"{server.path}:batch", lines, {**headers, **server.headers})
        last = deque(line.getresponse(), maxlen=1).pop()
        line.close()
        if json.loads(last)["end"]["scored"] != n_tickets:
            raise RuntimeError(f"not all of {n_tickets} tickets were scored")
        seconds, used = time.perf_counter() - began, cpu_of(process.pid) - cpu
        return Bulk(server.model, n_tickets, seconds, used, before, peak_bytes(process.pid))


def bulk_markdown(bulks: Sequence[Bulk]) -> str:
    columns = ("model", "tickets in one call", "seconds", "tickets a CPU second", "peak MB before",
               "peak MB after")  # fmt: skip
    return table(
        columns,
        [
            [
                one.model,
                f"{one.n_tickets:,}",
                f"{one.seconds:.1f}",
                f"{one.n_tickets / one.cpu:,.0f}",
                f"{one.n_bytes_before / 1e6:,.0f}",
                f"{one.n_bytes / 1e6:,.0f}",
            ]
            for one in bulks
        ],
    )


def family(pid: int) -> list[int]:
    """A process and all that it has started."""
    own = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in own for one in family(int(child)))]


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and of all that it has started, those that have ended too."""
    ticks = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def times_markdown(loads: Sequence[Load]) -> str:
    """How many times as many requests a CPU second ours answers as MLflow's server."""
    found = {(one.model, one.server, one.connections): one.per_cpu_second for one in loads}
    rows = [
        [
            model,
            peer,
            *(f"{found[model, OURS, n] / found[peer, THEIRS, n]:.1f}" for n in CONNECTIONS),
        ]
        for model, peer in PEERS
    ]
    columns = [f"times, {n} connection{'s' * (n > 1)}" for n in CONNECTIONS]
    return table(("ours", "behind MLflow", *columns), rows)


def row(one: Load) -> list[str]:
    p50, p99 = np.percentile(one.latencies, [50, 99]) * 1000
    return [
        one.model,
        one.server,
        f"{one.connections}",
        f"{one.n_requests / one.seconds:,.0f}",
        f"{one.per_cpu_second:,.0f}",
        f"{1000 * one.cpu / one.n_requests:.2f}",
        f"{p50:.1f}",
        f"{p99:.1f}",
        f"{one.n_bytes / 1e6:,.0f}",
        f"{one.start_cpu:.1f}",
    ]
