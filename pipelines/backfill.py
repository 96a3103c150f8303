"""The past of a Prometheus into the history, piece by piece, so that nobody begins cold."""

import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from data.sources.prometheus import Past, Prometheus
from pipelines.console import Report, silent
from pipelines.feeds import METRICS
from pipelines.ingest import Ingested
from pipelines.workspace import Workspace

N_STEPS = 240  # asked for at once: four hours by the minute, of 2,000 series 20 MB


class Done(NamedTuple):
    """What is stored already of one query, in seconds since 1970."""

    start: int
    stop: int


def backfill(
    place: Workspace,
    asked: Prometheus,
    since_seconds: int,
    now: datetime,
    report: Report = silent,
) -> Ingested:
    """Ask for the last `since_seconds` and store them. After a kill it goes on where it was.

    Days that are past go to Parquet on the way: weeks of points would make the hot table slow.
    """
    ingested, desk = Ingested(), place.settings.desk
    hot = now - timedelta(hours=place.settings.hot_hours)
    pieces = pieces_of(int(now.timestamp()), since_seconds, asked.step_seconds)
    note = note_of(place.settings.home, desk, asked)
    done = known(note, pieces[0][0])
    for number, (start, end) in enumerate(pieces, start=1):
        if end > done.stop:
            store(place, asked.read(start, end), ingested)
            place.history.compact(desk, min(hot, datetime.fromtimestamp(end, UTC)))
            done = Done(done.start, end)
            write(note, done)
        report(number, len(pieces))
    return ingested


def pieces_of(now: int, since_seconds: int, step_seconds: int) -> list[tuple[int, int]]:
    """What to ask for at once, from and to, in seconds; the same pieces whenever it is asked.

    >>> pieces_of(100_000, 20_000, 60)
    [(72000, 86400), (86400, 99960)]
    """
    span, stop = N_STEPS * step_seconds, now // step_seconds * step_seconds
    first = min((now - since_seconds) // span * span, stop - step_seconds)
    return [(at, min(at + span, stop)) for at in range(first, stop, span)]


def store(place: Workspace, past: Past, ingested: Ingested) -> None:
    """Store points, and count what became of them."""
    desk = place.settings.desk
    watermark = dict(place.store.detections(desk)).get(METRICS)
    ingested.add(
        place.history.append(desk, past.points, watermark=watermark, counters=past.counters)
    )
    if past.n_refused:
        ingested.rejected += past.n_refused
        ingested.reasons["labels cannot be kept"] += past.n_refused


def note_of(home: Path, desk: str, asked: Prometheus) -> Path:
    """Where it is noted how far a query came; its name tells nothing of the query."""
    told = json.dumps([desk, asked.url, asked.query, asked.step_seconds])
    return home / "backfill" / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}.json"


def known(note: Path, first: int) -> Done:
    """How far this query came, if it began as early as this."""
    if note.exists():
        done = Done(**json.loads(note.read_text()))
        if done.start <= first:
            return done
    return Done(first, first)


def write(note: Path, done: Done) -> None:
    """Note it, so that a kill leaves this or what was noted before."""
    note.parent.mkdir(parents=True, exist_ok=True)
    aside = note.with_suffix(".part")
    aside.write_text(json.dumps(done._asdict()))
    os.replace(aside, note)
