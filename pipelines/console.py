"""What a person at a terminal sees: progress, tables, and one line when something is wrong."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

Report = Callable[[float, float | None], None]
"""Called as a step goes on: how much is done, and of how much (None where nobody knows)."""

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def silent(done: float, total: float | None = None) -> None:
    """Report to nobody."""


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """A bar on standard error while the block runs; gone from logs, kept on a terminal."""
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err) as bars:
        task = bars.add_task(what, total=None)

        def report(done: float, total: float | None = None) -> None:
            bars.update(task, completed=done, total=total)

        yield report
        finished = bars.tasks[0].completed
        bars.update(task, completed=finished or 1, total=finished or 1)


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print rows under their columns; every column but the first stands to the right."""
    drawn = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        drawn.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    out.print(drawn)
