"""Where the tickets of a surge come from, beside where such tickets usually come from."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from data.records import Isolated
from models.watch import Change
from models.where import Attributes, Where, where
from pipelines.alerts import utc
from pipelines.feeds import TARGET, TOTAL
from pipelines.live import HOUR, Live
from pipelines.workspace import Workspace

USUAL = timedelta(days=28)


def origins(place: Workspace, live: Live, change: Change) -> list[Attributes]:
    """Of the alert's tickets, from an hour before it opened to its peak or its end."""
    last = utc(change.peak_at if change.closed_at is None else change.closed_at)
    stop = last + timedelta(seconds=place.settings.step_seconds)
    return told(place, live.keys[change.series], utc(change.opened_at) - HOUR, stop)


def told(place: Workspace, key: str, start: datetime, stop: datetime) -> list[Attributes]:
    """What the tickets of a kind in [start, stop) say of where they come from."""
    found = place.store.origins(place.settings.desk, TARGET, start, stop)
    return [attributes for label, attributes in found if key in (TOTAL, label)]


def isolated_from(
    place: Workspace, live: Live, change: Change, id: str, here: Sequence[Attributes]
) -> Isolated | None:
    """What sets an alert's tickets apart from those of the four weeks before it.

    These are read once an alert: it grows with every look.
    """
    if id not in live.usual:
        start = utc(change.opened_at) - HOUR
        live.usual[id] = told(place, live.keys[change.series], start - USUAL, start)
    found = where(here, live.usual[id])
    return None if found is None else isolation(found)


def isolation(found: Where) -> Isolated:
    """As it is kept with the alert."""
    return Isolated(**found._asdict() | {"attributes": dict(found.attributes)})


def from_told(isolated: Isolated | None) -> str:
    """The end of an alert's reason; nothing where it comes from everywhere.

    >>> from_told(Isolated({"site": "Leeds"}, 14, 17, 0.2, 1e-6))
    '; 14 of 17 from site=Leeds; usually 20 %'
    """
    if isolated is None:
        return ""
    kept = (isolated.n, isolated.of, isolated.usual, isolated.chance)
    return f"; {Where(tuple(isolated.attributes.items()), *kept).told}"
