"""API keys: `id.secret`, of which only the id and a hash of the secret are kept."""

import hashlib
import hmac
import math
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

SCOPES = ("read", "score", "tickets", "metrics", "changes", "admin")
ALL_DESKS = "*"
NO_SUCH_SECRET = "0" * 64  # what an unknown id is compared with: no text is known to hash to it


@dataclass(frozen=True)
class ApiKey:
    """What a holder may do (`scopes`) and for whom (`desks`, where "*" means all).

    `rate` is how many requests a second it may send: 0 is any number, None what is set for all.
    """

    id: str
    secret_sha256: str
    scopes: frozenset[str]
    desks: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None = None
    note: str = ""
    expires_at: datetime | None = None
    rate: float | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it opens anything at this time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def new_key(
    scopes: Collection[str],
    desks: Collection[str],
    now: datetime,
    note: str = "",
    *,
    lasts: timedelta | None = None,
    rate: float | None = None,
) -> tuple[ApiKey, str]:
    """A fresh key, and the token "id.secret" that its holder is shown once.

    >>> from datetime import UTC
    >>> key, token = new_key(["read"], ["it"], datetime(2026, 1, 5, tzinfo=UTC))
    >>> verify(token, {key.id: key}.get, key.created_at) == key
    True
    >>> verify(key.id + ".guess", {key.id: key}.get, key.created_at)
    """
    identity, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    key = ApiKey(
        identity,
        _hash(secret),
        _scopes(scopes),
        _desks(desks),
        now,
        note=note,
        expires_at=None if lasts is None else now + lasts,
        rate=_rate(rate),
    )
    return key, f"{identity}.{secret}"


def successor(key: ApiKey, now: datetime, lasts: timedelta | None = None) -> tuple[ApiKey, str]:
    """A fresh key that may do what `key` may; it lasts as long as that one was made for.

    >>> from datetime import UTC
    >>> old, _ = new_key(["read"], ["it"], datetime(2026, 1, 5, tzinfo=UTC), rate=5)
    >>> new, _ = successor(old, datetime(2026, 2, 5, tzinfo=UTC))
    >>> new.id == old.id, new.scopes == old.scopes, new.rate
    (False, True, 5)
    """
    if lasts is None and key.expires_at is not None:
        lasts = key.expires_at - key.created_at
    return new_key(key.scopes, key.desks, now, key.note, lasts=lasts, rate=key.rate)


def verify(token: str, find: Callable[[str], ApiKey | None], now: datetime) -> ApiKey | None:
    """The key of `token`; None where it is malformed, unknown, wrong, expired or revoked.

    An unknown id takes the same steps as a known one with a wrong secret.
    """
    identity, _, secret = token.partition(".")
    key = find(identity)
    kept = NO_SUCH_SECRET if key is None else key.secret_sha256
    right = hmac.compare_digest(_hash(secret), kept)
    return key if key is not None and right and key.holds(now) else None


def _hash(secret: str) -> str:
    # Fast hashing is enough: the secret is 256 random bits, not a password that can be guessed.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _scopes(scopes: Collection[str]) -> frozenset[str]:
    unknown = sorted(set(_several(scopes, "scopes")) - set(SCOPES))
    if unknown or not scopes:
        came = ", ".join(unknown) or "none"
        raise ValueError(f"scopes must be one or more of {', '.join(SCOPES)}, got {came}")
    return frozenset(scopes)


def _desks(desks: Collection[str]) -> frozenset[str]:
    named = frozenset(_several(desks, "desks"))
    if not named or "" in named:
        raise ValueError('desks must name one or more desks, or be "*" for all; got an empty name')
    if ALL_DESKS in named and len(named) > 1:
        raise ValueError('desks must be "*" alone or names alone, got both')
    return named


def _rate(rate: float | None) -> float | None:
    if rate is not None and not 0 <= rate < math.inf:
        raise ValueError(f"rate must be requests a second, 0 for any number, got {rate}")
    return rate


def _several(names: Collection[str], what: str) -> Collection[str]:
    if isinstance(names, str):  # "read" would otherwise be taken for r, e, a, d
        raise ValueError(f"{what} must be a list of names, got the single text {names!r}")
    return names
