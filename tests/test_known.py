"""A key that is remembered, and for how long."""

import pytest

from api.known import GRACE, SECONDS, KnownKeys
from api.opened import OpenStore
from data.settings import Settings
from data.store import Store
from tests.endpoint import put_key


@pytest.fixture
def known(tmp_path):
    """Keys whose clock is set by hand, and the id of one that the store has just told."""
    url = Settings(home=tmp_path).database_url
    store, opened, times = Store(url), OpenStore(url), [0.0]
    id = put_key(store, "score").partition(".")[0]
    store.close()
    keys = KnownKeys(opened, lambda: times[-1])
    assert keys.find(id)
    yield keys, id, times
    opened.close()


def test_a_key_is_asked_for_once_a_second(known):
    keys, id, times = known
    times.append(SECONDS / 2)
    assert keys.recent(id)
    times.append(SECONDS)
    assert keys.recent(id) is None
    keys.spare(id)
    assert keys.recent(id), "somebody asks already"


def test_nobody_goes_by_a_key_that_the_store_has_not_told_for_long(known):
    keys, id, times = known
    times.append(GRACE + 1)
    assert keys.remembered(id) is None
    keys.spare(id)
    assert keys.recent(id) is None
