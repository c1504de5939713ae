"""Figures of a cohort's groups: predictions, genes x groups, curves, the ledger."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .drawing import DIVERGING, FOR, NEUTRAL, name_axes, plain_axes, png

ORDER_STYLES = {
    "relevance": {"color": FOR, "linewidth": 2.2},
    "differential expression": {"color": "#332288", "linewidth": 1.6, "linestyle": (0, (5, 2))},
    "random": {"color": NEUTRAL, "linewidth": 1.6, "linestyle": (0, (1, 1.5))},
}


def confusion(labelled: pd.Series, predicted: pd.Series) -> str:
    """Share of each labelled group (rows) that was predicted as each class (columns), with counts."""
    groups, classes = list(labelled.cat.categories), list(predicted.cat.categories)
    counts = pd.crosstab(labelled.astype(str), predicted.astype(str)).reindex(groups, fill_value=0)
    counts = counts.reindex(columns=classes, fill_value=0).to_numpy()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = Figure(figsize=(3.0 + 0.5 * len(classes), 2.0 + 0.36 * len(groups)), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, j in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[i, j] > 0.6 else "black"
        axes.text(j, i, counts[i, j], ha="center", va="center", fontsize=7.5, color=colour)
    name_axes(axes, rows=groups, columns=classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("labelled")
    figure.colorbar(image, label="share of the labelled group", shrink=0.8)
    return png(figure)


def relevance_matrix(scores: pd.DataFrame, starts: list[int]) -> str:
    """Mean relevance of genes (rows) in each group (columns); `starts` are the rows where a group's genes begin."""
    values = scores.to_numpy()
    limit = np.nanmax(np.abs(values)) or 1.0
    figure = Figure(figsize=(3.0 + 0.42 * values.shape[1], 2.0 + 0.2 * len(values)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_facecolor("#dddddd")
    image = axes.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    for start in starts[1:]:
        axes.axhline(start - 0.5, color="white", linewidth=1.5)
    name_axes(axes, rows=list(scores.index), columns=list(scores.columns))
    axes.tick_params(axis="y", labelsize=8)
    figure.colorbar(image, label="mean relevance", shrink=min(1.0, 4 / (2.0 + 0.2 * len(values)) + 0.2))
    return png(figure)


def perturbation(curves: pd.DataFrame, what: str) -> str:
    """Deletion and insertion: the mean over groups, thick, and each group's own curve, thin."""
    figure = Figure(figsize=(9.2, 3.4), layout="constrained")
    for place, curve in enumerate(("deletion", "insertion"), 1):
        axes = figure.add_subplot(1, 2, place)
        part = curves[curves["curve"] == curve]
        for order, style in ORDER_STYLES.items():
            own = part[part["order"] == order]
            if own.empty:
                continue
            if order == "relevance":
                for _, group in own.groupby("group"):
                    axes.plot(group["genes"], group["value"], color=style["color"], linewidth=0.6, alpha=0.3)
            mean = own.groupby("genes")["value"].mean()
            axes.plot(mean.index, mean, label=order, **style)
        axes.set_xscale("symlog", linthresh=1)
        counts = np.unique(part["genes"])
        shown = [count for count in (0, 1, 3, 10, 30, 100, 300, 1000) if count <= counts.max()]
        axes.set_xticks(shown, [str(count) for count in shown])
        axes.minorticks_off()
        axes.set_title("without the first genes" if curve == "deletion" else "with the first genes alone", fontsize=9.5)
        axes.set_xlabel("number of genes", fontsize=9)
        axes.set_ylabel(what, fontsize=9)
        plain_axes(axes)
    axes.legend(frameon=False, fontsize=8.5)
    return png(figure)


def ledger_histogram(shares: np.ndarray) -> str:
    """How much of each cell's score its genes hold; the rest is held by biases."""
    figure = Figure(figsize=(5.2, 2.6), layout="constrained")
    axes = figure.add_subplot()
    axes.hist(np.clip(shares, -0.5, 1.5), bins=np.linspace(-0.5, 1.5, 61), color="#4a6fa5")
    axes.axvline(1, color="#1d2430", linewidth=1, linestyle=(0, (4, 3)))
    axes.set_xlabel("share of a cell's score that its genes hold", fontsize=9)
    axes.set_ylabel("cells", fontsize=9)
    plain_axes(axes)
    return png(figure)
