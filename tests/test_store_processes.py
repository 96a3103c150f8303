import subprocess
import sys

from data.store import Store

WRITER = """
import sys
from datetime import UTC, datetime
from data.records import Ticket
from data.store import Store

url, name = sys.argv[1:]
now = datetime(2026, 3, 2, 9, tzinfo=UTC)
store = Store(url)
print("won" if store.take_lease("once", name, now, 3600) else "lost")
for round in range(40):
    shared = Ticket("it", "shared", f"{round}", now, labels={name: "x"})
    own = [Ticket("it", name, f"{round}-{number}", now) for number in range(20)]
    store.put_tickets([shared, *own])
    store.save_detection("it", name, now, bytes([round]))
store.close()
"""


def test_three_processes_that_start_and_write_at_once_lose_nothing(url):
    command = [sys.executable, "-W", "error", "-c", WRITER, url]
    names = ["one", "two", "three"]
    writers = [
        subprocess.Popen([*command, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for name in names
    ]
    said = [writer.communicate(timeout=120) for writer in writers]
    assert [error.decode() for _, error in said] == ["", "", ""]
    assert sorted(out.decode().strip() for out, _ in said) == ["lost", "lost", "won"]
    store = Store(url)
    assert store.counts("it")["tickets"] == 3 * 40 * 20 + 40
    for ticket in store.tickets("it"):
        assert ticket.source != "shared" or set(ticket.labels) == set(names)
    assert [detector for detector, _ in store.detections("it")] == sorted(names)
    store.close()
