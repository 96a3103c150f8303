"""Everything an operator can set, read from the environment once, at the border."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
ADDRESS = "wanted an address such as https://host:9093/path"
DESK_ADDRESS = (
    "wanted https://host (http for this machine alone), without a user, a password or a query"
)
LOGIN = "wanted user:password or a token, in printable ASCII"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
DeskKind = Literal["zendesk", "servicenow", "jira", "freshservice"]
DESKS: tuple[DeskKind, ...] = get_args(DeskKind)
TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def _flag(text: str) -> bool:
    if text.lower() not in TRUE | FALSE:
        raise ValueError("wanted yes or no")
    return text.lower() in TRUE


def _positive(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise ValueError("wanted a number above 0")
    return number


def _least_zero(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError("wanted a number, 0 or above")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("wanted a whole number of at least 1")
    return number


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError("wanted a whole number, 0 or above")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise ValueError("wanted a port between 1 and 65535")
    return number


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("wanted a time zone such as Europe/Berlin") from error
    return text


def _holidays(text: str) -> tuple[str, ...]:
    import holidays  # here: who sets no country never pays for it

    places = _names(text)
    for place in places:
        country, _, part = place.partition("-")
        try:
            holidays.country_holidays(country, subdiv=part or None)
        except NotImplementedError as error:
            raise ValueError(
                f"no holidays are known for {place!r}: wanted countries (DE, US) or parts (DE-BY)"
            ) from error
    return places


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _database(text: str) -> str:
    if text and not text.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("wanted sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
    return text


def _address(text: str) -> str:
    parts = urlsplit(text)
    wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    if text and (wrong or parts.fragment or any(letter.isspace() for letter in text)):
        raise ValueError
    return text


def _addresses(text: str) -> tuple[str, ...]:
    found = tuple(_address(one) for one in _names(text))
    hosts = {urlsplit(url).netloc.rpartition("@")[2] for url in found}
    if len(hosts) < len(found):
        raise ValueError
    return found


def _desk_address(text: str) -> str:
    """Where a desk is written to: passwords go there, so it has to be encrypted."""
    parts = urlsplit(_address(text))
    plain = parts.scheme == "http" and parts.hostname not in LOOPBACK
    if text and (plain or parts.query or "@" in parts.netloc):
        raise ValueError
    return text.rstrip("/")


def _login(text: str) -> str:
    if not text.isascii() or not text.isprintable() or text.startswith(":"):
        raise ValueError
    return text


def _level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise ValueError(f"wanted one of {', '.join(LEVELS)}")
    return text.upper()


def _name(text: str) -> str:
    if not text or not all(letter.isalnum() or letter in "-_" for letter in text):
        raise ValueError("wanted letters, digits, - and _ only")
    return text


@dataclass(frozen=True)
class Settings:
    """One attribute a variable; `docs/operations.md` lists them all.

    >>> Settings.from_env({"FOREWARN_DESK": "it", "FOREWARN_PORT": "9000"}).port
    9000
    >>> Settings.from_env({"FOREWARN_PORT": "http"})
    Traceback (most recent call last):
    ...
    ValueError: FOREWARN_PORT is 'http': wanted a port between 1 and 65535
    """

    home: Path = Path("var")
    desk: str = "default"
    database_url: str = field(default="", repr=False)
    database_seconds: float = 10.0
    mlflow_uri: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 8000
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    open_loopback: bool = False
    secure_cookie: bool = False
    max_body_bytes: int = 4_000_000
    max_lines_bytes: int = 1_000_000_000
    max_batch: int = 1_000
    max_wait_seconds: float = 0.06
    body_seconds: float = 30.0
    rate_limit: float = 0.0
    hmac_key: str = field(default="", repr=False)
    timezone: str = "UTC"
    holidays: tuple[str, ...] = ()
    days_off: str = ""
    step_seconds: int = 300
    lateness_seconds: int = 0
    metric_budget: float = 1.0
    metric_floors: str = ""
    ticket_budget: float = 1.0
    topic_budget: float = 1.0
    group_by: tuple[str, ...] = ("service", "app", "job")
    retention_days: int = 0
    hot_hours: int = 48
    priority_matrix: str = ""
    limits: str = ""
    dependencies: str = ""
    incident_tickets: int = 10
    alertmanager_url: tuple[str, ...] = field(default=(), repr=False)
    webhook_url: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)
    external_url: str = ""
    zendesk_secret: str = field(default="", repr=False)
    jira_secret: str = field(default="", repr=False)
    zendesk_url: str = field(default="", repr=False)
    zendesk_login: str = field(default="", repr=False)
    servicenow_url: str = field(default="", repr=False)
    servicenow_login: str = field(default="", repr=False)
    jira_url: str = field(default="", repr=False)
    jira_login: str = field(default="", repr=False)
    freshservice_url: str = field(default="", repr=False)
    freshservice_login: str = field(default="", repr=False)
    log_level: str = "INFO"
    prefect_api_url: str = ""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Settings as `environ` gives them; ValueError names the variable that cannot be read.

        A secret may lie in a file that FOREWARN_..._FILE names.
        """
        given = {}
        for setting in fields(cls):
            variable = variable_of(setting.name)
            text = environ.get(variable)
            if setting.name in SECRET and (path := environ.get(f"{variable}_FILE")):
                text = _from_file(variable, text, Path(path))
            if text is not None:
                given[setting.name] = _read(variable, setting.name, text)
        return cls(**given)

    def __post_init__(self) -> None:
        for desk in DESKS:
            url, login = f"{desk}_url", f"{desk}_login"
            if bool(getattr(self, url)) != bool(getattr(self, login)):
                names = f"{variable_of(url)} and {variable_of(login)}"
                raise ValueError(f"{names}: wanted both, or neither, got one of them")
        home = self.home.absolute()
        object.__setattr__(self, "home", home)
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite:///{home / 'forewarn.db'}")
        if not self.mlflow_uri:
            object.__setattr__(self, "mlflow_uri", f"sqlite:///{home / 'mlflow.db'}")


def variable_of(setting: str) -> str:
    """The environment variable behind a setting.

    >>> variable_of("home"), variable_of("prefect_api_url")
    ('FOREWARN_HOME', 'PREFECT_API_URL')
    """
    name = setting.upper()
    return name if name.startswith("PREFECT_") else f"FOREWARN_{name}"


# These hold passwords or tokens, which no message may repeat.
SECRET = {
    "database_url",
    "mlflow_uri",
    "hmac_key",
    "alertmanager_url",
    "webhook_url",
    "webhook_secret",
    "zendesk_secret",
    "jira_secret",
    *(f"{desk}_{what}" for desk in DESKS for what in ("url", "login")),
}
READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "home": (Path, ""),
    "desk": (_name, ""),
    "database_url": (_database, ""),
    "log_level": (_level, ""),
    # What urllib says of a wrong address repeats parts of it.
    "alertmanager_url": (_addresses, f"{ADDRESS}; several with commas between, each host once"),
    "webhook_url": (_address, ADDRESS),
    "external_url": (_address, ADDRESS),
    **{f"{desk}_url": (_desk_address, DESK_ADDRESS) for desk in DESKS},
    **{f"{desk}_login": (_login, LOGIN) for desk in DESKS},
    "port": (_port, "wanted a port between 1 and 65535"),
    "allowed_hosts": (_names, ""),
    "open_loopback": (_flag, ""),
    "secure_cookie": (_flag, ""),
    "max_body_bytes": (_count, "wanted a whole number of bytes"),
    "max_lines_bytes": (_count, "wanted a whole number of bytes"),
    "max_batch": (_count, "wanted a whole number"),
    "max_wait_seconds": (_positive, "wanted seconds, above 0"),
    "database_seconds": (_positive, "wanted a number of seconds, above 0"),
    "body_seconds": (_positive, "wanted a number of seconds, above 0"),
    "rate_limit": (_least_zero, "wanted requests a second, 0 for any number"),
    "timezone": (_zone, ""),
    "holidays": (_holidays, ""),
    "step_seconds": (_count, "wanted a whole number of seconds"),
    "lateness_seconds": (_whole, "wanted a whole number of seconds, 0 to wait for nothing"),
    "metric_budget": (_positive, "wanted false alerts a week, above 0"),
    "ticket_budget": (_positive, "wanted false alerts a week, above 0"),
    "incident_tickets": (_count, "wanted a whole number of tickets, at least 1"),
    "topic_budget": (_least_zero, "wanted false alerts a week, 0 to look for no topics"),
    "group_by": (_names, ""),
    "retention_days": (_whole, "wanted a whole number of days, 0 for ever"),
    "hot_hours": (_count, "wanted a whole number of hours"),
}


def _from_file(variable: str, text: str | None, path: Path) -> str:
    """The secret that `path` holds, without the line's end."""
    if text is not None:
        raise ValueError(f"{variable} and {variable}_FILE are both set: wanted one of them")
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise ValueError(f"{variable}_FILE is {str(path)!r}, which cannot be read: {why}") from None
    if not found:
        raise ValueError(f"{variable}_FILE is {str(path)!r}, which is empty: wanted the secret")
    return found


def _read(variable: str, setting: str, text: str) -> Any:
    reader, wanted = READERS.get(setting, (str, ""))
    try:
        return reader(text)
    except ValueError as error:
        came = "cannot be read" if setting in SECRET else f"is {text!r}"
        raise ValueError(f"{variable} {came}: {wanted or error}") from error
