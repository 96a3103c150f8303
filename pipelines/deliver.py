"""What is to be told goes to whom the settings name, by one process at a time for a desk."""

import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from data.receivers import Receiver, receivers_of
from data.records import Alert
from data.sending import Answer, Sender
from data.standing import forgive, standing_of
from models.notices import labels_of, message, posted
from pipelines.console import err, out
from pipelines.courier import FIRES, Courier, as_json
from pipelines.rounds import Sent
from pipelines.workspace import Workspace
from pipelines.write_back import DeskCourier, tried_out

POLL_SECONDS = 2.0
LEASE_SECONDS = 60.0  # far above what one request may take
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def once(
    place: Workspace, *, now: Clock = utc_now, luck: Callable[[], float] = random.random
) -> list[Sent]:
    """Send what waits, each receiver in its turn; what came of it where there was something.

    Nothing is sent while another process does. What failed is tried again by a later call, and
    what a desk had no time for (`more`) is written by it.
    """
    couriers = [
        (DeskCourier if receiver.is_desk else Courier)(place, receiver, now, luck)
        for receiver in receivers_of(place.settings)
    ]
    busy = [courier for courier in couriers if courier.waiting()]
    if not busy:
        return []
    with alone(place, now) as renew:
        if renew is None:
            return []
        with Sender() as sender:
            return [courier.run(sender, renew) for courier in busy]


def drained(place: Workspace) -> list[Sent]:
    """`once`, until no round leaves anything to a next one."""
    last = once(place)
    rounds = [*last]
    while any(sent.more for sent in last):
        last = once(place)
        rounds += last
    return rounds


@contextmanager
def alone(place: Workspace, now: Clock) -> Iterator[Callable[[], None] | None]:
    """Hold the desk's lease for sending; None while another process does."""
    name = f"deliver-{place.settings.desk}"
    holder = f"{socket.gethostname()}:{os.getpid()}"

    def renew() -> None:
        if not place.store.take_lease(name, holder, now(), LEASE_SECONDS):
            raise TimeoutError(
                f"another process took over sending for desk {place.settings.desk!r} while this "
                f"one was held up for over {LEASE_SECONDS:.0f} s; nothing is lost"
            )

    if not place.store.take_lease(name, holder, now(), LEASE_SECONDS):
        yield None
        return
    try:
        yield renew
    finally:
        place.store.release_lease(name, holder)


def follow(place: Workspace) -> None:
    """Send what there is to send until stopped."""
    out.print(f"Sending to {', '.join(one.name for one in named(place))}. Stop with Ctrl-C")
    keep_on(place, float("inf"))


def keep_on(place: Workspace, seconds: float) -> None:
    """Send what there is to send for so long; only sleep where nobody is to be told."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not receivers_of(place.settings):
            time.sleep(left)
            return
        rounds = once_again(place)
        for sent in rounds:
            say_sent(sent)
        if not any(sent.more for sent in rounds):
            time.sleep(min(POLL_SECONDS, max(until - time.monotonic(), 0)))


def once_again(place: Workspace) -> list[Sent]:
    """`once`, for those who go on: to have lost the lease is no reason to stop."""
    try:
        return once(place)
    except TimeoutError as error:
        err.print(str(error), markup=False)
        return []


def named(place: Workspace) -> list[Receiver]:
    """Whom the settings name; ValueError where that is nobody."""
    found = receivers_of(place.settings)
    if not found:
        raise ValueError(
            "wanted FOREWARN_ALERTMANAGER_URL, FOREWARN_WEBHOOK_URL or a desk's address such as "
            "FOREWARN_ZENDESK_URL, got none: nobody is to be told"
        )
    return found


def try_again(place: Workspace) -> int:
    """Let what was refused be tried once more; how much that is."""
    desk = place.settings.desk
    return sum(forgive(place.store, desk, receiver) for receiver in named(place))


def try_out(place: Workspace, now: datetime) -> list[tuple[str, Answer]]:
    """Send one test alert, which ends by itself, and only ask desks; what each answered."""
    alert, page = a_test(place.settings.desk, now), place.settings.external_url
    found = []
    with Sender() as sender:
        for receiver in named(place):
            if receiver.is_desk:
                found.append((receiver.name, tried_out(receiver, sender, now)))
                continue
            if receiver.kind == "alertmanager":
                body = as_json([posted(alert, labels_of(alert), now + FIRES, page)])
                found.append((receiver.name, sender.post(receiver, body, now)))
                continue
            for told in (alert, replace(alert, closed_at=now)):
                key = f"{alert.id}-{1 if told is alert else 2}"
                answer = sender.post(receiver, as_json(message(told, key, page)), now, key)
                if not answer.accepted:
                    break
            found.append((receiver.name, answer))
    return found


def a_test(desk: str, now: datetime) -> Alert:
    """An alert about nothing, that says so."""
    return Alert(
        id=f"test-{now:%Y%m%dT%H%M%S}",
        desk=desk,
        kind="metric",
        key="forewarn_test",
        opened_at=now - timedelta(seconds=1),
        score=1.0,
        threshold=1.0,
        observed=1.0,
        expected=0.0,
        lower=0.0,
        upper=0.0,
        why="This is a test of Forewarn; nothing is wrong",
        detector="test",
    )


# -- what is printed --------------------------------------------------------------------------


def say_sent(sent: Sent) -> None:
    """One line where there was news for a receiver, and one where it took it badly."""
    at = f"{utc_now():%H:%M:%S} UTC  {sent.receiver}: "
    if sent.n_told:
        out.print(f"{at}told {sent.n_told:,} changes", markup=False)
    if sent.error:
        refused = f"refused {sent.n_refused:,} for good: " if sent.n_refused else ""
        err.print(f"{at}{refused}{sent.error}", markup=False)


def say(place: Workspace) -> bool:
    """Print how each receiver stands; whether all is told."""
    desk, well = place.settings.desk, True
    for receiver in named(place):
        name, backlog, away, _, _ = standing_of(place.store, desk, receiver)
        error = f"; {away}" if away else ""
        out.print(
            f"{name}: {backlog.n_waiting:,} waiting, {backlog.n_failed:,} refused{error}",
            markup=False,
        )
        well = well and not backlog.n_waiting and not backlog.n_failed
    return well
