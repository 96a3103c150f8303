"""What is the same of all who carry something to one receiver: when to go, and when to rest."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from data.receivers import Receiver
from data.sending import Answer
from data.store_outbox import ReceiverState
from pipelines.workspace import Workspace

LONGEST_REST, LONGEST_ASKED = 60.0, 3600.0  # seconds


def rest(attempts: int, luck: float, asked: float = 0.0) -> timedelta:
    """How long to leave a receiver alone: twice as long each time, up to a minute.

    `luck` in [0, 1) spreads those who failed together (jitter); what it `asked`
    for counts if longer.

    >>> [rest(attempts, 0.5).total_seconds() for attempts in (1, 2, 3, 20)]
    [1.5, 3.0, 6.0, 45.0]
    >>> rest(1, 0.5, asked=120.0).total_seconds()
    120.0
    """
    own = min(2.0 ** min(attempts, 10), LONGEST_REST) * (0.5 + luck / 2)
    return timedelta(seconds=max(own, min(asked, LONGEST_ASKED)))


@dataclass
class Sent:
    """What came of one round to one receiver. `n_told` counts news, not what was repeated.

    `more` is left for the next round.
    """

    receiver: str
    n_told: int = 0
    n_refused: int = 0
    error: str = ""
    more: bool = False


class Rounds:
    """Goes to one receiver."""

    def __init__(
        self,
        place: Workspace,
        receiver: Receiver,
        now: Callable[[], datetime],
        luck: Callable[[], float],
    ) -> None:
        self.store, self.settings, self.desk = place.store, place.settings, place.settings.desk
        self.receiver, self.now, self.luck = receiver, now, luck

    def state(self) -> ReceiverState:
        """How the receiver stands; from the first time on it is known."""
        name, now = self.receiver.name, self.now()
        state = self.store.receiver_state(self.desk, name)
        if state is None:
            state = ReceiverState(self.desk, name, now)
            self.store.put_receiver_state(state)
        return state

    def is_resting(self) -> bool:
        retry_at = self.state().retry_at
        return retry_at is not None and retry_at > self.now()

    def again_at(self, attempts: int, asked: float) -> datetime:
        return self.now() + rest(attempts, self.luck(), asked)

    def away(self, answer: Answer, asked: float = 0.0) -> None:
        """Note that nothing can be sent to it now, and leave it alone for a while."""
        state = self.state()
        attempts = state.attempts + 1
        again = self.again_at(attempts, max(answer.retry_after, asked))
        self.store.put_receiver_state(
            replace(state, attempts=attempts, retry_at=again, error=answer.said)
        )

    def reached(self) -> None:
        state = self.state()
        if state.attempts:
            self.store.put_receiver_state(replace(state, attempts=0, retry_at=None, error=""))
