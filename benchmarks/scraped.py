"""A small exporter, a real Prometheus that scrapes it, and what Prometheus says it scraped."""

import json
import math
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from data.series_key import key_of

N_SHARDS = 100  # series a metric
JOB = "demo"
Scraped = dict[tuple[str, int], float]
"""The value of each series and moment, in milliseconds since 1970."""

CONFIG = """\
global: {{scrape_interval: {scrape_seconds}s, scrape_timeout: {scrape_seconds}s}}
scrape_configs:
  - job_name: {job}
    static_configs: [{{targets: ["{target}"]}}]
remote_write:
  - url: {url}
    authorization: {{credentials: "{token}"}}
"""


def exposition(n_scraped: int, n_series: int) -> str:
    """What the exporter says the `n_scraped`-th time: counters that start anew, and gauges.

    >>> exposition(3, 2)
    'jobs_total{shard="0"} 3\\njobs_total{shard="1"} 3\\n'
    """
    lines = []
    for number in range(n_series):
        metric, shard = divmod(number, N_SHARDS)
        if metric % 2 == 0:
            name, value = f"jobs{metric or ''}_total", float((n_scraped * (metric + 1)) % 50)
        else:
            name, value = f"load{metric}", math.sin(n_scraped / 10 + shard)
        lines.append(f'{name}{{shard="{shard}"}} {value:.17g}\n')
    return "".join(lines)


@contextmanager
def exporter(n_series: int) -> Iterator[str]:
    """Serves `n_series` series to Prometheus; gives host and port."""
    n_scraped = 0

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal n_scraped
            n_scraped += 1
            body = exposition(n_scraped, n_series).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def prometheus(
    folder: Path, target: str, url: str, token: str, scrape_seconds: float = 1
) -> Iterator[str]:
    """A Prometheus that scrapes `target` and writes it to `url`; gives its own address."""
    folder.mkdir(parents=True, exist_ok=True)
    told = CONFIG.format(
        scrape_seconds=scrape_seconds, job=JOB, target=target, url=url, token=token
    )
    (folder / "prometheus.yml").write_text(told)
    port = free_port()
    command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", "--log.level=warn"]
    where = [f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen([*command, *where], stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/-/ready", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def scraped(address: str, start: float, stop: float, piece: float = 60) -> Scraped:
    """Every sample that Prometheus holds in (start, stop], in seconds since 1970.

    Asked for `piece` seconds at a time.
    """
    found: Scraped = {}
    while start < stop:
        end = min(start + piece, stop)
        query = f'{{job="{JOB}"}}[{round((end - start) * 1000)}ms]'
        asked = urllib.parse.urlencode({"query": query, "time": f"{end:.3f}"})
        with urllib.request.urlopen(f"{address}/api/v1/query?{asked}", timeout=60) as answer:
            told = json.load(answer)["data"]["result"]
        for one in told:
            key = key_of(one["metric"].items())
            found |= {(key, round(at * 1000)): float(value) for at, value in one["values"]}
        start = end
    return found


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Return once `url` answers; RuntimeError where its process ends, or it takes long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer; the process's state is {process.poll()}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
