"""A full disk, a locked database, one that is away: told as 503, and scoring goes on."""

import os
import resource
import sqlite3
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from benchmarks.postgres import postgres
from data.store import Store
from tests.endpoint import promote, put_key, serving, train

TICKET = {"title": "vpn down"}
WRITES = {
    "tickets": ("/v1/tickets", {"external_id": "T9", "title": "vpn down", "requester": "ann"}),
    "feedback": ("/v1/feedback", {"external_id": "T1", "target": "group", "label": "print"}),
    "webhook": ("/v1/desks/default/zendesk", {"ticket": {"id": 9, "subject": "vpn " * 40_000}}),
}
WAITS = {"FOREWARN_DATABASE_SECONDS": "1"}
HOLDER = """
import sqlite3, sys
line = sqlite3.connect(sys.argv[1], isolation_level=None)
line.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train(tmp_path_factory.mktemp("models") / "net")


@pytest.fixture
def home(tmp_path, model):
    promote(tmp_path, model, "1")
    return tmp_path


class Desk:
    """A caller with one key, who keeps count of nothing but what was answered."""

    def __init__(self, url, store):
        self.url = url
        self.headers = {"Authorization": f"Bearer {put_key(store, 'admin')}"}
        store.close()

    def send(self, path, body):
        return requests.post(f"{self.url}{path}", json=body, headers=self.headers, timeout=60)

    def score(self):
        return self.send("/v1/tickets/score", TICKET).status_code

    def is_told(self, name):
        answer = self.send(*WRITES[name])
        assert answer.status_code == 503, (name, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) >= 1

    def all_are_taken(self):
        assert {name: self.send(*one).status_code for name, one in WRITES.items()} == dict.fromkeys(
            WRITES, 200
        )


def stored(url):
    store = Store(url)
    try:
        return {ticket.external_id for ticket in store.tickets("default")}
    finally:
        store.close()


@contextmanager
def locked(path):
    """Another process has begun to write, and does not end."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as holder:
        assert holder.stdout.readline() == "held\n"
        try:
            yield
        finally:
            holder.stdin.close()


def test_while_another_process_holds_the_lock_writers_are_told_and_scoring_goes_on(home):
    url = f"sqlite:///{home / 'forewarn.db'}"
    with serving(home, **WAITS) as address:
        desk = Desk(address, Store(url))
        assert desk.score() == 200
        with locked(home / "forewarn.db"):
            writers = [threading.Thread(target=desk.is_told, args=(name,)) for name in WRITES]
            crowd = [threading.Thread(target=desk.send, args=WRITES["tickets"]) for _ in range(60)]
            for thread in (*writers, *crowd):
                thread.start()
            assert [desk.score() for _ in range(30)] == [200] * 30
            for thread in (*writers, *crowd):
                thread.join()
            for name in WRITES:
                desk.is_told(name)
        assert stored(url) == set(), "nothing came in while the lock was held"
        desk.all_are_taken()
    assert stored(url) == {"T9", "9"}


def fill(path):
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass


def test_a_full_disk_is_told_and_what_was_there_stays_whole(home):
    """The disk is a small file system in memory, filled to the last byte."""
    disk = home / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    url = f"sqlite:///{disk / 'forewarn.db'}"
    try:
        with serving(home, FOREWARN_DATABASE_URL=url, **WAITS) as address:
            desk = Desk(address, Store(url))
            assert desk.send("/v1/tickets", {"external_id": "T1", **TICKET}).status_code == 200
            filler = disk / "filler"
            fill(filler)
            desk.is_told("webhook")
            assert desk.score() == 200
            filler.unlink()
            desk.all_are_taken()
        with sqlite3.connect(disk / "forewarn.db") as line:
            assert line.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert stored(url) == {"T1", "T9", "9"}
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_a_process_that_may_write_no_more_bytes_is_told_and_recovers(home):
    url = f"sqlite:///{home / 'forewarn.db'}"
    with serving(home, FOREWARN_DATABASE_URL=url, **WAITS) as address:
        desk = Desk(address, Store(url))
        assert desk.score() == 200
        server = process_at(address)
        _, most = resource.prlimit(server, resource.RLIMIT_FSIZE)
        resource.prlimit(server, resource.RLIMIT_FSIZE, (0, most))
        for name in WRITES:
            desk.is_told(name)
        assert desk.score() == 200
        resource.prlimit(server, resource.RLIMIT_FSIZE, (most, most))
        assert stored(url) == set()
        desk.all_are_taken()
    assert stored(url) == {"T9", "9"}


def process_at(address):
    port = address.rpartition(":")[2]
    own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return next(
        int(pid) for pid in own if port.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    )


def test_a_folder_that_cannot_be_made_is_told_and_all_recovers(home):
    place = home / "elsewhere"
    place.write_text("a file where a folder should be")
    url = f"sqlite:///{place / 'forewarn.db'}"
    with serving(home, FOREWARN_DATABASE_URL=url, **WAITS) as address:
        for path, body in WRITES.values():
            headers = {"X-API-Key": "k.s"}
            answer = requests.post(f"{address}{path}", json=body, headers=headers, timeout=30)
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
        place.unlink()
        desk = Desk(address, Store(url))
        desk.all_are_taken()
    assert stored(url) == {"T9", "9"}


def test_while_postgresql_is_down_writers_are_told_and_known_keys_score_on(home):
    pytest.importorskip("pgserver")
    with postgres() as own, serving(home, FOREWARN_DATABASE_URL=own.url, **WAITS) as address:
        desk = Desk(address, Store(own.url))
        assert desk.score() == 200
        own.stop()
        for name in WRITES:
            desk.is_told(name)
        assert [desk.score() for _ in range(5)] == [200] * 5
        own.start()
        desk.all_are_taken()
        assert stored(own.url) == {"T9", "9"}
