"""Keys that end, that have a rate, and that make place for another."""

from datetime import UTC, datetime, timedelta

import pytest

from data.keys import new_key, successor
from data.settings import Settings
from data.store import Store

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def an_old_key(store, **told):
    key, _ = new_key(["read", "score"], ["it", "hr"], NOW, note="Zendesk", **told)
    store.put_key(key)
    return key


def test_the_new_key_may_what_the_old_one_may_and_both_do_for_a_while(store):
    old = an_old_key(store, rate=5.0, lasts=90 * DAY)
    now = NOW + 80 * DAY
    new, _ = successor(old, now)
    assert store.rotate_key(old.id, new, now + DAY)
    assert store.key(new.id) == new
    same = ("scopes", "desks", "rate", "note")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert new.expires_at == now + 90 * DAY
    ended = store.key(old.id)
    assert ended.holds(now + DAY - HOUR)
    assert not ended.holds(now + DAY)
    assert ended.revoked_at is None


def test_an_overlap_prolongs_no_key(store):
    old = an_old_key(store, lasts=HOUR)
    assert store.rotate_key(old.id, successor(old, NOW)[0], NOW + DAY)
    assert store.key(old.id).expires_at == NOW + HOUR


@pytest.mark.parametrize("how", ["expired", "revoked", "unknown"])
def test_what_is_over_has_no_successor(store, how):
    old = an_old_key(store, lasts=HOUR if how == "expired" else None)
    if how == "revoked":
        store.revoke_key(old.id, NOW)
    new, _ = successor(old, NOW + HOUR)
    assert not store.rotate_key("nobody" if how == "unknown" else old.id, new, NOW + DAY)
    assert store.key(new.id) is None


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match="rate must be requests a second"):
        new_key(["read"], ["it"], NOW, rate=rate)


def test_the_command_line_makes_keys_that_end_and_rotates_them(forewarn, tmp_path):
    made = forewarn("keys", "create", "--scope", "read", "--expires", "90d", "--rate", "50")
    old = made[1].partition(".")[0]
    code, token, said = forewarn("keys", "rotate", old, "--overlap", "2h")
    new, _, secret = token.strip().partition(".")
    assert code == 0
    assert f"Key {old} works until" in said
    store = Store(Settings(home=tmp_path / "home").database_url)
    before, after = store.keys()
    store.close()
    assert (before.id, after.id, after.rate, after.scopes) == (old, new, 50.0, {"read"})
    assert before.expires_at - after.created_at == 2 * HOUR
    assert after.expires_at - after.created_at == 90 * DAY
    listed = forewarn("keys", "list")[1]
    assert listed.count("valid until") == 2
    assert listed.count("50/s") == 2
    assert secret not in listed


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("rotate", "nobody"), "no key 'nobody'"),
        (("rotate", "nobody", "--overlap", "soon"), "--overlap: wanted a time span such as"),
        (("create", "--expires", "0d"), "--expires: wanted a time span such as"),
        (("create", "--expires", "999999999w"), "--expires wants a hundred years at most"),
        (("create", "--rate", "-1"), "rate must be requests a second"),
    ],
    ids=lambda told: " ".join(told) if isinstance(told, tuple) else "",
)
def test_what_cannot_be_is_told_in_a_line(forewarn, command, said):
    code, out, err = forewarn("keys", *command)
    assert (code, out) == (2, "")
    assert said in err


def test_a_revoked_key_cannot_be_rotated(forewarn):
    old = forewarn("keys", "create")[1].partition(".")[0]
    forewarn("keys", "revoke", old)
    assert "expired or revoked" in " ".join(forewarn("keys", "rotate", old)[2].split())
