"""The episodes of a replay as the alerts they would have been: one for what belongs together."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np

from data.records import Alert
from data.settings import Settings
from features.labels import group_of
from models.replay import Replayed
from models.watch import Change
from pipelines.alerts import Told, alert_id, since_told, utc, why
from pipelines.episodes import ALERT_KINDS
from pipelines.feeds import DETECTOR_OF, METRICS, Kind

Numbers = Callable[[Change], Told]


@dataclass
class Together:
    """Episodes of one group, led by the one that opened first; `closed` by the last of them."""

    group: str
    lead: Change
    members: list[int]
    lasting: set[int] = field(default_factory=set)
    closed: Change | None = None


def alerts_of(
    told: Replayed,
    times: np.ndarray,
    keys: list[str],
    settings: Settings,
    kind: Kind = METRICS,
    numbers: Numbers | None = None,
) -> list[Alert]:
    """The alerts of a replay, each as it stood at its end, in the order they opened.

    `numbers` are what is told of an episode's peak; without it, what was observed and expected.
    """
    found = []
    for one in together(told.changes, keys, settings.group_by):
        opened = np.searchsorted(times, one.lead.opened_at)
        lead = Told(one.lead.observed, one.lead.expected, one.lead.lower, one.lead.upper)
        at_peak = numbers(one.lead) if numbers else lead
        threshold = float(told.thresholds[opened])
        found.append(alert_of(one, threshold, keys, settings, kind, at_peak))
    return found


def together(changes: Sequence[Change], keys: list[str], by: Sequence[str]) -> list[Together]:
    """Episodes put together as `forewarn detect` does, in the order they opened.

    A series that opens joins the open alert of its group, or begins one; of several that open
    together the strangest leads. An alert closes with the last of its series.
    """
    found: list[Together] = []
    live: dict[str, Together] = {}
    for change in strangest_first(changes):
        group = group_of(keys[change.series], by)
        if change.what == "opened":
            if group not in live:
                live[group] = Together(group, change, [])
                found.append(live[group])
            live[group].members.append(change.series)
            live[group].lasting.add(change.series)
            continue
        one = live[group]
        if is_of(change, one.lead):
            one.lead = change
        if change.what == "closed":
            one.lasting.remove(change.series)
            if not one.lasting:
                live.pop(group).closed = change
    return found


def strangest_first(changes: Sequence[Change]) -> Iterator[Change]:
    """The changes in their order, but of those that open together the strangest one first."""
    for (what, _), group in groupby(changes, key=lambda one: (one.what, one.opened_at)):
        same = list(group)
        yield from sorted(same, key=lambda one: -one.score) if what == "opened" else same


def is_of(change: Change, lead: Change) -> bool:
    """Whether a change is one of the episode that leads."""
    return (change.series, change.opened_at) == (lead.series, lead.opened_at)


def alert_of(
    one: Together, threshold: float, keys: list[str], settings: Settings, kind: Kind, told: Told
) -> Alert:
    """What a person would have been told."""
    lead, key, zone = one.lead, keys[one.lead.series], ZoneInfo(settings.timezone)
    opened_at, peak_at = utc(lead.opened_at), utc(lead.peak_at)
    last = one.closed.closed_at if one.closed else None
    return Alert(
        id=alert_id(settings.desk, ALERT_KINDS[kind], key, opened_at),
        desk=settings.desk,
        kind=ALERT_KINDS[kind],
        key=key,
        opened_at=opened_at,
        peak_at=peak_at,
        closed_at=None if last is None else max(utc(last), opened_at),
        score=lead.score,
        threshold=threshold,
        **told._asdict(),
        detector=DETECTOR_OF[kind],
        why=why(ALERT_KINDS[kind], key, peak_at, told, zone) + since_told(lead, zone),
        group_key=one.group,
        members=tuple(dict.fromkeys(keys[series] for series in one.members)),
    )
