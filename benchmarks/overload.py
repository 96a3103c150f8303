"""Far more asked than can be answered: what becomes of those that are let in, and right after."""

import http.client
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.page import table
from benchmarks.serving import ROOT, Server, running, work

TIMES = {"words": 3, "cascade": 10}  # the capacity of what each model is asked for
CLOSED, CALM_SHARE = 8, 0.5  # connections that find the capacity; of it, what is called normal
COLUMNS = (
    "model", "capacity a second", "asked a second", "answered a second", "refused (429)", "5xx",
    "no answer", "normal p99 ms", "p99 of the answered ms", "times normal", "p99 of the refused ms",
    "p99 right afterwards ms",
)  # fmt: skip


class Phase(NamedTuple):
    """What was answered to an open loop of `rate` requests a second, and how soon."""

    rate: float
    seconds: float
    statuses: np.ndarray
    took: np.ndarray

    def p99(self, status: int = 200) -> float:
        """In milliseconds; NaN where nothing had this status."""
        took = self.took[self.statuses == status]
        return float(1000 * np.percentile(took, 99)) if len(took) else float("nan")


class Overload(NamedTuple):
    model: str
    capacity: float
    calm: Phase
    crowd: Phase
    after: Phase


def overloaded(server: Server, seconds: float, say: Callable[[str], None]) -> Overload:
    """A server's capacity, its normal, `seconds` of far more than it can, and normal again."""
    cores = sorted(os.sched_getaffinity(0))
    with running(server) as (port, process, _):
        os.sched_setaffinity(process.pid, {cores[0]})
        work(server, port, 1, n_requests=200)
        if server.model == "cascade":  # it is asked only what wants the encoder
            server = server._replace(bodies=read_in_full(server, port))
        n_requests = len(work(server, port, CLOSED, seconds=seconds / 6, passed={429}))
        capacity = n_requests / (seconds / 6)
        say(f"{server.model}: capacity {capacity:,.0f} a second")
        phases = []
        for what, rate, lasts in (
            ("normal", CALM_SHARE * capacity, seconds / 3),
            ("overload", TIMES[server.model] * capacity, seconds),
            ("afterwards", CALM_SHARE * capacity, seconds / 6),
        ):
            phases.append(open_loop(server, port, rate, lasts, cores[-1]))
            say(f"{server.model}: {what}, {rate:,.0f} a second: p99 {phases[-1].p99():.1f} ms")
    return Overload(server.model, capacity, *phases)


def read_in_full(server: Server, port: int) -> list[bytes]:
    """Those bodies whose ticket words alone do not settle."""
    line, found = http.client.HTTPConnection("127.0.0.1", port), []
    for body in itertools.islice(server.bodies, 400):
        headers = {"Content-Type": "application/json", **server.headers}
        line.request("POST", server.path, body, headers)
        if json.load(line.getresponse())["results"][0]["tier"] == "full":
            found.append(body)
    line.close()
    return found


def open_loop(server: Server, port: int, rate: float, seconds: float, core: int) -> Phase:
    """Requests from another process, which has a core to itself where there are two."""
    told = {
        "headers": {"Content-Type": "application/json", **server.headers},
        "bodies": [body.decode() for body in server.bodies],
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.open_loop",
            *map(str, (port, rate, seconds, server.path)),
        ],
        cwd=ROOT,
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    found = np.array([line.split() for line in done.stdout.splitlines()], float)
    return Phase(rate, seconds, found[:, 0].astype(int), found[:, 1])


def overload_table(found: Sequence[Overload]) -> str:
    return table(COLUMNS, [row(one) for one in found])


def row(one: Overload) -> list[str]:
    crowd, n = one.crowd, len(one.crowd.statuses)
    n_ok, n_refused = (int((crowd.statuses == status).sum()) for status in (200, 429))
    return [
        one.model,
        f"{one.capacity:,.0f}",
        f"{crowd.rate:,.0f}",
        f"{n_ok / crowd.seconds:,.0f}",
        f"{n_refused / n:.0%}",
        f"{int((crowd.statuses >= 500).sum()):,}",
        f"{int((crowd.statuses == 0).sum()):,}",
        f"{one.calm.p99():.1f}",
        f"{crowd.p99():.1f}",
        f"{crowd.p99() / one.calm.p99():.1f}",
        f"{crowd.p99(429):.1f}",
        f"{one.after.p99():.1f}",
    ]
