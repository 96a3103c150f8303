"""How good a model was, as pictures: PNG bytes, drawn without a screen."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from models.evaluate import Bin, Confusion, Curve
from models.learning import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, BLUE, SKY, ORANGE, GREY = "#1f2937", "#2563eb", "#93c5fd", "#ea580c", "#9ca3af"
MOST_CLASSES = 30  # more than these cannot be read on one page
LONGEST_NAME = 24
FEW_TICKETS = 10  # their share right says little


def confusion_figure(title: str, confused: Confusion) -> bytes:
    """Which class was called what; of many classes those that were mistaken most."""
    names, counts, shares = _most_mistaken(confused)
    n, left_out = len(names), len(confused.names) - len(names)
    figure = _figure(2.8 + 0.34 * n, 2.2 + 0.34 * n)
    axes = figure.subplots()
    told = f" (the {n} most mistaken of {n + left_out} classes)" if left_out else ""
    _head(axes, f"{title}: truth against answer{told}")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    short = [_short(name) for name in names]
    axes.set_xticks(range(n), short, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n), short)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    axes.tick_params(length=0)
    _write_counts(axes, counts, shares)
    return _png(figure)


def reliability_figure(title: str, bins: list[Bin], ece: float) -> bytes:
    """How often the answer was right, by how probable it was said to be, over how many tickets."""
    figure = _figure(6, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    _head(upper, f"{title}: is a probability what it says?  ECE {ece:.3f}")
    upper.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    few = [one for one in bins if 0 < one.n < FEW_TICKETS]
    _points(upper, [one for one in bins if one.n >= FEW_TICKETS], BLUE, "-")
    _points(upper, few, GREY, "none")
    if few:
        told = f"grey: fewer than {FEW_TICKETS} tickets"
        upper.text(0.98, 0.03, told, color=GREY, fontsize=8, ha="right")
    upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that was right ± standard error")
    n = [one.n for one in bins]
    lower.bar(
        [one.low for one in bins], n, bins[0].high, align="edge", color=SKY, edgecolor="white"
    )
    lower.set(yscale="log", ylim=(0.7, 1.5 * max(n)), ylabel="tickets")
    lower.set_xlabel("probability of the answer")
    _bare(lower)
    return _png(figure)


def coverage_figure(title: str, curve: Curve, promised: float, decided: float) -> bytes:
    """How right the surest answers are, the more of them are taken.

    `promised` is the precision asked for, `decided` the share that the model decides alone.
    """
    figure = _figure(6, 4.2)
    axes = figure.subplots()
    _head(axes, f"{title}: how much can be decided alone?")
    axes.plot(curve.coverage, curve.precision, color=BLUE, linewidth=2)
    told = f"precision asked for: {promised:.0%}"
    axes.axhline(promised, color=ORANGE, linewidth=1.2, linestyle=(0, (4, 3)), label=told)
    told = f"decided alone: {decided:.0%} of the tickets"
    axes.axvline(decided, color=INK, linewidth=1.2, linestyle=(0, (1, 2)), label=told)
    axes.legend(loc="lower left", frameon=False, fontsize=9, labelcolor=INK)
    lowest = max(0.0, min(float(curve.precision.min()), promised) - 0.05)
    axes.set(xlim=(0, 1), ylim=(lowest, 1.005))
    axes.set_xlabel("share of tickets decided, the surest first")
    axes.set_ylabel("share of these that is right")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    return _png(figure)


def learning_figure(title: str, points: Sequence[Point], hoped: float | None) -> bytes:
    """How right it is by how many tickets it learnt from, and what twice as many may bring."""
    figure = _figure(6, 4.2)
    axes = figure.subplots()
    _head(axes, f"{title}: what would more tickets bring?")
    n, accuracy, error = zip(*points, strict=True)
    axes.errorbar(n, accuracy, error, color=BLUE, marker="o", markersize=5, capsize=2)
    if hoped is not None:
        told = f"twice the tickets may bring up to {hoped:.3f}"
        trend = (accuracy[-1], hoped)
        axes.plot((n[-1], 2 * n[-1]), trend, "--", color=ORANGE, marker="o", label=told)
        axes.legend(loc="lower right", frameon=False, fontsize=9, labelcolor=INK)
    axes.set_xscale("log", base=2)
    axes.set_xticks(n, [f"{one:,}" for one in n])
    axes.set_xlabel("tickets learnt from, by words and meaning alone")
    axes.set_ylabel("share that was right ± standard error")
    return _png(figure)


def _points(axes: "Axes", bins: list[Bin], colour: str, line: str) -> None:
    said, right = [one.probability for one in bins], [one.accuracy for one in bins]
    error = [_standard_error(one) for one in bins]
    axes.errorbar(
        said, right, error, color=colour, linestyle=line, marker="o", markersize=5, capsize=2
    )


def _most_mistaken(confused: Confusion) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Names and counts of the classes shown, and each count's share of all tickets of its class."""
    names, counts = confused
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if len(names) <= MOST_CLASSES:
        return names, counts, shares
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    kept = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])
    shown = np.ix_(kept, kept)
    return tuple(names[at] for at in kept), counts[shown], shares[shown]


def _write_counts(axes: "Axes", counts: np.ndarray, shares: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.55 else INK
            axes.text(column, row, f"{count}", ha="center", va="center", color=colour, fontsize=7)


def _standard_error(one: Bin) -> float:
    return float(np.sqrt(one.accuracy * (1 - one.accuracy) / one.n))


def _short(name: str) -> str:
    shown = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    return shown.replace("$", r"\$")  # a pair of dollars would be read as mathematics


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _head(axes: "Axes", title: str) -> None:
    shown = title.replace("$", r"\$")
    axes.set_title(shown, loc="left", fontsize=11, fontweight="bold", color=INK)
    _bare(axes)


def _bare(axes: "Axes") -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _png(figure: Figure) -> bytes:
    for axes in figure.axes:
        axes.tick_params(colors=INK, labelsize=8)
        axes.xaxis.label.set_color(INK)
        axes.yaxis.label.set_color(INK)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
