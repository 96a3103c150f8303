"""Whether a webhook was signed by who shares a secret with us."""

import base64
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from api.problems import Problem
from data.settings import Settings

OLDEST = timedelta(minutes=5)
ZENDESK, ZENDESK_AT = "x-zendesk-webhook-signature", "x-zendesk-webhook-signature-timestamp"
JIRA = "x-hub-signature"


def by_zendesk(settings: Settings, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether Zendesk signed this, not more than five minutes ago; Problem 401 where it did not.

    False where there is no secret to check by, or nothing was signed.
    https://developer.zendesk.com/documentation/webhooks/verifying/
    """
    came, at = headers.get(ZENDESK), headers.get(ZENDESK_AT, "")
    if came is None or not settings.zendesk_secret:
        return False
    digest = hmac.digest(settings.zendesk_secret.encode(), at.encode() + body, "sha256")
    check(came, base64.b64encode(digest).decode(), "FOREWARN_ZENDESK_SECRET")
    if not is_recent(at, now):
        raise forged("was made more than 5 minutes from this machine's clock; it counts no more")
    return True


def by_jira(settings: Settings, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether Jira signed this; Problem 401 where it did not. It signs no time."""
    came = headers.get(JIRA)
    if came is None or not settings.jira_secret:
        return False
    digest = hmac.new(settings.jira_secret.encode(), body, "sha256").hexdigest()
    check(came, f"sha256={digest}", "FOREWARN_JIRA_SECRET")
    return True


def by_none(settings: Settings, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Of a sender that signs nothing."""
    return False


def check(came: str, right: str, secret: str) -> None:
    """Problem 401 where they differ; how long it takes says nothing of where."""
    if not hmac.compare_digest(came.encode(), right.encode()):
        raise forged(f"is not the one of this body: {secret} is to be the webhook's own secret")


def is_recent(at: str, now: datetime) -> bool:
    """Whether a time lies within five minutes of `now`.

    >>> now = datetime.fromisoformat("2026-03-04T10:00:00+00:00")
    >>> is_recent("2026-03-04T09:56:00Z", now)
    True
    >>> is_recent("2026-03-04T09:54:00Z", now), is_recent("", now)
    (False, False)
    """
    try:
        signed = datetime.fromisoformat(at)
    except ValueError:
        return False
    return signed.tzinfo is not None and abs(signed - now) <= OLDEST


def forged(what: str) -> Problem:
    headers = {"WWW-Authenticate": 'Bearer realm="forewarn", error="invalid_token"'}
    return Problem(401, f"the signature {what}", headers=headers)
