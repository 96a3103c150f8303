"""What was decided is written into a desk's own tickets: what changed, where no person has chosen.

Each ticket is read before it is written. What is on its way is noted before it is sent, and what
came of it after: whoever is killed in between finds it there, or sends the same values once more.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from data.desk_apis import APIS, Change, Current, DeskApi, written_to
from data.desk_changes import Ours, Plan, names_of, news, pieces_of, planned
from data.receivers import Receiver
from data.sending import Answer, Message, Sender
from data.store_writes import PAGE, Writing
from pipelines.courier import SPLIT, as_json
from pipelines.rounds import Rounds, Sent

ROUND = timedelta(seconds=10)  # so long, and alerts have their turn again
KEYLESS_SECONDS = 600.0  # whom a desk does not let in asks seldom, or is locked out for good
MOVED_ON = 409


class DeskCourier(Rounds):
    """Goes to one desk."""

    @property
    def api(self) -> DeskApi:
        return APIS[self.receiver.kind]

    def waiting(self) -> list[Writing]:
        """What there is to write now, the longest decided first; nothing while the desk rests."""
        if self.is_resting():
            return []
        return self.store.unwritten(self.desk, self.receiver.kind, self.now())

    def run(self, sender: Sender, renew: Callable[[], None]) -> Sent:
        """Write what waits until the round is over, or the desk cannot be reached."""
        sent, until, waiting = Sent(self.receiver.name), self.now() + ROUND, self.waiting()
        for writing in waiting:
            if self.now() > until:
                sent.more = True
                return sent
            renew()
            answer, after = self.exchange(sender, writing, sent)
            if not self.note(answer, after, sent):
                return sent
        sent.more = len(waiting) == PAGE
        return sent

    def exchange(self, sender: Sender, writing: Writing, sent: Sent) -> tuple[Answer, Writing]:
        """What came of one ticket in the end, and what is then known to stand there."""
        ours = Ours(writing.written, writing.sending)
        changed = news(writing.wanted, ours)
        if not changed:
            return Answer(200), replace(writing, sending={})
        answer, current = self.asked(sender, writing.external_id)
        if current is None:
            return answer, writing
        if current.closed:
            return Answer(200), replace(writing, sending={})
        plan = planned(changed, ours, current, self.api.untouched)
        if not plan.sends:
            return Answer(200), replace(writing, written=plan.written, sending={})
        answer, after = self.put(sender, writing, plan, current)
        sent.n_told += answer.accepted
        return answer, after

    def put(
        self, sender: Sender, writing: Writing, plan: Plan, current: Current
    ) -> tuple[Answer, Writing]:
        """Send a change as one; where it is refused so, field by field."""
        sending = {name: plan.written[name] for name in names_of(plan.change)}
        leaving = replace(writing, sending=sending)
        self.store.put_writing(leaving)
        answer = self.send(sender, plan.change, current)
        if answer.accepted:
            return answer, replace(writing, written=plan.written, sending={})
        if answer.status not in SPLIT or len(pieces_of(plan.change)) == 1:
            return answer, leaving
        return self.put_pieces(sender, leaving, plan, current)

    def put_pieces(
        self, sender: Sender, leaving: Writing, plan: Plan, current: Current
    ) -> tuple[Answer, Writing]:
        """Send each field by itself: one that the desk cannot take holds up no other."""
        refused = None
        for piece in pieces_of(plan.change):
            answer = self.send(sender, piece, current)
            if answer.accepted:
                known = {name: plan.written[name] for name in names_of(piece)}
                leaving = replace(leaving, written={**leaving.written, **known})
            elif answer.final and answer.status != MOVED_ON:
                refused = answer
            else:
                return answer, leaving
        return refused or answer, replace(leaving, sending={})

    def send(self, sender: Sender, change: Change, current: Current) -> Answer:
        body = as_json(self.api.body(change, current))
        url = self.receiver.url + written_to(self.receiver.kind, change, current)
        return sender.send(self.receiver, Message(self.api.method, url, body), self.now())

    def asked(self, sender: Sender, id: str) -> tuple[Answer, Current | None]:
        """What stands in a ticket; None and the reason where that cannot be had."""
        try:
            path = self.api.path_of(id)
        except ValueError as error:
            return Answer(400, f"not sent: {error}"), None
        message = Message("GET", self.receiver.url + path)
        answer = sender.send(self.receiver, message, self.now())
        if not answer.accepted:
            return answer, None
        try:
            current = self.api.read(answer.content, path)
        except ValueError as error:
            return Answer(0, str(error)), None
        return (answer, current) if current else (Answer(404, "404 no ticket of that id"), None)

    def note(self, answer: Answer, after: Writing, sent: Sent) -> bool:
        """Write down what came of it; whether to go on with what comes next."""
        if answer.accepted:
            self.store.put_writing(settled(after))
            self.reached()
            return True
        sent.error = answer.said
        if answer.status == 401 or answer.is_down:
            self.away(answer, KEYLESS_SECONDS if answer.status == 401 else 0.0)
            return False
        if answer.final and answer.status != MOVED_ON:
            sent.n_refused += 1
            refused = replace(settled(after), sending={}, error=answer.said, refused=True)
            self.store.put_writing(refused)
            return True
        attempts = after.attempts + 1
        again = self.again_at(attempts, answer.retry_after)
        self.store.put_writing(replace(after, attempts=attempts, retry_at=again, error=answer.said))
        return True


def settled(writing: Writing) -> Writing:
    """What was decided is done with."""
    return replace(writing, told=writing.number, attempts=0, retry_at=None, error="", refused=False)


def tried_out(desk: Receiver, sender: Sender, now: datetime) -> Answer:
    """What a desk says to somebody who only asks; nothing is written."""
    return sender.send(desk, Message("GET", desk.url + APIS[desk.kind].test_path), now)
