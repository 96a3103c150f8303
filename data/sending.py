"""How a message reaches a receiver: one request, and what came of it."""

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import NamedTuple, Self

import httpx

from data.receivers import Receiver

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
LONGEST_ANSWER_SECONDS, LONGEST_ANSWER_BYTES = 10.0, 2000  # the reason of a refusal needs no more
LONGEST_TICKET_BYTES = 4_000_000  # of what a desk says that stands in a ticket
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
    content: bytes = field(default=b"", repr=False)  # of what was asked for

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


class Message(NamedTuple):
    """One request."""

    method: str
    url: str
    body: bytes = b""
    headers: Mapping[str, str] = {}


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
        headers = {"Idempotency-Key": key} if key else {}
        if to.secret:
            headers["X-Hub-Signature-256"] = signature(to.secret, body)
        return self.send(to, Message("POST", to.url, body, headers), now)

    def send(self, to: Receiver, message: Message, now: datetime) -> Answer:
        """Send a request to `to`, as whoever it knows, and say what came of it."""
        told = {"Content-Type": "application/json"} if message.body else {}
        headers = {"User-Agent": "forewarn", **told, **to.headers, **message.headers}
        signed_in = (to.user, to.password) if to.user or to.password else None
        asks = message.method == "GET"
        try:
            with self._client.stream(
                message.method,
                message.url,
                content=message.body or None,
                headers=headers,
                auth=signed_in,
            ) as answer:
                content = read(answer, LONGEST_TICKET_BYTES if asks else LONGEST_ANSWER_BYTES)
        except httpx.TimeoutException:
            return Answer(0, "no answer in time")
        except (httpx.RequestError, httpx.InvalidURL) as error:
            return Answer(0, to.masked(f"cannot be reached: {error or type(error).__name__}"))
        # What a desk accepts it answers with the ticket, whose text nobody is to read here.
        said = answer.reason_phrase if to.is_desk and answer.is_success else reason(answer, content)
        return Answer(
            answer.status_code,
            to.masked(f"{answer.status_code} {said}"),
            seconds_asked(answer.headers, now),
            content if asks else b"",
        )


def signature(secret: str, body: bytes) -> str:
    """What the header X-Hub-Signature-256 carries, as GitHub's webhooks do.

    >>> signature("sesame", b"{}")[:23]
    'sha256=9288af31519fb10e'
    """
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def reason(answer: httpx.Response, content: bytes) -> str:
    """The beginning of what a receiver says."""
    if 300 <= answer.status_code < 400:
        return "it redirects elsewhere, which is not followed; name the address that it leads to"
    return content[:LONGEST_ANSWER_BYTES].decode(errors="replace") or answer.reason_phrase


def read(answer: httpx.Response, n_bytes: int) -> bytes:
    """What a receiver says, up to so much; it is given so much time and no more."""
    until, said = time.monotonic() + LONGEST_ANSWER_SECONDS, b""
    for chunk in answer.iter_bytes():  # also of what is accepted: read to its end, it is kept
        said += chunk
        if len(said) >= n_bytes or time.monotonic() > until:
            break
    return said


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
