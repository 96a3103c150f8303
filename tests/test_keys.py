import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from data.keys import new_key, verify

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def issued():
    return new_key(["read", "score"], ["it"], NOW, note="for the tests")


def test_token_opens_its_own_key(issued):
    key, token = issued
    assert verify(token, {key.id: key}.get, NOW) == key
    assert (key.scopes, key.desks) == ({"read", "score"}, {"it"})
    assert (key.created_at, key.note) == (NOW, "for the tests")


def test_secret_is_kept_as_its_hash_alone(issued):
    key, token = issued
    secret = token.partition(".")[2]
    assert secret not in repr(key)
    assert key.secret_sha256 == hashlib.sha256(secret.encode()).hexdigest()


def test_no_two_keys_are_alike():
    made = [new_key(["read"], ["*"], NOW) for _ in range(50)]
    assert len({key.id for key, _ in made}) == len({token for _, token in made}) == 50


@pytest.mark.parametrize("change", ["", ".", "x", "\ud800", "é"], ids=repr)
def test_wrong_secret_is_refused(issued, change):
    key, token = issued
    assert verify(token + change if change else key.id + ".", {key.id: key}.get, NOW) is None


@pytest.mark.parametrize("token", ["", ".", "nobody", "nobody.", "nobody.guess", "a.b.c"])
def test_unknown_or_malformed_token_is_refused(issued, token):
    key, _ = issued
    assert verify(token, {key.id: key}.get, NOW) is None


def test_secret_of_another_key_is_refused(issued):
    key, _ = issued
    other, token = new_key(["admin"], ["*"], NOW)
    borrowed = key.id + "." + token.partition(".")[2]
    assert verify(borrowed, {key.id: key, other.id: other}.get, NOW) is None


def test_revoked_key_is_refused(issued):
    key, token = issued
    assert verify(token, {key.id: replace(key, revoked_at=NOW)}.get, NOW) is None


@pytest.mark.parametrize(
    ("scopes", "desks", "message"),
    [
        (
            [],
            ["it"],
            "one or more of read, score, tickets, metrics, changes, admin, got none",
        ),
        (
            ["read", "root"],
            ["it"],
            "scopes must be one or more of read, score, tickets, metrics, changes, admin, got root",
        ),
        ("read", ["it"], "scopes must be a list of names, got the single text 'read'"),
        (["read"], [], "desks must name one or more desks"),
        (["read"], [""], "desks must name one or more desks"),
        (["read"], ["*", "it"], 'desks must be "\\*" alone or names alone'),
        (["read"], "it", "desks must be a list of names, got the single text 'it'"),
    ],
)
def test_bad_scopes_and_desks_are_named(scopes, desks, message):
    with pytest.raises(ValueError, match=message):
        new_key(scopes, desks, NOW)
