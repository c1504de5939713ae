"""Figures of comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

from .removal import Removal


def cost_figure(table: pd.DataFrame, measure: str) -> Figure:
    """Return a figure of a measure, with its intervals, against the cost in gradients.

    Parameters
    ----------
    table
        That of `Comparison.table`.
    measure
        One of its measures.
    """
    from matplotlib.figure import Figure

    rows = table[(table["measure"] == measure) & np.isfinite(table["gradients"])]
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for row in rows.itertuples():
        cost = max(row.gradients, 0.05)  # a random order costs nothing, which a logarithmic axis can't show
        axes.errorbar(cost, row.mean, [[row.mean - row.low], [row.high - row.mean]], fmt="o", capsize=2)
        axes.annotate(row.method, (cost, row.mean), xytext=(5, 4), textcoords="offset points", fontsize=8)
    axes.set(xscale="log", xlabel="cost, in gradients", ylabel=measure)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def removal_figure(curves: dict[str, Removal], ylabel: str = "score") -> Figure:
    """Return a figure of the mean score without the most and without the least relevant units, per method."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, (name, removal) in enumerate(curves.items()):
        colour = f"C{number % 10}"
        axes.plot(removal.fractions, removal.without_most.mean(0), colour, label=name)
        axes.plot(removal.fractions, removal.without_least.mean(0), colour, linestyle="--")
    axes.set(xlabel="share of units removed (dashed: the least relevant first)", ylabel=ylabel)
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
