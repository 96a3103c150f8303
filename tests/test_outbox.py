"""What the store keeps of alerts that are to be told, on both engines."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy

from data.database import migrate
from data.migrations import MIGRATIONS
from data.store import Store
from data.store_outbox import Delivery, ReceiverState
from tests.endpoint import NOW, put_alerts
from tests.receiving import firing, over

HOUR = timedelta(hours=1)
DESK, ONE, TWO = "default", "webhook one", "webhook two"


@pytest.fixture
def known(store):
    """A store with two receivers that are known for long."""
    for name in (ONE, TWO):
        store.put_receiver_state(ReceiverState(DESK, name, NOW - 100 * HOUR))
    return store


def due(store, receiver=ONE):
    return [(one.alert.id, one.number, one.firing) for one in store.due(DESK, receiver)]


def tell(store, receiver=ONE):
    """The receiver hears of everything."""
    store.put_deliveries(
        [
            replace(one.last, number=one.number, firing=one.firing, told_at=NOW, labels={"a": "ß"})
            for one in store.due(DESK, receiver)
        ]
    )


def test_an_alert_is_numbered_each_time_it_begins_or_ceases_to_fire(known):
    put_alerts(known, firing())
    assert due(known) == [(firing().id, 1, True)]
    put_alerts(known, firing(score=99.0))
    known.judge_alert(firing().id, "acknowledged", "ann", NOW)
    assert due(known) == [(firing().id, 1, True)]
    known.judge_alert(firing().id, "resolved", "ann", NOW)
    assert due(known) == [(firing().id, 2, False)]
    put_alerts(known, over())
    assert due(known) == [(firing().id, 2, False)], "a person said so before"
    known.judge_alert(firing().id, "open", "ann", NOW)
    assert due(known) == [(firing().id, 2, False)], "it has closed meanwhile"


def test_what_is_told_waits_no_longer_for_that_receiver_alone(known):
    put_alerts(known, firing(2), over(1))
    assert known.backlog(DESK, ONE) == known.backlog(DESK, TWO) == (2, NOW, 0)
    tell(known)
    assert known.backlog(DESK, ONE) == (0, None, 0)
    assert known.backlog(DESK, TWO) == (2, NOW, 0)
    assert due(known) == [(firing(2).id, 1, True)], "what fires may have to be repeated"
    (one,) = known.due(DESK, ONE)
    assert (one.alert, one.last.labels, one.last.told_at) == (firing(2), {"a": "ß"}, NOW)


def test_what_was_refused_is_counted_with_its_reason_until_it_is_forgiven(known):
    put_alerts(known, over(1), over(2))
    for one in known.due(DESK, ONE):
        known.put_deliveries([replace(one.last, number=1, refused=True, error="403 no")])
    assert known.backlog(DESK, ONE) == (0, None, 2)
    assert (known.refusals(DESK, ONE), known.refusals(DESK, TWO)) == (["403 no"], [])
    assert known.forgive(DESK, ONE) == 2
    assert known.backlog(DESK, ONE) == (2, NOW, 0)


def test_other_desks_have_receivers_and_alerts_of_their_own(known):
    put_alerts(known, over(1, desk="hr"))
    assert due(known) == []
    assert known.due("hr", ONE) == [], "which it is not known to"
    known.put_receiver_state(ReceiverState("hr", ONE, NOW))
    assert len(known.due("hr", ONE)) == 1


def test_what_a_receiver_is_known_since_stays(known):
    known.put_receiver_state(ReceiverState(DESK, ONE, NOW, 3, NOW + HOUR, "away"))
    state = known.receiver_state(DESK, ONE)
    assert state == ReceiverState(DESK, ONE, NOW - 100 * HOUR, 3, NOW + HOUR, "away")


def test_alerts_that_expire_take_what_was_told_of_them_along(known):
    put_alerts(known, firing(2), over(1))
    tell(known)
    known.put_deliveries([Delivery(DESK, TWO, over(1).id)])
    known.expire(DESK, NOW)
    with known.engine.connect() as connection:
        for table in ("outbox", "deliveries"):
            rows = connection.execute(sqlalchemy.text(f"SELECT alert_id FROM {table}"))
            assert rows.scalars().all() == [firing(2).id]


def test_alerts_of_before_that_fire_are_told_and_those_that_are_over_are_not(url):
    engine = sqlalchemy.create_engine(url)
    migrate(engine, MIGRATIONS[:3])
    insert = sqlalchemy.text(
        "INSERT INTO alerts (id, desk, kind, key, opened_at, why, detector, status, closed_at)"
        " VALUES (:id, 'default', 'metric', 'cpu', 1, '', 'rare', :status, :closed_at)"
    )
    with engine.begin() as connection:
        for id, status, closed_at in (
            ("fires", "acknowledged", None),
            ("closed", "open", 2),
            ("judged", "false_alarm", None),
        ):
            connection.execute(insert, {"id": id, "status": status, "closed_at": closed_at})
    engine.dispose()
    with closing(Store(url)) as store:
        store.put_receiver_state(ReceiverState(DESK, ONE, NOW))
        assert due(store) == [("fires", 1, True)]
