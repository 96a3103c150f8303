"""What happens to every request: its id, the Host it was sent to, headers, and the count."""

import ipaddress
import re
import time
import uuid
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics_text import Figures
from api.problems import Problem, answer
from api.shadow import Shadows
from api.traffic import Traffic

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Of styles beside our own file only the empty one is let in (this is the SHA-256 of nothing): the
# chart's library puts an empty <style> into the page and adds its rules to it one by one.
EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
PAGE_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {EMPTY_STYLE}; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
SECURE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": PAGE_POLICY,
    "Cache-Control": "no-store",
}
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class Guard:
    """Wraps the app: gives ids and headers, refuses foreign hosts, counts what was answered."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: tuple[str, ...],
        open_loopback: bool,
        figures: Figures,
        traffic: Traffic,
        shadows: Shadows,
    ) -> None:
        self.app = app
        self.hosts = hosts
        self.open_loopback = open_loopback
        self.figures = figures
        self.traffic = traffic
        self.shadows = shadows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, started = Headers(scope=scope), time.perf_counter()
        answered = _Answer(send, scope, headers)
        fault = refusal(headers, self.hosts)
        scope["state"]["is_open"] = self.open_loopback and is_loopback(scope, headers)
        app = answer(Request(scope), fault) if fault else self.app
        try:
            with self.shadows.after_the_answer():
                await app(scope, receive, answered.send)
        finally:
            seconds = time.perf_counter() - started
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.figures.count_request(method, route_of(scope), answered.status, seconds)
            self.traffic.count(route_of(scope), answered.status, seconds)


METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class _Answer:
    """Puts the headers on the answer and remembers its status; 500 until one was given."""

    def __init__(self, send: Send, scope: Scope, headers: Headers) -> None:
        self._send = send
        self.status = 500
        self.request_id = request_id(headers.get("x-request-id", ""))
        self.headers = {"X-Request-ID": self.request_id, **SECURE}
        state = scope.setdefault("state", {})
        state["request_id"], state["headers"] = self.request_id, self.headers

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = list(message.get("headers", ()))
            names = {name for name, _ in given}
            message["headers"] = given + [one for one in raw(self.headers) if one[0] not in names]
        await self._send(message)


def raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as an ASGI server takes them.

    >>> raw({"Retry-After": "1"})
    [(b'retry-after', b'1')]
    """
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def request_id(given: str, new: Callable[[], str] = lambda: uuid.uuid4().hex) -> str:
    """The caller's id where it is a plain one, else ours.

    >>> request_id("order-7"), request_id("a\\nb", new=lambda: "ours")
    ('order-7', 'ours')
    """
    return given if REQUEST_ID.fullmatch(given) else new()


def refusal(headers: Headers, hosts: tuple[str, ...]) -> Problem | None:
    """Why a request with these headers is not let in: a page elsewhere could have had it sent."""
    host = headers.get("host", "")
    if host_name(host) not in hosts and "*" not in hosts:
        return Problem(400, "this Host is not served; FOREWARN_ALLOWED_HOSTS lists those that are")
    if not is_same_origin(headers.get("origin"), host):
        return Problem(403, "a page of another origin asked for this")
    return None


def host_name(host: str) -> str:
    """The name in a Host header, without its port.

    >>> host_name("LocalHost:8000"), host_name("[::1]:8000"), host_name("[::1]")
    ('localhost', '[::1]', '[::1]')
    """
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()


def is_same_origin(origin: str | None, host: str) -> bool:
    """Whether a browser that sent this Origin stood on our own page; others send none.

    >>> is_same_origin("http://localhost:8000", "localhost:8000"), is_same_origin("null", "a")
    (True, False)
    """
    try:
        return origin is None or urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # "http://[" and the like
        return False


def is_loopback(scope: Scope, headers: Headers) -> bool:
    """Whether the request comes from this machine, not through a proxy on it."""
    if any(name in headers for name in FORWARDED) or not scope.get("client"):
        return False
    try:
        return ipaddress.ip_address(scope["client"][0]).is_loopback
    except ValueError:
        return False


def route_of(scope: Scope) -> str:
    """The template of the route that answered, so that ids make no new time series."""
    return getattr(scope.get("route"), "path", None) or "none"
