"""Who is signed in to the page: a signed cookie, and a token in every form."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from data.secret_files import secret_file

COOKIE = "forewarn_session"
LIFETIME = timedelta(hours=12)  # one long shift


@dataclass(frozen=True)
class Session:
    """One browser. `key_id` is empty while nobody has signed in there."""

    id: str
    key_id: str
    expires_at: int


class Sessions:
    """Signs sessions with a key derived from the secret in `path`, made when first needed."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self.path = path
        self.now = now

    @cached_property
    def _key(self) -> bytes:
        secret = secret_file(self.path)
        if len(secret) < 32:
            raise ValueError(
                f"{self.path} holds {len(secret)} letters, wanted at least 32; remove it,"
                " and a new secret is made at the next start"
            )
        return hmac.digest(secret.encode(), b"forewarn ops session 1", hashlib.sha256)

    def new(self, key_id: str = "") -> Session:
        expires_at = int((self.now() + LIFETIME).timestamp())
        return Session(secrets.token_urlsafe(16), key_id, expires_at)

    def cookie(self, session: Session) -> str:
        body = base64.urlsafe_b64encode(json.dumps(astuple(session)).encode()).decode()
        return f"{body}.{self._sign('session', body)}"

    def read(self, cookie: str) -> Session | None:
        """The session in a cookie that we signed and that has not expired."""
        body, _, signature = cookie.rpartition(".")
        if not self._is_ours("session", body, signature):
            return None
        session = Session(*json.loads(base64.urlsafe_b64decode(body)))
        return session if session.expires_at > self.now().timestamp() else None

    def token(self, session: Session) -> str:
        """What a form of this session carries, and a page elsewhere cannot know."""
        return self._sign("form", session.id)

    def is_token(self, session: Session, token: str) -> bool:
        return self._is_ours("form", session.id, token)

    def _sign(self, use: str, text: str) -> str:
        return hmac.new(self._key, f"{use}:{text}".encode(), hashlib.sha256).hexdigest()

    def _is_ours(self, use: str, text: str, signature: str) -> bool:
        return hmac.compare_digest(self._sign(use, text).encode(), signature.encode())
