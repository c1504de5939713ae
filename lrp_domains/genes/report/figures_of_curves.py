"""Deletion and insertion curves, and the share of scores that genes account for."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...domain.page import FOR, INK, NEUTRAL, Drawing, drawing
from ..explanation.curves import measured_in
from .drawing import plain_axes

ORDERS = {
    "relevance": ("relevance", {"color": FOR, "linewidth": 2.2}),
    "differential": ("differential expression", {"color": "#332288", "linewidth": 1.6, "linestyle": (0, (5, 2))}),
    "random": ("random", {"color": NEUTRAL, "linewidth": 1.6, "linestyle": (0, (1, 1.5))}),
}
COUNTS = (0, 1, 3, 10, 30, 100, 300, 1000, 3000)
# The range of shares to show; those beyond it, of scores near 0, are counted at its ends.
PERCENTILES = (1, 99)


def perturbation(curves: pd.DataFrame) -> Drawing:
    """Draw deletion and insertion: the mean over groups, thick, and each group's curve by relevance, thin."""
    measured = measured_in(curves)
    figure = Figure(figsize=(9.6, 3.5), layout="constrained")
    for number, curve in enumerate(("deletion", "insertion"), 1):
        axes = figure.add_subplot(1, 2, number)
        part = curves[curves["curve"] == curve]
        for order, (name, style) in ORDERS.items():
            rows = part[part["order"] == order]
            if rows.empty:
                continue
            if order == "relevance" and rows["group"].nunique() > 1:
                for _, group in rows.groupby("group"):
                    axes.plot(group["genes"], group[measured], color=style["color"], linewidth=0.7, alpha=0.3)
            mean = rows.groupby("genes")[measured].mean()
            axes.plot(mean.index, mean, label=name, **style)

        axes.set_xscale("symlog", linthresh=1)
        shown = [count for count in COUNTS if count <= part["genes"].max()]
        axes.set_xticks(shown, [str(count) for count in shown])
        axes.minorticks_off()
        axes.set_ylim(bottom=0, top=1.02 if measured == "probability" else None)
        axes.set_title("without the top genes" if curve == "deletion" else "with only the top genes")
        axes.set_xlabel("number of genes")
        axes.set_ylabel("probability of the group's class" if measured == "probability" else "change of the output")
        plain_axes(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return drawing(figure)


def ledger_histogram(shares: np.ndarray, noun: str, of: str = "score") -> Drawing:
    """Draw the share of each cell's score, or difference, that its genes account for; biases account for the rest."""
    shares = shares[np.isfinite(shares)]
    low, high = np.percentile(shares, PERCENTILES) if len(shares) else (1, 1)
    low, high = min(low - 0.02, 0.9), max(high + 0.02, 1.1)
    figure = Figure(figsize=(4.8, 2.7), layout="constrained")
    axes = figure.add_subplot()
    axes.hist(np.clip(shares, low, high), bins=np.linspace(low, high, 41), color="#4a6fa5")
    axes.axvline(1, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel(f"share of a {of} that genes account for")
    axes.set_ylabel(noun)
    plain_axes(axes)
    return drawing(figure)
