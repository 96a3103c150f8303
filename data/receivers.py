"""Who is told, as the settings say: Alertmanagers and a webhook of alerts, desks of tickets."""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from data.settings import DESKS, Settings

ReceiverKind = Literal["alertmanager", "webhook", "zendesk", "servicenow", "jira", "freshservice"]
ALERTS = "/api/v2/alerts"
NO_PASSWORD = "X"  # what Freshservice wants beside a key


@dataclass(frozen=True)
class Receiver:
    """Where something is sent. `name` can be shown: it is the host alone.

    `url` may hold a token in its path, `user` and `password` come from it; none is ever printed.
    `secret` signs what a webhook is sent; to a desk it is a token, where no user is named.
    """

    kind: ReceiverKind
    name: str
    url: str = field(repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)

    @property
    def is_desk(self) -> bool:
        return self.kind in DESKS

    @property
    def headers(self) -> dict[str, str]:
        """Those by which a desk knows who calls, where no user does."""
        if not self.is_desk or not self.secret:
            return {}
        if self.kind == "servicenow":
            return {"x-sn-apikey": self.secret}
        return {"Authorization": f"Bearer {self.secret}"}

    def masked(self, text: str) -> str:
        """`text` without what nobody may read, on one line and at most 200 characters long.

        >>> hook = receiver("webhook", "https://ops:pa55@hooks.example.com/T0/B1?key=x", "sesame")
        >>> hook.masked("no route to https://hooks.example.com/T0/B1?key=x, pa55, sesame, /T0/B1")
        'no route to ***, ***, ***, /***'
        """
        parts = urlsplit(self.url)
        hidden = {self.url, self.password, self.secret}
        if self.kind == "webhook":
            hidden |= {parts.path.strip("/"), parts.query}
        if self.is_desk:
            basic = b64encode(f"{self.user}:{self.password}".encode()).decode()
            hidden = {self.user, self.password, self.secret, basic} - {NO_PASSWORD}
        for secret in sorted(hidden - {""}, key=len, reverse=True):
            text = text.replace(secret, "***")
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= 200 else f"{text[:199]}…"


def receiver(kind: ReceiverKind, url: str, secret: str = "") -> Receiver:
    """The receiver at `url`.

    >>> found = receiver("alertmanager", "http://ops:pa55@am.example.com:9093/am/")
    >>> found
    Receiver(kind='alertmanager', name='alertmanager am.example.com:9093')
    >>> found.url, found.user, found.password
    ('http://am.example.com:9093/am/api/v2/alerts', 'ops', 'pa55')
    """
    parts = urlsplit(url)
    host, path = parts.netloc.rpartition("@")[2], parts.path
    if kind == "alertmanager":
        path = path.rstrip("/").removesuffix(ALERTS) + ALERTS
    clean = urlunsplit((parts.scheme, host, path or "/", parts.query, ""))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Receiver(kind, f"{kind} {host}", clean, user, password, secret)


def desk_at(kind: ReceiverKind, url: str, login: str) -> Receiver:
    """A desk's own system, to which its tickets are written back.

    >>> desk = desk_at("zendesk", "https://x.zendesk.com", "ann@example.com/token:pa55")
    >>> desk.name, desk.user, desk.password
    ('zendesk x.zendesk.com', 'ann@example.com/token', 'pa55')
    >>> desk_at("servicenow", "https://x.service-now.com", "pa55").headers
    {'x-sn-apikey': 'pa55'}
    """
    name = f"{kind} {urlsplit(url).netloc}"
    user, colon, password = login.partition(":")
    if colon:
        return Receiver(kind, name, url, user, password)
    if kind == "freshservice":
        return Receiver(kind, name, url, login, NO_PASSWORD)
    return Receiver(kind, name, url, secret=login)


def desks_of(settings: Settings) -> list[Receiver]:
    """The systems that tickets are written back to; empty where that is off."""
    named = ((kind, getattr(settings, f"{kind}_url")) for kind in DESKS)
    return [desk_at(kind, url, getattr(settings, f"{kind}_login")) for kind, url in named if url]


def receivers_of(settings: Settings) -> list[Receiver]:
    """Everybody who is to be told, desks last; empty where nobody is named.

    >>> [one.name for one in receivers_of(Settings(alertmanager_url=("http://am1:9093",)))]
    ['alertmanager am1:9093']
    """
    found = [receiver("alertmanager", url) for url in settings.alertmanager_url]
    if settings.webhook_url:
        found.append(receiver("webhook", settings.webhook_url, settings.webhook_secret))
    return found + desks_of(settings)
