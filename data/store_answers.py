"""The store's answers to requests that may be sent again: who is at one, and what was said."""

import hashlib
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from data import tables
from data.rows import Rows, insert

KEPT = timedelta(hours=24)
STALE = timedelta(minutes=1)
"""Longer than any request takes: a holder that has not answered by then is dead."""

SWEPT = 100  # answers past their time that one claim deletes
ANSWERS = tables.kept_answers


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that may be sent again, and who answers it, its `holder` ("": nobody any more).

    `begun_at` is when it first came, `claimed_at` when its holder took it. `answer` is None until
    there is one.
    """

    id: str
    desk: str
    body_sha256: str
    holder: str
    begun_at: datetime
    claimed_at: datetime
    answer: bytes | None = None

    def may_take(self, known: "Claim") -> bool:
        """Whether this one may have what another claim held until now."""
        if known.answer is not None:
            return False
        same = known.body_sha256 == self.body_sha256
        return not known.holder or (same and known.claimed_at <= self.claimed_at - STALE)


def claim_of(caller: str, desk: str, key: str, body: bytes, now: datetime) -> Claim:
    """The claim of a caller on the request that they call `key`.

    >>> from datetime import UTC
    >>> now = datetime(2026, 3, 4, tzinfo=UTC)
    >>> ann, bob = (claim_of(who, "it", "order-7", b"{}", now) for who in ("ann", "bob"))
    >>> ann.id == bob.id, ann.body_sha256 == bob.body_sha256
    (False, True)
    """
    id = hashlib.sha256("\n".join((caller, desk, key)).encode()).hexdigest()
    return Claim(id, desk, hashlib.sha256(body).hexdigest(), uuid.uuid4().hex, now, now)


class AnswerRows(Rows):
    """Requests that are answered once, whichever worker gets them."""

    def claim(self, wanted: Claim) -> Claim:
        """How the request stands now: it is the caller's who reads their own `holder`."""
        over = wanted.claimed_at - KEPT
        with self.engine.begin() as connection:
            known = _found_or_put(connection, wanted)
            if known.begun_at <= over:
                return _put_over(connection, known, wanted)
            if known.holder != wanted.holder and wanted.may_take(known):
                known = _put_over(connection, known, replace(wanted, begun_at=known.begun_at))
            _sweep(connection, over)
        return known

    def keep_answer(self, claim: Claim, answer: bytes) -> bool:
        """Keep what was answered; False where another one has taken the request over."""
        return self._said(claim, answer=answer)

    def give_up(self, claim: Claim) -> bool:
        """Let whoever comes next have the request, at once and with whatever body."""
        return self._said(claim, holder="")

    def _said(self, claim: Claim, **values: bytes | str) -> bool:
        with self.engine.begin() as connection:
            return _changed(connection, claim, values)


def _found_or_put(connection: Connection, wanted: Claim) -> Claim:
    """The claim that is there, `wanted` where there was none; nobody else changes it meanwhile."""
    fresh = insert(connection, ANSWERS).values(asdict(wanted))
    kept = fresh.on_conflict_do_update(index_elements=["id"], set_={"id": fresh.excluded.id})
    row = connection.execute(kept.returning(*ANSWERS.columns)).mappings().one()
    return Claim(**row)


def _put_over(connection: Connection, known: Claim, wanted: Claim) -> Claim:
    _changed(connection, known, asdict(wanted))
    return wanted


def _changed(connection: Connection, claim: Claim, values: dict[str, object]) -> bool:
    held: ColumnElement[bool] = and_(ANSWERS.c.id == claim.id, ANSWERS.c.holder == claim.holder)
    return connection.execute(update(ANSWERS).where(held).values(values)).rowcount > 0


def _sweep(connection: Connection, before: datetime) -> None:
    """Delete some of what is past its time, without waiting for those who do the same."""
    some = select(ANSWERS.c.id).where(ANSWERS.c.begun_at <= before).limit(SWEPT)
    old = some.with_for_update(skip_locked=True)
    connection.execute(delete(ANSWERS).where(ANSWERS.c.id.in_(old)))
