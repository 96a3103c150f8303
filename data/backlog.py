"""How much waits on its way out."""

from datetime import datetime
from typing import NamedTuple


class Backlog(NamedTuple):
    """What waits for a receiver, since when, and what it refused for good."""

    n_waiting: int
    oldest_at: datetime | None
    n_failed: int
