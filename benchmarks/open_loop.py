"""A load that does not wait for answers: requests come when they are due, however many are open.

`python -m benchmarks.open_loop PORT RATE SECONDS PATH` reads {"headers": {}, "bodies": []} from the
standard input and writes a line a request, status and seconds since it was due: status 0 is for
none. In a process of its own, on its own core, so that it takes nothing from the server.
"""

import asyncio
import json
import re
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
LINES = 500  # connections, open before it begins; what is due while all are taken waits meanwhile
LAST_WAIT = 10.0  # seconds that answers may still come in once nothing more is sent


class Answered(NamedTuple):
    """`seconds` since the request was due."""

    status: int
    seconds: float


class Line(asyncio.Protocol):
    """A connection that is kept: one request at a time."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.due = 0.0
        self.came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.load.is_free(self)

    def ask(self, due: float, request: bytes) -> None:
        self.due, self.came = due, b""
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.came += data
        head, end, rest = self.came.partition(b"\r\n\r\n")
        length = LENGTH.search(head + b"\r\n")
        if end and length and len(rest) >= int(length[1]):
            self.load.note(int(head[9:12]), self.due)
            self.due = 0.0
            self.load.is_free(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.load.is_gone(self)


class Load:
    """`rate` requests a second for `seconds`, each on a connection that is free."""

    def __init__(self, port: int, rate: float, seconds: float, requests: Sequence[bytes]) -> None:
        self.port, self.rate, self.seconds, self.requests = port, rate, seconds, requests
        self.answered: list[Answered] = []
        self.free: deque[Line] = deque()
        self.waiting: deque[tuple[float, bytes]] = deque()

    def note(self, status: int, due: float) -> None:
        self.answered.append(Answered(status, time.perf_counter() - due))

    def is_free(self, line: Line) -> None:
        if self.waiting:
            line.ask(*self.waiting.popleft())
        else:
            self.free.append(line)

    def is_gone(self, line: Line) -> None:
        if line.due:
            self.note(0, line.due)
        elif line in self.free:
            self.free.remove(line)

    def send(self, due: float, request: bytes) -> None:
        if self.free:
            self.free.popleft().ask(due, request)
        else:
            self.waiting.append((due, request))

    async def run(self) -> list[Answered]:
        """All that was answered, and status 0 for what was not."""
        loop = asyncio.get_running_loop()
        for _ in range(LINES):
            await loop.create_connection(lambda: Line(self), "127.0.0.1", self.port)
        began, n = time.perf_counter(), int(self.rate * self.seconds)
        for number in range(n):
            due = began + number / self.rate
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            elif number % 20 == 0:
                await asyncio.sleep(0)  # also where it is late, answers are to be read
            self.send(due, self.requests[number % len(self.requests)])
        until = time.perf_counter() + LAST_WAIT
        while len(self.answered) < n and time.perf_counter() < until:
            await asyncio.sleep(0.01)
        return self.answered + [Answered(0, LAST_WAIT)] * (n - len(self.answered))


def request(path: str, headers: Mapping[str, str], body: str) -> bytes:
    """A request as its bytes.

    >>> request("/", {"X-A": "1"}, "{}")
    b'POST / HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nX-A: 1\\r\\nContent-Length: 2\\r\\n\\r\\n{}'
    """
    told = {"Host": "127.0.0.1", **headers, "Content-Length": str(len(body.encode()))}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n{body}".encode()


def main(port: str, rate: str, seconds: str, path: str) -> None:
    told = json.load(sys.stdin)
    requests = [request(path, told["headers"], body) for body in told["bodies"]]
    found = uvloop.run(Load(int(port), float(rate), float(seconds), requests).run())
    sys.stdout.writelines(f"{one.status} {one.seconds:.6f}\n" for one in found)


if __name__ == "__main__":
    main(*sys.argv[1:])
