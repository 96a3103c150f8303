"""Forecasts as a picture: what came, the fan of what may come, and the limit."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from data.records import Crossing
from models.crossing import measured, told
from pipelines.figures import BLUE, INK, ORANGE, SKY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 6  # charts in a picture


def fans(crossings: Sequence[Crossing]) -> bytes:
    """The first of `crossings`, each with its fan, as a PNG."""
    drawn = [one for one in crossings if one.fan.past][:MOST] or list(crossings[:1])
    figure = Figure(figsize=(8, 2.9 * len(drawn)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, one in zip(figure.subplots(len(drawn), squeeze=False)[:, 0], drawn, strict=True):
        _fan(axes, one)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _fan(axes: "Axes", one: Crossing) -> None:
    title = f"{one.name or one.series}: {told(one)}".replace("$", r"\$")
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
    fan = one.fan
    axes.plot(fan.past, fan.values, color=INK, linewidth=1.4, label="measured")
    if fan.ahead:
        low_95, low_80, middle, high_80, high_95 = zip(*fan.quantiles, strict=True)
        axes.fill_between(fan.ahead, low_95, high_95, color=SKY, alpha=0.3, label="95 %", lw=0)
        axes.fill_between(fan.ahead, low_80, high_80, color=SKY, alpha=0.7, label="80 %", lw=0)
        axes.plot(fan.ahead, middle, color=BLUE, linewidth=1.6, label="forecast")
    told_limit = f"limit {measured(one.limit, one.unit)}"
    axes.axhline(one.limit, color=ORANGE, linewidth=1.4, linestyle=(0, (4, 3)), label=told_limit)
    axes.set_ylim(*_range(one))
    locator = AutoDateLocator(maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.tick_params(colors=INK, labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)


def _range(one: Crossing) -> tuple[float, float]:
    """Room for what came and for the limit: a fan may lead far beyond both."""
    low, high = min((*one.fan.values, one.limit)), max((*one.fan.values, one.limit))
    room = 0.12 * ((high - low) or 1.0)
    return low - room, high + room
