"""Who is told of alerts: Alertmanagers and a webhook, as the settings name them."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from data.settings import Settings

ReceiverKind = Literal["alertmanager", "webhook"]
ALERTS = "/api/v2/alerts"


@dataclass(frozen=True)
class Receiver:
    """Where alerts are sent. `name` can be shown: it is the host alone.

    `url` may hold a token in its path, `user` and `password` come from it; none is ever printed.
    """

    kind: ReceiverKind
    name: str
    url: str = field(repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)

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


def receivers_of(settings: Settings) -> list[Receiver]:
    """Everybody who is to be told; empty where nobody is named.

    >>> [one.name for one in receivers_of(Settings(alertmanager_url=("http://am1:9093",)))]
    ['alertmanager am1:9093']
    """
    found = [receiver("alertmanager", url) for url in settings.alertmanager_url]
    if settings.webhook_url:
        found.append(receiver("webhook", settings.webhook_url, settings.webhook_secret))
    return found
