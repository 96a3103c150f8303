"""What a person at a terminal sees: progress, tables, and one line when something is wrong."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table


class Report(Protocol):
    """Called as a step goes on, with how much is done, and of how much."""

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None:
        """`total` is None where nobody knows; `note` says what a bar cannot, in a few words."""


T = TypeVar("T")


class Step(Protocol):
    """Does a piece of work under a name: plainly, with a progress bar, or as a Prefect task."""

    def __call__(self, what: str, work: Callable[[Report], T]) -> T:
        """The result of `work`, which is handed what it may report its progress to."""


PLAIN_WIDTH = 110  # of what is written to a file or a pipe, which has no width of its own

LONG = 2.0  # seconds from which a piece of work deserves a line in a log
NOTED = 60.0  # seconds between two lines about one piece of work in a log
REDRAWN = 0.1  # seconds between two drawings of a bar: a step of the clock takes far less

# A line stays a line: a terminal breaks it itself, and what reads a pipe wants it whole.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def silent(done: float, total: float | None = None, note: str = "") -> None:
    """Report to nobody."""


def quiet(what: str, work: Callable[[Report], T]) -> T:
    """Do the work and tell nobody."""
    return work(silent)


def shown(what: str, work: Callable[[Report], T]) -> T:
    """Do the work under a progress bar."""
    with progress(what) as report:
        return work(report)


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """A bar on standard error while the block runs; in a log, one line once a long one is done."""
    if err.is_terminal:
        with bar(what) as report:
            yield report
        return
    told, last = [0.0], time.monotonic()

    def count(done: float, total: float | None = None, note: str = "") -> None:
        nonlocal last
        told[0] = done
        if note and time.monotonic() - last >= NOTED:
            err.print(f"{what}: {note}", markup=False)
            last = time.monotonic()

    started = time.monotonic()
    yield count
    if (seconds := time.monotonic() - started) >= LONG:
        err.print(f"{what}: {told[0]:,.0f} done in {seconds:.0f} s", markup=False)


@contextmanager
def bar(what: str) -> Iterator[Report]:
    """A bar that a terminal draws while the block runs."""
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err) as bars:
        task = bars.add_task(what, total=None)

        last = [0.0, 0.0]  # when it was drawn, and how much is done

        def report(done: float, total: float | None = None, note: str = "") -> None:
            last[1] = done
            if time.monotonic() - last[0] >= REDRAWN:
                said = f"{what}: {note}" if note else what
                bars.update(task, completed=done, total=total, description=said)
                last[0] = time.monotonic()

        yield report
        bars.update(task, completed=last[1] or 1, total=last[1] or 1)


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print rows under their columns; every column but the first stands to the right."""
    drawn = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        drawn.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    out.print(drawn, soft_wrap=False)
