"""One receiver is told what it has not heard: in order, each thing once, until it has heard it.

A message is written down before it is sent, and its answer after. Whoever is killed in between
sends it once more, to the byte and under the same key, by which a webhook's receiver knows it.
Alertmanager knows an alert by its labels, and is told of it each minute for as long as it fires.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from data.rows import chunks
from data.sending import Answer, Sender
from data.store_outbox import Delivery, Due
from models.notices import ended_at, labels_of, message, posted
from pipelines.rounds import Rounds, Sent

REPEAT = timedelta(seconds=60)
FIRES = timedelta(minutes=5)  # Alertmanager's resolve_timeout: how long what is told once fires
STEPS_TOLD = 3  # or so many steps, for those who look and tell once a step
BATCH = 64
SPLIT = (400, 413, 422)  # may be the fault of one alert among others


def is_told(due: Due) -> bool:
    """Whether the receiver knows all there is: that it fires, and how grave, or that it is over."""
    last = due.last
    return last.told_at is not None and not last.refused and _is_as_last(due)


def is_refused(due: Due) -> bool:
    """Whether the receiver refused just that for good."""
    return due.last.refused and due.last.number == due.number and _is_as_last(due)


def _is_as_last(due: Due) -> bool:
    same = due.last.firing == due.firing
    return same and (not due.firing or due.last.labels == labels_of(due.alert))


def is_back(due: Due) -> bool:
    """Whether it changed and changed back before anybody could be told."""
    return is_told(due) and due.last.number < due.number


def is_waiting(due: Due, now: datetime, *, repeats: bool) -> bool:
    """Whether there is something to send of this alert now."""
    told_at, retry_at = due.last.told_at, due.last.retry_at
    if is_refused(due):
        return False
    if told_at is not None and is_told(due):
        return repeats and due.firing and told_at <= now - REPEAT
    return not (retry_at is not None and retry_at > now and due.last.key == key_of(due))


def key_of(due: Due) -> str:
    """What names a message: the same for each try, another one once there is more to say."""
    grave = f"-{labels_of(due.alert)['severity']}" if due.firing else ""
    return f"{due.alert.id}-{due.number}{grave}"


def entries(due: Due, now: datetime, lasts: timedelta, page: str) -> list[dict[str, Any]]:
    """What Alertmanager is posted. Where a label changed, the alert of before ends."""
    alert, labels, known = due.alert, labels_of(due.alert), due.last.labels
    if not due.firing:
        return [posted(alert, known or labels, ended_at(alert) or now, page)]
    before = [posted(alert, known, now, page)] if known and known != labels else []
    return [*before, posted(alert, labels, now + lasts, page)]


def as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


class Courier(Rounds):
    """Goes to one receiver."""

    @property
    def page(self) -> str:
        return self.settings.external_url

    @property
    def lasts(self) -> timedelta:
        """How long an alert that was told of fires on by itself."""
        return max(FIRES, STEPS_TOLD * timedelta(seconds=self.settings.step_seconds))

    @property
    def repeats(self) -> bool:
        """Whether the receiver wants to hear of what still fires, and many at once."""
        return self.receiver.kind == "alertmanager"

    def waiting(self) -> list[Due]:
        """What there is to do now, the oldest first; nothing while the receiver rests."""
        now = self.now()
        if self.is_resting():
            return []
        due = self.store.due(self.desk, self.receiver.name)
        return [one for one in due if is_waiting(one, now, repeats=self.repeats) or is_back(one)]

    def run(self, sender: Sender, renew: Callable[[], None]) -> Sent:
        """Send what waits, until all is sent or the receiver cannot be reached.

        `renew` says that this process is alive, before each request.
        """
        sent, waiting = Sent(self.receiver.name), self.waiting()
        self.store.put_deliveries(
            [replace(due.last, number=due.number) for due in waiting if is_back(due)]
        )
        news = [due for due in waiting if not is_back(due)]
        for batch in chunks(news, BATCH if self.repeats else 1):
            if not self._send(sender, renew, batch, sent):
                break
        return sent

    def _send(
        self, sender: Sender, renew: Callable[[], None], batch: Sequence[Due], sent: Sent
    ) -> bool:
        """Whether to go on with what comes next."""
        renew()
        now = self.now()
        if self.repeats:
            told = [entry for due in batch for entry in entries(due, now, self.lasts, self.page)]
            answer = sender.post(self.receiver, as_json(told), now)
            if answer.status in SPLIT and len(batch) > 1:
                return all(self._send(sender, renew, [due], sent) for due in batch)
        else:
            batch = [self._written(due) for due in batch]
            last = batch[0].last
            answer = sender.post(self.receiver, last.body.encode(), now, last.key)
        return self._note(batch, answer, sent)

    def _written(self, due: Due) -> Due:
        """The alert with its message written down, as it is sent now and each time again."""
        last, key = due.last, key_of(due)
        if last.key != key:
            body = as_json(message(due.alert, key, self.page)).decode()
            last = replace(last, key=key, body=body, attempts=0, retry_at=None, error="")
            self.store.put_deliveries([last])
        return due._replace(last=last)

    def _note(self, batch: Sequence[Due], answer: Answer, sent: Sent) -> bool:
        """Write down what came of it; whether to go on with what comes next."""
        if answer.accepted:
            sent.n_told += sum(not is_told(due) for due in batch)
            self.store.put_deliveries([self._settled(due, answer) for due in batch])
            self.reached()
        elif answer.final:
            sent.n_refused += len(batch)
            sent.error = answer.said
            self.store.put_deliveries([self._settled(due, answer) for due in batch])
        elif answer.is_down or self.repeats:
            sent.error = answer.said
            self.away(answer)
            return False
        else:  # the fault of this one message, as far as one can know: others go on
            sent.error = answer.said
            self.store.put_deliveries([self._postponed(due.last, answer) for due in batch])
        return True

    def _settled(self, due: Due, answer: Answer) -> Delivery:
        labels, last = labels_of(due.alert), due.last
        if not due.firing and self.repeats and last.labels:
            labels = dict(last.labels)  # those by which it was ended
        return replace(
            last,
            number=due.number,
            firing=due.firing,
            labels=labels,
            told_at=self.now() if answer.accepted else last.told_at,
            key="",
            body="",
            attempts=0,
            retry_at=None,
            error="" if answer.accepted else answer.said,
            refused=not answer.accepted,
        )

    def _postponed(self, last: Delivery, answer: Answer) -> Delivery:
        attempts = last.attempts + 1
        again = self.again_at(attempts, answer.retry_after)
        return replace(last, attempts=attempts, retry_at=again, error=answer.said)
