"""Figures of a cohort's groups: their predicted classes, and their genes."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...domain.page import DIVERGING, Drawing, drawing
from .drawing import name_axes

# With more columns counts are not legible.
COUNTED = 20


def confusion(counts: pd.DataFrame) -> Drawing:
    """Draw the share of each labelled group (rows) that was predicted as each class (columns), with counts."""
    values = counts.to_numpy()
    shares = values / np.maximum(values.sum(1, keepdims=True), 1)
    rows, columns = values.shape
    figure = Figure(figsize=(3.1 + 0.44 * columns, 2.1 + 0.3 * rows), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if columns <= COUNTED:
        for i, j in zip(*np.nonzero(values), strict=True):
            colour = "white" if shares[i, j] > 0.6 else "black"
            axes.text(j, i, values[i, j], ha="center", va="center", fontsize=7.5, color=colour)
    name_axes(axes, rows=list(counts.index), columns=list(counts.columns))
    axes.set_xlabel("predicted")
    axes.set_ylabel("labelled")
    figure.colorbar(image, label="share of the labelled group", shrink=0.9)
    return drawing(figure, shades=True)


def relevance_matrix(scores: pd.DataFrame, starts: list[int]) -> Drawing:
    """Draw mean relevance of genes (rows) in groups (columns); `starts` are the rows where a group's genes begin."""
    values = scores.to_numpy()
    limit = np.nanmax(np.abs(values)) or 1.0
    height = 2.0 + 0.175 * len(values)
    figure = Figure(figsize=(3.4 + 0.4 * values.shape[1], height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_facecolor("#dddddd")
    image = axes.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    for start in starts[1:]:
        axes.axhline(start - 0.5, color="white", linewidth=1.5)
    name_axes(axes, rows=list(scores.index), columns=list(scores.columns), top=True)
    axes.tick_params(axis="y", labelsize=8)
    bar = figure.colorbar(image, shrink=min(1.0, 3 / height), aspect=16)
    bar.set_label("mean relevance")
    return drawing(figure, shades=True)
