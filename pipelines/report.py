"""The measures of a desk: read from its store, and told as a table, JSON, CSV or a page."""

import csv
import io
import json
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from data.past import known_span, read_past
from data.records import Ticket
from models.measure_words import EXPLAINED, WORDS, panels, unknown
from models.measures import LOOKBACK, By, Past, Report, Span, measured
from models.recurrence import by_meaning
from pipelines import console
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from models.triage import Triage

TEMPLATE = Path(__file__).parent / "templates" / "measures.html"
CSV_COLUMNS = (
    "measure", "unit", "part", "n", "n_yes", "n_open", "n_never", "n_unknown", "middle",
    "middle_low", "middle_high", "p90", "p90_low", "p90_high",
)  # fmt: skip
UNITS = {"time": "seconds", "count": "tickets a day", "share": "share"}
MOMENT = timedelta(microseconds=1)
AT_ONCE = 512  # tickets that are read in one step


def report(
    place: Workspace,
    by: By,
    now: datetime,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    alike: float | None = None,
    model: "Triage | None" = None,
    progress: console.Report = console.silent,
) -> Report:
    """Every measure of what was opened in [since, until), by default of all that is stored.

    With a `model`, tickets recur where their words have at least the cosine `alike`.
    """
    settings, store = place.settings, place.store
    known = known_span(store, settings.desk)
    if known is None:
        raise LookupError(
            f"desk {settings.desk!r} has no tickets and no incidents; "
            "`forewarn ingest tickets FILE` first"
        )
    span = Span(since or known[0], until or min(now, known[1] + MOMENT))
    if span.since >= span.until:
        raise ValueError(f"--since must lie before --until, got {span.since} and {span.until}")
    read = read_past(store, settings.desk, *span, LOOKBACK)
    like = None
    if model is not None and alike is not None:
        like = recurring(place, model, read.tickets, alike, progress)
    step = timedelta(seconds=settings.step_seconds)
    return measured(Past(span, *read, step=step, zone=ZoneInfo(settings.timezone), alike=like), by)


def recurring(
    place: Workspace,
    model: "Triage",
    tickets: list[Ticket],
    cosine: float,
    progress: console.Report = console.silent,
) -> np.ndarray:
    """Whether each ticket (in order, without texts) is like one of the 30 days before it."""
    from data.ticket_texts import fields_of, key_of
    from data.vectors import vectors_of
    from features.dense import units
    from models.nearby import Nearby

    keep = None
    if model.meaning is not None:
        encoder = model.meaning.encoder
        keep = vectors_of(place.settings.home, encoder.id, encoder.n_dimensions).of
    nearby = Nearby(model, keep=keep)
    read = []
    for start in range(0, len(tickets), AT_ONCE):
        keys = [key_of(one) for one in tickets[start : start + AT_ONCE]]
        whole = place.store.tickets_of(place.settings.desk, keys)
        texts = [whole[key] for key in keys]
        read.append(units(nearby.read(fields_of(texts, nearby.columns))))
        progress(start + len(keys), len(tickets))
    at = np.array([one.opened_at.timestamp() for one in tickets], float)
    return by_meaning(np.concatenate(read), at, cosine) if read else np.zeros(0, bool)


def as_json(desk: str, found: Report) -> str:
    """All figures; times in seconds, null for what is unknown or was not reached."""
    return json.dumps({"desk": desk} | found.plain(), ensure_ascii=False, indent=1)


def as_csv(found: Report) -> str:
    """One row a figure; empty for what is unknown, inf for what was not reached."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(CSV_COLUMNS)
    for one in found.figures:
        counts = [one.n, one.n_yes, one.n_open, one.n_never, one.n_unknown]
        numbers = ["" if math.isnan(x) else f"{x:.6g}" for x in (*one.middle, *one.p90)]
        unit = UNITS[WORDS[one.measure].kind]
        rows.writerow([one.measure, unit, one.part, *counts, *numbers])
    return text.getvalue()


def heading(desk: str, found: Report) -> str:
    """What the report is of, in one line."""
    since, until = found.span
    return f"Measures of {desk}, {since:%Y-%m-%d} to {until:%Y-%m-%d}, by {found.by}"


def as_html(desk: str, found: Report) -> str:
    """A page of its own, which loads nothing."""
    from jinja2 import Template

    template = Template(TEMPLATE.read_text(encoding="utf-8"), autoescape=True)
    return template.render(
        heading=heading(desk, found),
        panels=panels(found),
        explained=EXPLAINED,
        notes=found.notes,
        unknown=[word.title for word in unknown(found)],
    )


def say(desk: str, found: Report) -> None:
    """Print a table a measure, then what the desk's data does not carry."""
    console.out.print(heading(desk, found), markup=False, style="bold")
    for panel in panels(found):
        title = f"{panel.word.title}: {panel.word.says[0].lower()}{panel.word.says[1:]}"
        console.table(title, panel.columns, [cells for cells, _ in panel.rows])
        if panel.n_more:
            console.out.print(f"and {panel.n_more:,} smaller parts: --format csv has them all")
    console.out.print(EXPLAINED, style="dim", soft_wrap=False)
    for note in found.notes:
        console.out.print(f"! {note}", markup=False)
    if missing := unknown(found):
        titles = ", ".join(word.title for word in missing)
        console.out.print(f"! Not carried by what this desk has stored: {titles}", markup=False)
