"""Old points to Parquet, and what is past its time out of the store."""

from datetime import datetime, timedelta

from data.history import Compacted
from pipelines.console import Report, silent
from pipelines.encoder import forget
from pipelines.workspace import Workspace


def compact_history(place: Workspace, now: datetime, report: Report = silent) -> Compacted:
    """Move the whole days that ended more than `hot_hours` ago to Parquet."""
    settings = place.settings
    before = now - timedelta(hours=settings.hot_hours)
    return place.history.compact(settings.desk, before, progress=report)


def expire_all(place: Workspace, before: datetime) -> dict[str, int]:
    """Delete what is older than `before`; how many rows of each kind went."""
    desk = place.settings.desk
    gone = place.store.expire(desk, before)
    if gone.get("tickets"):
        forget(place.settings.home)
    return gone | {"points": place.history.expire(desk, before)}
