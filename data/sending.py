"""How a message reaches a receiver: one POST, and what came of it."""

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpx

from data.receivers import Receiver

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
LONGEST_ANSWER_SECONDS, LONGEST_ANSWER_BYTES = 10.0, 2000  # the reason of a refusal needs no more
LATER = {408, 429}  # of the 4xx those that ask to try again


@dataclass(frozen=True)
class Answer:
    """What a receiver answered. `status` is 0 where it could not be reached.

    >>> Answer(200).accepted, Answer(503).final, Answer(404).final
    (True, False, True)
    """

    status: int
    said: str = ""
    retry_after: float = 0.0  # seconds that it asks for

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300

    @property
    def final(self) -> bool:
        """Whether it would say the same again: then it is not asked again."""
        return 300 <= self.status < 500 and self.status not in LATER

    @property
    def is_down(self) -> bool:
        """Whether nothing else can be sent to it now either."""
        return self.status in (0, 429, 502, 503, 504)


class Sender:
    """Sends to receivers over connections that are kept; certificates are checked.

    Proxies and certificates are those that curl would take too (HTTPS_PROXY, SSL_CERT_FILE).
    Redirects are not followed: addresses come from the settings alone.
    """

    def __init__(self) -> None:
        self._client = httpx.Client(timeout=TIMEOUT, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def post(self, to: Receiver, body: bytes, now: datetime, key: str = "") -> Answer:
        """POST `body`, JSON, and say what came of it; a receiver that is away is an answer too."""
        headers = {"Content-Type": "application/json", "User-Agent": "forewarn"}
        if key:
            headers["Idempotency-Key"] = key
        if to.secret:
            headers["X-Hub-Signature-256"] = signature(to.secret, body)
        signed_in = (to.user, to.password) if to.user or to.password else None
        try:
            with self._client.stream(
                "POST", to.url, content=body, headers=headers, auth=signed_in
            ) as answer:
                said = reason(answer)
        except httpx.TimeoutException:
            return Answer(0, "no answer in time")
        except (httpx.RequestError, httpx.InvalidURL) as error:
            return Answer(0, to.masked(f"cannot be reached: {error or type(error).__name__}"))
        asked = seconds_asked(answer.headers, now)
        return Answer(answer.status_code, to.masked(f"{answer.status_code} {said}"), asked)


def signature(secret: str, body: bytes) -> str:
    """What the header X-Hub-Signature-256 carries, as GitHub's webhooks do.

    >>> signature("sesame", b"{}")[:23]
    'sha256=9288af31519fb10e'
    """
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def reason(answer: httpx.Response) -> str:
    """The beginning of what a receiver says; it is given so much time and no more."""
    if 300 <= answer.status_code < 400:
        return "it redirects elsewhere, which is not followed; name the address that it leads to"
    until, said = time.monotonic() + LONGEST_ANSWER_SECONDS, b""
    for chunk in answer.iter_bytes():  # also of what is accepted: read to its end, it is kept
        said += chunk
        if len(said) >= LONGEST_ANSWER_BYTES or time.monotonic() > until:
            break
    return said[:LONGEST_ANSWER_BYTES].decode(errors="replace") or answer.reason_phrase


def seconds_asked(headers: Mapping[str, str], now: datetime) -> float:
    """What Retry-After asks for, in seconds or as a date; 0 where nothing that can be read.

    >>> from datetime import UTC
    >>> now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    >>> [seconds_asked({"Retry-After": text}, now) for text in ("120", "soon", "-5")]
    [120.0, 0.0, 0.0]
    >>> seconds_asked({"Retry-After": "Mon, 02 Mar 2026 09:01:00 GMT"}, now)
    60.0
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max((parsedate_to_datetime(text) - now).total_seconds(), 0.0)
    except (ValueError, TypeError):  # no date, or one without a zone
        return 0.0
