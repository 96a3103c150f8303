"""What the desk wants left alone: maintenance windows and declared incidents, for the detectors."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from data.maintenance import exactly, spans
from data.records import Incident
from data.settings import Settings
from features.windows import Window, globs_of, matching, muted
from pipelines.feeds import JUDGED, TICKETS, Kind, floor, instant
from pipelines.workspace import Workspace, workspace

SETTLES = timedelta(minutes=30)  # after an incident's end, until all is as usual again
LONGEST = timedelta(hours=12)  # that an incident without an end is taken to last


def windows_of(place: Workspace, kind: Kind, start: datetime, stop: datetime) -> list[Window]:
    """All windows within [start, stop) that touch series, or tickets, of this kind."""
    return [*maintenance_of(place, kind, start, stop), *incidents_of(place, kind, start, stop)]


def maintenance_of(place: Workspace, kind: Kind, start: datetime, stop: datetime) -> list[Window]:
    """The maintenance windows. They begin with the step that they begin in."""
    zone, step = ZoneInfo(place.settings.timezone), place.settings.step_seconds
    return [
        Window(instant(floor(begin, step)), instant(end), globs)
        for one in place.store.maintenances([place.settings.desk])
        if (globs := globs_of(one.series, one.categories, tickets=kind == TICKETS))
        for begin, end in spans(one, start, stop, zone)
    ]


def incidents_of(place: Workspace, kind: Kind, start: datetime, stop: datetime) -> list[Window]:
    """The incidents that were declared, each until half an hour after its end."""
    step = place.settings.step_seconds
    known = place.store.incidents(place.settings.desk, until=stop)
    return [one for one in incident_windows(known, kind, step) if one.end > instant(start)]


def incident_windows(known: Sequence[Incident], kind: Kind, step: int) -> Iterator[Window]:
    """Those that somebody declared, as long as each is taken to have lasted."""
    for one in known:
        end = one.ended_at + SETTLES if one.ended_at else one.onset_at + LONGEST
        if one.origin == "declared" and (globs := incident_globs(kind, one)):
            yield Window(instant(floor(one.onset_at, step)), instant(end), globs)


def incident_globs(kind: Kind, one: Incident) -> tuple[str, ...]:
    """What an incident touches. It names series and categories as they are, not as globs."""
    names = ([exactly(name) for name in told] for told in (one.series, one.categories))
    return globs_of(*names, tickets=kind == TICKETS)


class LeftAlone(NamedTuple):
    """What a replay leaves alone: maintenance is muted, incidents set no threshold."""

    maintenance: Mapping[Kind, Sequence[Window]]
    incidents: Mapping[Kind, Sequence[Window]]

    def masks(
        self, kind: Kind, keys: Sequence[str], times: np.ndarray
    ) -> dict[Literal["muted", "left_out"], np.ndarray | None]:
        """Both as `models.replay.replay` takes them."""
        return {
            "muted": muted(self.maintenance.get(kind, ()), keys, times),
            "left_out": muted(self.incidents.get(kind, ()), keys, times),
        }

    def beside(self, known: Sequence[Incident], step_seconds: int) -> "LeftAlone":
        """With these incidents too."""
        return self._replace(
            incidents={
                kind: [*self.incidents.get(kind, ()), *incident_windows(known, kind, step_seconds)]
                for kind in JUDGED
            }
        )


NOTHING = LeftAlone({}, {})


def left_alone(place: Workspace) -> LeftAlone:
    """All maintenance and incidents of the desk that have been."""
    times = datetime(2000, 1, 1, tzinfo=UTC), datetime.now(UTC)
    return LeftAlone(
        {kind: maintenance_of(place, kind, *times) for kind in JUDGED},
        {kind: incidents_of(place, kind, *times) for kind in JUDGED},
    )


def known_windows(settings: Settings) -> LeftAlone:
    """The same, opened by its settings; where the desk has no store yet, none is made."""
    scheme, _, file = settings.database_url.partition(":///")
    if scheme == "sqlite" and not Path(file).exists():
        return NOTHING
    with workspace(settings) as place:
        return left_alone(place)


def check_series(place: Workspace, globs: tuple[str, ...]) -> None:
    """ValueError where a glob fits no series that there is: it is likely misspelt."""
    known = place.history.series(place.settings.desk)
    for glob in globs if known else ():
        if not np.any(matching([glob], known)):
            near = get_close_matches(glob.strip("*"), known, n=1, cutoff=0.3) or known[:1]
            raise ValueError(
                f"--series {glob!r} fits none of {len(known)} series; is it {near[0]!r}?"
            )
