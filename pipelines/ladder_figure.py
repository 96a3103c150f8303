"""A ladder of budgets as one picture: alerts a week, incidents found, how soon, and when."""

import io
from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

from data.replay_words import (
    EXPLAINED,
    FIRED_COLUMNS,
    budget_rows,
    columns,
    fired_rows,
    heading,
)
from data.replays import BudgetTold, Declared, Estimate, ReplayTold

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The page's own teal and an orange: told apart by every kind of colour vision, and by shape.
TEAL, ORANGE, INK, MUTED, LINE, SHADE = (
    "#1d5f63", "#c2570c", "#16201f", "#566361", "#dce2e1", "#c9d6e6",
)  # fmt: skip
SUFFIXES = (".svg", ".png", ".html")
LEAST_SPAN = 0.003  # of the width: an incident of an hour is seen in eight weeks too
STYLE = {
    "svg.fonttype": "none",  # text stays text, to be searched and read aloud
    "svg.hashsalt": "forewarn",  # the same replay gives the same bytes
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def check_chart(path: Path) -> None:
    """ValueError where no chart of that kind can be drawn."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--chart wants a file ending in {', '.join(SUFFIXES)}, got {path}")


def write_chart(told: ReplayTold, to: Path) -> None:
    """Draw `told` as SVG, PNG, or an HTML page with the tables, by the name of the file."""
    draw = {".svg": svg, ".png": png, ".html": html}[to.suffix.lower()]
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(draw(told))


def png(told: ReplayTold) -> bytes:
    return saved(told, format="png", dpi=150, metadata={"Software": None})


def svg(told: ReplayTold) -> bytes:
    return saved(told, format="svg", metadata={"Date": None, "Creator": "Forewarn"})


def html(told: ReplayTold) -> bytes:
    """One file that needs no other."""
    picture = svg(told).decode()
    picture = picture[picture.index("<svg") :]
    tables = [
        table(EXPLAINED, columns(told), budget_rows(told)),
        table(
            f"What would have fired at {told.marked:g} a week",
            FIRED_COLUMNS,
            fired_rows(told, len(told.fired)),
        ),
    ]
    notes = "".join(f"<p>{escape(note)}</p>" for note in told.notes)
    page = PAGE.format(picture=picture, rest=notes + "".join(tables))
    return page.encode()


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>"


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>What would have fired</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; }}
svg {{ width: 100%; height: auto; }}
table {{ border-collapse: collapse; width: 100%; margin-top: 1.5rem; }}
caption {{ text-align: left; color: #566361; }}
td {{ vertical-align: top; }} td:nth-child(-n+3) {{ white-space: nowrap; }}
th, td {{ text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid #dce2e1; }}
</style>
<h1>What would have fired</h1>
{picture}
{rest}
</html>
"""


def saved(told: ReplayTold, **how: object) -> bytes:
    """The figure's bytes."""
    out = io.BytesIO()
    with mpl.rc_context(STYLE):
        drawn(told).savefig(out, facecolor="white", **how)
    return out.getvalue()


def drawn(told: ReplayTold) -> Figure:
    """The figure: three panels by budget where incidents are known, one without; below, when."""
    n = len(told.budgets)
    figure = Figure(figsize=(10.5, 4.1 + 0.34 * n), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(heading(told), x=0.01, ha="left", fontsize=11, fontweight="bold")
    upper, lower = figure.subfigures(2, 1, height_ratios=[2.9, 0.9 + 0.34 * n])
    panels = PANELS if told.incidents else PANELS[:1]
    for panel, axes in zip(panels, np.atleast_1d(upper.subplots(1, len(panels))), strict=True):
        panel(axes, told)
    timeline(lower.subplots(), told)
    return figure


def alerts_panel(axes: "Axes", told: ReplayTold) -> None:
    """Alerts a week against the budget; on the diagonal every budget is kept to."""
    head(axes, told, "Alerts a week")
    budgets = [one.budget for one in told.budgets]
    axes.plot(budgets, budgets, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="budget")
    points(axes, told, lambda one: one.per_week, TEAL, "o", "all alerts")
    if told.incidents:
        points(axes, told, lambda one: one.false_per_week, ORANGE, "D", "false ones", shift=1.06)
    most = max(max(one.per_week.high, one.budget) for one in told.budgets)
    least = min(budgets) / 2
    axes.set_yscale("symlog", base=2, linthresh=least)  # none at all is a figure, too
    axes.set_ylim(-least / 8, 1.3 * most)
    powers = least * 2.0 ** np.arange(0, 2 + np.log2(most / least))
    ticks = [0.0, *powers[powers <= 1.3 * most].tolist()]
    axes.set_yticks(ticks, [f"{one:g}" for one in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    legend(axes, "upper left")


def found_panel(axes: "Axes", told: ReplayTold) -> None:
    """The share of the incidents found, beside what chance finds with as many alerts."""
    head(axes, told, f"Found of {len(told.incidents)} incidents")
    points(axes, told, lambda one: one.found, TEAL, "o", "found")
    chance = [one.by_chance for one in told.budgets]
    axes.plot(
        [one.budget for one in told.budgets], chance, color=MUTED, linewidth=1,
        linestyle=(0, (1, 2)), marker="x", markersize=4, label="as many alerts at random",
    )  # fmt: skip
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    legend(axes, "best")


def minutes_panel(axes: "Axes", told: ReplayTold) -> None:
    """Minutes from the onset until it is told, of the incidents that were found."""
    head(axes, told, "Minutes until told")
    points(axes, told, lambda one: one.median_minutes, TEAL, "o", "median")
    p90 = [one.p90_minutes.value for one in told.budgets]
    axes.plot(
        [one.budget for one in told.budgets], p90, color=MUTED, linewidth=1,
        linestyle=(0, (1, 2)), marker="^", markersize=4, label="90th percentile",
    )  # fmt: skip
    axes.set_ylim(bottom=0)
    legend(axes, "best")


PANELS = (alerts_panel, found_panel, minutes_panel)


def points(
    axes: "Axes",
    told: ReplayTold,
    of: Callable[[BudgetTold], Estimate],
    colour: str,
    marker: str,
    label: str,
    shift: float = 1.0,
) -> None:
    """A figure for each budget, with its interval where there is one."""
    values = np.array([of(one) for one in told.budgets])
    around = np.abs(values[:, 1:].T - values[:, 0])
    axes.errorbar(
        [one.budget * shift for one in told.budgets], values[:, 0], np.nan_to_num(around),
        color=colour, marker=marker, markersize=5, linewidth=1.6, elinewidth=1, capsize=2,
        label=label, markerfacecolor=colour if marker == "o" else "white",
    )  # fmt: skip


def head(axes: "Axes", told: ReplayTold, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold")
    axes.set_xscale("log", base=2)
    budgets = [one.budget for one in told.budgets]
    axes.set_xticks(budgets, [f"{one:g}" for one in budgets])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("budget: false alerts a week")
    axes.axvspan(told.marked / 1.15, told.marked * 1.15, color=TEAL, alpha=0.08, linewidth=0)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)


def legend(axes: "Axes", where: str) -> None:
    axes.legend(loc=where, frameon=False, fontsize=8, handlelength=2.2)


def timeline(axes: "Axes", told: ReplayTold) -> None:
    """Incidents as shaded spans; each budget's alerts as ticks, those about none apart."""
    axes.set_title("When it would have fired (UTC)", loc="left", fontsize=9.5, fontweight="bold")
    width = told.stop - told.start
    for incident in told.incidents:
        end = max(ended(incident), incident.onset_at + LEAST_SPAN * width)
        axes.axvspan(incident.onset_at, end, color=SHADE, linewidth=0, zorder=0)
    for row, one in enumerate(told.budgets):
        fired = told.fired_at(one.budget)
        right = [alert.opened_at for alert in fired if alert.incident]
        other = [alert.opened_at for alert in fired if not alert.incident]
        if one.budget == told.marked:
            axes.axhspan(row - 0.42, row + 0.42, color=TEAL, alpha=0.08, linewidth=0, zorder=0)
        axes.axhline(row, color=LINE, linewidth=0.6, zorder=1)
        axes.plot(right, [row] * len(right), "|", color=TEAL, markersize=13, markeredgewidth=1.8)
        if told.incidents:
            axes.plot(other, [row] * len(other), "D", color=ORANGE, markersize=4, mfc="white")
        else:
            axes.plot(other, [row] * len(other), "|", color=TEAL, markersize=13, mew=1.8)
    names = [
        f"{one.budget:g} a week" + (" ◂" if one.budget == told.marked else "")
        for one in told.budgets
    ]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.set_xlim(told.start, told.stop)
    locator = AutoDateLocator(minticks=4, maxticks=10)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.tick_params(axis="y", length=0)
    if told.incidents:
        key(axes)


def ended(incident: Declared) -> datetime:
    return incident.ended_at or incident.onset_at


def key(axes: "Axes") -> None:
    """What the marks mean, beside the title."""
    handles = [
        mpl.patches.Patch(color=SHADE, label="incident"),
        mpl.lines.Line2D([], [], color=TEAL, marker="|", markersize=10, mew=1.8, ls="",
                         label="alert about an incident"),
        mpl.lines.Line2D([], [], color=ORANGE, marker="D", markersize=4, mfc="white", ls="",
                         label="false alert"),
    ]  # fmt: skip
    axes.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False,
        fontsize=8, borderaxespad=0.2,
    )  # fmt: skip
