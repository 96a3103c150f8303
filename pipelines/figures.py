"""How good a model was, as pictures: PNG bytes, drawn without a screen."""

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from models.evaluate import Bin, Confusion, Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, BLUE, PALE, ORANGE, GREY = "#1f2937", "#2563eb", "#dbeafe", "#ea580c", "#9ca3af"
MOST_CLASSES = 30  # more than these cannot be read on one page
LONGEST_NAME = 24


def confusion_figure(title: str, confused: Confusion) -> bytes:
    """Which class was called what; of many classes those that were mistaken most."""
    names, counts = _most_mistaken(confused)
    n, left_out = len(names), len(confused.names) - len(names)
    figure = _figure(2.8 + 0.34 * n, 2.2 + 0.34 * n)
    axes = figure.subplots()
    told = f" (the {n} most mistaken of {n + left_out} classes)" if left_out else ""
    _head(axes, f"{title}: truth against answer{told}")
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(counts / total, cmap="Blues", vmin=0, vmax=1)
    short = [_short(name) for name in names]
    axes.set_xticks(range(n), short, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n), short)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    axes.tick_params(length=0)
    _write_counts(axes, counts, counts / total)
    return _png(figure)


def reliability_figure(title: str, bins: list[Bin], ece: float) -> bytes:
    """How often the answer was right, by how probable it was said to be, over how many tickets."""
    figure = _figure(6, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    full = [one for one in bins if one.n]
    _head(upper, f"{title}: is a probability what it says?  ECE {ece:.3f}")
    upper.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    said, right = [one.probability for one in full], [one.accuracy for one in full]
    error = [_standard_error(one) for one in full]
    upper.errorbar(said, right, yerr=error, color=BLUE, marker="o", markersize=5, capsize=2)
    upper.set_ylabel("share that was right")
    upper.set(xlim=(0, 1), ylim=(0, 1.02))
    lower.bar(
        [one.low for one in bins], [one.n for one in bins], bins[0].high, align="edge",
        color=PALE, edgecolor="white",
    )  # fmt: skip
    lower.set_ylabel("tickets")
    lower.set_xlabel("probability of the answer")
    return _png(figure)


def coverage_figure(title: str, curve: Curve, promised: float, decided: float) -> bytes:
    """How right the surest answers are, the more of them are taken.

    `promised` is the precision asked for, `decided` the share that the model decides alone.
    """
    figure = _figure(6, 4.2)
    axes = figure.subplots()
    _head(axes, f"{title}: how much can be decided alone?")
    axes.plot(curve.coverage, curve.precision, color=BLUE, linewidth=2)
    axes.axhline(promised, color=ORANGE, linewidth=1, linestyle=(0, (4, 3)))
    axes.axvline(decided, color=INK, linewidth=1, linestyle=(0, (1, 2)))
    lowest = max(0.0, min(float(curve.precision.min()), promised) - 0.05)
    axes.set(xlim=(0, 1), ylim=(lowest, 1.005))
    axes.annotate(
        f"promised {promised:.0%}", (0.01, promised), (0, -4), textcoords="offset points",
        color=ORANGE, va="top",
    )  # fmt: skip
    side = "right" if decided > 0.6 else "left"
    axes.annotate(
        f"auto: {decided:.0%} of tickets", (decided, lowest), (-5 if side == "right" else 5, 6),
        textcoords="offset points", color=INK, ha=side,
    )  # fmt: skip
    axes.set_xlabel("share of tickets decided, the surest first")
    axes.set_ylabel("share of these that is right")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    return _png(figure)


def _most_mistaken(confused: Confusion) -> Confusion:
    names, counts = confused
    if len(names) <= MOST_CLASSES:
        return confused
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    kept = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])
    return Confusion(tuple(names[at] for at in kept), counts[np.ix_(kept, kept)])


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
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _png(figure: Figure) -> bytes:
    for axes in figure.axes:
        axes.tick_params(colors=INK, labelsize=8)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
