"""The report's figures, each as the PNG that a page holds inline.

Relevance is drawn in a red-blue scale centred at zero, which those who don't tell red from green read as
well. Groups are always in the order of their categories.
"""

import base64
import io

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from scipy import sparse

DIVERGING = "RdBu_r"
# Paul Tol's "muted" scheme, made for colour-blind readers; further groups start again and are told apart by number.
COLOURS = (
    "#CC6677",
    "#332288",
    "#DDCC77",
    "#117733",
    "#88CCEE",
    "#882255",
    "#44AA99",
    "#999933",
    "#AA4499",
    "#777777",
)


def confusion(labelled: pd.Series, predicted: pd.Series) -> str:
    """Share of each labelled group (rows) that was predicted as each class (columns), with counts."""
    groups, classes = list(labelled.cat.categories), list(predicted.cat.categories)
    counts = pd.crosstab(labelled.astype(str), predicted.astype(str)).reindex(groups, fill_value=0)
    counts = counts.reindex(columns=classes, fill_value=0).to_numpy()
    shares = counts / counts.sum(1, keepdims=True)
    figure = Figure(figsize=(2.6 + 0.5 * len(classes), 2.0 + 0.36 * len(groups)), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, j in zip(*np.nonzero(counts), strict=True):
        axes.text(
            j,
            i,
            counts[i, j],
            ha="center",
            va="center",
            fontsize=7.5,
            color="white" if shares[i, j] > 0.6 else "black",
        )
    _name(axes, rows=groups, columns=classes)
    axes.set_xlabel("predicted by a network that has not seen the cell")
    axes.set_ylabel("labelled")
    figure.colorbar(image, label="share of the labelled group", shrink=0.8)
    return _png(figure)


def relevance_matrix(means: pd.DataFrame, genes: list[str], starts: list[int]) -> str:
    """Mean relevance of genes (rows) in each group (columns); `starts` are the rows where a group's genes begin."""
    values = means.loc[genes].to_numpy()
    limit = np.nanmax(np.abs(values))
    figure = Figure(figsize=(2.8 + 0.42 * means.shape[1], 2.0 + 0.2 * len(genes)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_facecolor("#dddddd")
    image = axes.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    for start in starts[1:]:
        axes.axhline(start - 0.5, color="white", linewidth=1.5)
    _name(axes, rows=genes, columns=list(means.columns))
    axes.tick_params(axis="y", labelsize=8)
    figure.colorbar(image, label="mean relevance (logits)", shrink=0.6)
    return _png(figure)


def group_map(positions: np.ndarray, labels: pd.Series) -> str:
    """Cells in their embedding, coloured and numbered by group."""
    figure = Figure(figsize=(8.2, 5), layout="constrained")
    axes = _map_axes(figure)
    outline = [withStroke(linewidth=3, foreground="white")]
    for number, group in enumerate(labels.cat.categories):
        cells = positions[(labels == group).to_numpy()]
        colour = COLOURS[number % len(COLOURS)]
        axes.scatter(*cells.T, s=_size(len(labels)), color=colour, linewidths=0, label=f"{number + 1}  {group}")
        middle = np.median(cells, axis=0)
        axes.annotate(
            number + 1, middle, ha="center", va="center", fontsize=10, fontweight="bold", path_effects=outline
        )
    columns = -(-len(labels.cat.categories) // 25)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8.5, markerscale=1.6, ncols=columns)
    return _png(figure)


def relevance_maps(positions: np.ndarray, relevance: np.ndarray | sparse.csr_matrix, titles: list[str]) -> str:
    """Cells in their embedding, coloured by the relevance of one gene a panel (a column of `relevance`)."""
    columns = min(3, len(titles))
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(3.7 * columns, 3.3 * rows), layout="constrained")
    for number, title in enumerate(titles):
        values = relevance[:, [number]]
        values = (values.toarray() if sparse.issparse(values) else values)[:, 0]
        order = np.argsort(np.abs(values))  # the cells that matter lie on top
        limit = max(np.percentile(np.abs(values), 99), 1e-12)
        axes = _map_axes(figure, (rows, columns, number + 1))
        points = axes.scatter(
            *positions[order].T, c=values[order], s=_size(len(values)), cmap=DIVERGING, vmin=-limit, vmax=limit,
            edgecolors="#999999", linewidths=0.15,
        )  # fmt: skip
        axes.set_title(title, fontsize=9)
        figure.colorbar(points, shrink=0.75)
    return _png(figure)


def _size(cells: int) -> float:
    return float(np.clip(12_000 / cells, 1, 18))


def _map_axes(figure: Figure, place: tuple[int, int, int] = (1, 1, 1)) -> Axes:
    axes = figure.add_subplot(*place)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes


def _name(axes: Axes, rows: list[str], columns: list[str]) -> None:
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0, labelsize=8.5)
    axes.spines[:].set_visible(False)


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
