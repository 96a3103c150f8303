"""Priority from impact and urgency on public tickets: exact where both are known, and from text."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from benchmarks.page import table
from benchmarks.triage import existing
from data.sources.files import read_table
from models.matrix import ITIL

EVENTS = "uci_incident_event_log.csv.gz"
HEADINGS = ("set", "rows", "priority right", "commonest priority")


class Exact(NamedTuple):
    """Of `n` rows the matrix gives the desk's own priority for `n_right`."""

    name: str
    n: int
    n_right: int
    n_commonest: int


def derived_exactly(folder: Path) -> Exact:
    """Whether the matrix makes the priority that stands in each row of a real event log."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for rows in read_table(existing(folder, EVENTS)):
        counts.update(zip(rows["impact"], rows["urgency"], rows["priority"], strict=True))
    right = sum(n for (i, u, p), n in counts.items() if ITIL.of(i, u) == ITIL.called(p))
    commonest: Counter[str] = Counter()
    for (_, _, priority), n in counts.items():
        commonest[priority] += n
    return Exact("UCI event log", counts.total(), right, max(commonest.values()))


def markdown(found: list[Exact]) -> str:
    """The rows as a table."""
    rows = [
        [one.name, f"{one.n:,}", f"{one.n_right / one.n:.3f}", f"{one.n_commonest / one.n:.3f}"]
        for one in found
    ]
    return table(HEADINGS, rows)
