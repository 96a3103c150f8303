"""Who and what the simulated help desk is: its categories, its services, how they hang together.

Everything here is invented. The figures were fixed before any detector was written, and are not
to be tuned to one.
"""

from typing import NamedTuple

TIMEZONE = "Europe/London"
HOLIDAY_FACTOR = 0.25


class Category(NamedTuple):
    """A kind of ticket. `impacts` and `urgencies` are the chances of the levels 1, 2 and 3."""

    name: str
    phrases: str
    rhythm: str
    group: str
    service: str | None
    impacts: tuple[float, float, float]
    urgencies: tuple[float, float, float]
    neighbours: tuple[str, str]


class Service(NamedTuple):
    """Something monitored. Figures are those of a usual working hour."""

    name: str
    rhythm: str
    requests_per_min: float
    latency_ms: float
    error_share: float


# Ordered from the commonest to the rarest: shares follow Zipf's law over this order.
CATEGORIES = (
    Category("Account", "account", "office", "Service Desk", "auth",
             (0.04, 0.16, 0.80), (0.22, 0.48, 0.30), ("Email", "VPN")),
    Category("Email", "email", "office", "Messaging", "mail",
             (0.07, 0.25, 0.68), (0.15, 0.45, 0.40), ("Account", "Software")),
    Category("Hardware", "hardware", "office", "Client Devices", None,
             (0.02, 0.12, 0.86), (0.15, 0.45, 0.40), ("Software", "Printing")),
    Category("Software", "software", "office", "Client Devices", None,
             (0.03, 0.17, 0.80), (0.08, 0.37, 0.55), ("Account", "Hardware")),
    Category("Network", "network", "shifts", "Network Operations", "wifi",
             (0.14, 0.41, 0.45), (0.28, 0.47, 0.25), ("VPN", "Telephony")),
    Category("VPN", "vpn", "home", "Network Operations", "vpn",
             (0.06, 0.24, 0.70), (0.30, 0.47, 0.23), ("Network", "Account")),
    Category("ERP", "erp", "office", "Business Applications", "erp",
             (0.12, 0.43, 0.45), (0.25, 0.45, 0.30), ("Account", "Printing")),
    Category("Printing", "printing", "shifts", "Print Services", "print",
             (0.04, 0.36, 0.60), (0.10, 0.35, 0.55), ("Hardware", "Network")),
    Category("Telephony", "telephony", "shifts", "Voice", "telephony",
             (0.09, 0.31, 0.60), (0.20, 0.45, 0.35), ("Network", "Hardware")),
    Category("Web shop", "webshop", "shop", "Web Shop", "shop",
             (0.22, 0.43, 0.35), (0.35, 0.45, 0.20), ("ERP", "Account")),
)  # fmt: skip

SERVICES = (
    Service("auth", "office", 1200, 90, 0.004),
    Service("mail", "office", 1800, 220, 0.002),
    Service("wifi", "shifts", 2600, 12, 0.003),
    Service("vpn", "home", 420, 45, 0.004),
    Service("erp", "office", 640, 480, 0.005),
    Service("print", "shifts", 70, 900, 0.012),
    Service("telephony", "shifts", 160, 35, 0.006),
    Service("shop", "shop", 950, 310, 0.006),
)

# What each service needs to work: a fault of what it needs is felt in it as well.
DEPENDS_ON = {
    "mail": ("auth",),
    "vpn": ("auth", "wifi"),
    "erp": ("auth",),
    "shop": ("erp",),
    "print": ("wifi",),
    "telephony": ("wifi",),
}

METRICS = ("requests_per_min", "errors_per_min", "latency_p95_ms")
# One gauge that is no rate: it climbs with load and falls to its floor at each restart.
MEMORY_SERIES = "erp.memory_mb"

# Hour-of-day shapes, 00:00 to 23:00 local, and day-of-week weights, Monday to Sunday.
HOURS = {
    "office": (1, 1, 1, 1, 1, 2, 6, 30, 82, 100, 92, 78, 55, 66, 80, 74, 60, 34, 12, 7, 5, 4, 3, 2),
    "shifts": (7, 6, 6, 5, 6, 22, 38, 56, 78, 90, 86, 78, 62, 74, 84, 70, 52, 38, 30, 26, 24, 16,
               10, 8),
    "home": (2, 1, 1, 1, 1, 4, 16, 62, 100, 84, 66, 56, 46, 60, 62, 54, 46, 30, 22, 20, 18, 14, 8,
             4),
    "shop": (12, 7, 5, 4, 4, 6, 12, 26, 44, 58, 68, 74, 80, 72, 66, 66, 70, 76, 86, 98, 100, 86, 56,
             28),
}  # fmt: skip
DAYS = {
    "office": (1.32, 1.08, 1.00, 0.97, 0.78, 0.07, 0.05),
    "shifts": (1.18, 1.04, 1.00, 0.99, 0.92, 0.42, 0.25),
    "home": (1.30, 1.02, 0.98, 0.98, 1.05, 0.12, 0.14),
    "shop": (1.06, 0.96, 0.94, 0.96, 1.00, 1.04, 1.12),
}


def shares() -> tuple[float, ...]:
    """The part of all tickets that each category has, in the order of `CATEGORIES`.

    >>> [round(share, 2) for share in shares()][:3]
    [0.28, 0.16, 0.12]
    """
    weights = [rank**-0.8 for rank in range(1, len(CATEGORIES) + 1)]
    return tuple(weight / sum(weights) for weight in weights)


def series_keys() -> list[str]:
    """Every metric series of the desk, in the order of the columns of its matrix.

    >>> series_keys()[:2]
    ['auth.requests_per_min', 'auth.errors_per_min']
    """
    return [f"{s.name}.{metric}" for s in SERVICES for metric in METRICS] + [MEMORY_SERIES]
