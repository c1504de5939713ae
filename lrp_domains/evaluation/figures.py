"""Figures of comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TICKS = (0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1)  # of the shares of units that are removed


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


def removal_figure(curves: pd.DataFrame) -> Figure:
    """Return a figure of what samples score on average without the most and without the least relevant units.

    The axis of units is that of square roots, as a prediction often depends on few.

    Parameters
    ----------
    curves
        Those of a `Comparison`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, (method, rows) in enumerate(curves.groupby(level="method", sort=False)):
        at, colour = rows.index.get_level_values("fraction"), f"C{number % 10}"
        axes.plot(at, rows["without_most"], colour, label=method)
        axes.plot(at, rows["without_least"], colour, linestyle="--")
    axes.set_xscale("function", functions=(np.sqrt, np.square))
    axes.set_xticks(TICKS, [f"{100 * share:g}" for share in TICKS])
    axes.set(xlabel="% of units removed (dashed: the least relevant first)", ylabel="mean over samples")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
