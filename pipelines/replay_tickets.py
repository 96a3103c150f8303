"""What would have fired on a file of tickets: surges, new topics, and the incidents they make."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from data.records import Alert, Ticket
from data.settings import Settings
from data.sources.files import read_tickets
from data.sources.rejects import Rejects
from features.grid import counts
from features.rolling import Counted, rolled_counts
from models.replay import Replayed, replay
from models.surge import Surge
from models.watch import Change, Watch
from pipelines.alerts import Told as Numbers
from pipelines.alerts import alert_id, utc, why
from pipelines.console import Report, silent
from pipelines.days_off import days_off
from pipelines.feeds import TARGET, TICKETS, TOTAL
from pipelines.ladder import Ladder
from pipelines.replay import SECOND, Told, check_apart, count
from pipelines.replay_topics import Told as Grouped
from pipelines.replay_topics import grouped, topics_of
from pipelines.windows import NOTHING, LeftAlone
from pipelines.writing import rejects_beside, written

ALERT_COLUMNS = (
    "opened_at", "closed_at", "kind", "key", "score", "n_tickets", "ticket_ids", "why",
)  # fmt: skip
MOST_LETTERS = 1000  # of a ticket that are kept while it is replayed


def replay_tickets(
    path: Path,
    out: Path,
    settings: Settings,
    *,
    mapping: dict[str, str] | None = None,
    ladder: Ladder | None = None,
    left_alone: LeftAlone = NOTHING,
    report: Report = silent,
) -> Told:
    """Replay a ticket file; one row an alert is written to `out`, and `ladder` takes it in."""
    check_apart(path, [out])
    told = Told(n_files=1)
    with Rejects(rejects_beside(out.parent, path)) as rejects:
        tickets = in_order(
            read_tickets(
                path,
                desk=settings.desk,
                mapping=mapping or {},
                timezone=settings.timezone,
                hmac_key="not kept",
                rejects=rejects,
            )
        )
    told.n_rejected, told.n_points = rejects.n, len(tickets)
    if not tickets:
        raise ValueError(f"{path}: wanted tickets with a time, got none; {rejects.n} rows refused")
    at = np.array([round(one.opened_at.timestamp() * 1000) for one in tickets], dtype="M8[ms]")
    labels = [one.labels.get(TARGET, "") for one in tickets]
    keys = [TOTAL, *sorted({label for label in labels if label} - {TOTAL})]
    step = settings.step_seconds
    end = at.max() + SECOND  # the last ticket too
    times, values = counts(at, labels, keys, day_of(at.min()), end, step)
    watch = Watch(
        Surge(
            len(keys),
            step_seconds=step,
            timezone=settings.timezone,
            days_off=days_off(settings),
        ),
        float("nan"),
        n_series=len(keys),
        step_seconds=step,
    )
    masks = left_alone.masks(TICKETS, keys, times)
    found = replay(
        watch,
        times,
        values,
        budget_per_week=settings.ticket_budget,
        strict=True,
        **masks,
        progress=report,
    )
    count(told, found, "surge", keys, times)
    shown = Shown(keys, times, by_the_hour(values, found, step))
    if ladder is not None:
        ladder.add(
            found, times, values, keys, step, left_out=masks.get("left_out"), numbers=shown.at
        )
    named = Named(at, np.array(labels), [one.external_id for one in tickets])
    surges = surges_of(found.changes, shown, named, settings)
    topics = topics_of(tickets, settings, report)
    write_alerts([*surges, *topics], settings, out)
    told.n_alerts += len(topics)
    told.opened += [
        (np.datetime64(int(one.alert.opened_at.timestamp()), "s"), "topic", one.alert.key)
        for one in topics
    ]
    return told


def in_order(chunks: Iterable[list[Ticket]]) -> list[Ticket]:
    """Tickets in the order in which they were opened, no longer than they are looked at."""
    short = (
        replace(one, title=one.title[:MOST_LETTERS], body=one.body[:MOST_LETTERS], resolution="")
        for tickets in chunks
        for one in tickets
    )
    return sorted(short, key=lambda one: one.opened_at)


def day_of(at: np.datetime64) -> np.datetime64:
    """The midnight before, so that the grid begins with a day."""
    return at.astype("datetime64[D]").astype("datetime64[ms]")


class Shown(NamedTuple):
    """Tickets by the hour: `times` (n_steps,), each line of `hourly` (n_steps, n_keys)."""

    keys: list[str]
    times: np.ndarray
    hourly: Counted

    def at(self, change: Change) -> Numbers:
        """What is told of an episode's peak."""
        row = np.searchsorted(self.times, change.peak_at)
        return Numbers(*(float(line[row, change.series]) for line in self.hourly))


def by_the_hour(values: np.ndarray, found: Replayed, step_seconds: int) -> Counted:
    """Counts a step as counts of the hour until then."""
    n = max(3600 // step_seconds, 1)
    return rolled_counts(values, found.expected, found.upper, n)


class Named(NamedTuple):
    """When tickets were opened, what each is about, and what it is called, each (n_tickets,)."""

    at: np.ndarray
    labels: np.ndarray
    ids: list[str]

    def of(self, change: Change, key: str, step_seconds: int) -> list[str]:
        """Those of an episode's kind, from an hour before it opened to its peak or end."""
        last = change.peak_at if change.closed_at is None else change.closed_at
        start = change.opened_at - np.timedelta64(3600, "s")
        stop = last + np.timedelta64(step_seconds, "s")
        inside = (self.at >= start) & (self.at < stop)
        rows = np.flatnonzero(inside & ((self.labels == key) | (key == TOTAL)))
        return [self.ids[row] for row in rows.tolist()]


def surges_of(
    changes: Iterable[Change], shown: Shown, named: Named, settings: Settings
) -> list[Grouped]:
    """Each episode as an alert, as it stood at its end, with its tickets."""
    zone = ZoneInfo(settings.timezone)
    last = {(change.series, change.opened_at): change for change in changes}
    found = []
    for change in last.values():
        key, numbers = shown.keys[change.series], shown.at(change)
        ids = named.of(change, key, settings.step_seconds)
        alert = Alert(
            id=alert_id(settings.desk, "surge", key, utc(change.opened_at)),
            desk=settings.desk,
            kind="surge",
            key=key,
            opened_at=utc(change.opened_at),
            peak_at=utc(change.peak_at),
            closed_at=None if change.closed_at is None else utc(change.closed_at),
            score=change.score,
            threshold=change.threshold,
            **numbers._asdict(),
            n_tickets=len(ids),
            detector="surge",
            why=why("surge", key, utc(change.peak_at), numbers, zone),
            group_key=key,
            members=(key,),
        )
        found.append(Grouped(alert, ids))
    return found


def write_alerts(found: Sequence[Grouped], settings: Settings, to: Path) -> None:
    """One row an alert, in the order in which they opened, and one for each incident of several."""
    rows = [*map(row_of, found), *(row_of(one) for one in grouped(found, settings))]
    with written(to) as file:
        writer = csv.writer(file)
        writer.writerow(ALERT_COLUMNS)
        writer.writerows(sorted(rows))


def row_of(one: Grouped) -> list[object]:
    """An alert, or an incident, as the CSV has it."""
    alert, kind = one.alert, one.kind
    if kind == "surge":
        kind = "total" if alert.key == TOTAL else "category"
    return [
        alert.opened_at.isoformat(),
        "" if alert.closed_at is None else alert.closed_at.isoformat(),
        kind,
        alert.key,
        f"{alert.score:.4g}",
        len(one.ids),
        " ".join(one.ids),
        alert.why,
    ]
