"""How a receiver stands, of alerts or a desk: what waits for it, and what it refused."""

from typing import NamedTuple

from data.backlog import Backlog
from data.receivers import Receiver
from data.store import Store


class Standing(NamedTuple):
    """How one receiver stands; `error` while it cannot be reached. `what` it is sent."""

    name: str
    backlog: Backlog
    error: str
    refusals: list[str]
    what: str = "alerts"


def backlog_of(store: Store, desk: str, receiver: Receiver) -> Backlog:
    if receiver.is_desk:
        return store.unwritten_backlog(desk, receiver.kind)
    return store.backlog(desk, receiver.name)


def standing_of(store: Store, desk: str, receiver: Receiver) -> Standing:
    state, backlog = store.receiver_state(desk, receiver.name), backlog_of(store, desk, receiver)
    error = state.error if state else ""
    if receiver.is_desk:
        refusals = store.write_refusals(desk, receiver.kind)
        return Standing(receiver.name, backlog, error, refusals, "tickets")
    return Standing(receiver.name, backlog, error, store.refusals(desk, receiver.name))


def forgive(store: Store, desk: str, receiver: Receiver) -> int:
    """Let what `receiver` refused be tried once more, at once; how much that is."""
    n = store.forgive(desk, receiver.name)
    return store.forgive_writes(desk, receiver.kind) if receiver.is_desk else n
