"""How far alerts and decisions have come on their way out, for Prometheus."""

from collections.abc import Mapping
from datetime import datetime

from api.metrics_text import headed, line
from api.opened import UNREACHABLE
from api.service import Service
from data.backlog import Backlog
from data.receivers import receivers_of
from data.standing import backlog_of


def deliveries_text(service: Service) -> str:
    """What waits for whom, and what was refused; nothing where the database cannot be read."""
    settings = service.settings
    try:
        backlogs = {
            one.name: backlog_of(service.store(), settings.desk, one)
            for one in receivers_of(settings)
        }
    except UNREACHABLE as error:
        service.store.say_unreachable(error)
        return ""
    return gauges(settings.desk, backlogs, service.now())


def gauges(desk: str, backlogs: Mapping[str, Backlog], now: datetime) -> str:
    """Three gauges a receiver.

    >>> print(gauges("it", {"webhook hooks": Backlog(2, None, 1)}, datetime.max).splitlines()[5])
    forewarn_deliveries_failed{desk="it",receiver="webhook hooks"} 1
    """
    figures: dict[str, dict[str, float]] = {
        "waiting": {name: backlog.n_waiting for name, backlog in backlogs.items()},
        "failed": {name: backlog.n_failed for name, backlog in backlogs.items()},
        "oldest_waiting_seconds": {
            name: seconds_since(backlog.oldest_at, now) for name, backlog in backlogs.items()
        },
    }
    lines = []
    for what, values in figures.items():
        name = f"forewarn_deliveries_{what}"
        labelled = [({"desk": desk, "receiver": one}, value) for one, value in values.items()]
        lines += headed(name, [line(name, labels, value) for labels, value in labelled])
    return "".join(f"{row}\n" for row in lines)


def seconds_since(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else round(max((now - at).total_seconds(), 0.0), 3)
