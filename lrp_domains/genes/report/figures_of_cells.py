"""Figures of single cells: the embedding by group and by relevance, and how single scores come about."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from .drawing import AGAINST, COLOURS, DIVERGING, FOR, NEUTRAL, plain_axes, png, shorter

GENES = 9


def group_map(positions: np.ndarray, labels: pd.Series) -> str:
    """Cells in their embedding, coloured and numbered by group."""
    figure = Figure(figsize=(8.2, 5), layout="constrained")
    axes = _map_axes(figure)
    outline = [withStroke(linewidth=3, foreground="white")]
    for number, group in enumerate(labels.cat.categories):
        cells = positions[(labels == group).to_numpy()]
        if not len(cells):
            continue
        colour = COLOURS[number % len(COLOURS)]
        axes.scatter(
            *cells.T, s=_size(len(labels)), color=colour, linewidths=0, label=f"{number + 1}  {shorter(group)}"
        )
        middle = np.median(cells, axis=0)
        axes.annotate(
            number + 1, middle, ha="center", va="center", fontsize=10, fontweight="bold", path_effects=outline
        )
    columns = -(-len(labels.cat.categories) // 25)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8.5, markerscale=1.6, ncols=columns)
    return png(figure)


def relevance_maps(positions: np.ndarray, relevance: np.ndarray, titles: list[str]) -> str:
    """Cells in their embedding, coloured by the relevance of one gene a panel (a column of `relevance`)."""
    columns = min(3, len(titles))
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(3.7 * columns, 3.3 * rows), layout="constrained")
    for number, title in enumerate(titles):
        values = relevance[:, number]
        order = np.argsort(np.abs(values))  # the cells that matter lie on top
        limit = max(np.percentile(np.abs(values), 99), 1e-12)
        axes = _map_axes(figure, (rows, columns, number + 1))
        points = axes.scatter(
            *positions[order].T, c=values[order], s=_size(len(values)), cmap=DIVERGING, vmin=-limit, vmax=limit,
            edgecolors="#999999", linewidths=0.15,
        )  # fmt: skip
        axes.set_title(title, fontsize=9)
        figure.colorbar(points, shrink=0.75)
    return png(figure)


def waterfalls(cells: list[dict]) -> str:
    """How the score of single cells comes about: gene by gene, the other genes, the biases.

    Parameters
    ----------
    cells
        For each panel ``title``, ``relevance`` (a Series by gene), ``rest`` (what biases hold) and ``score``.
    """
    figure = Figure(figsize=(3.75 * len(cells), 3.9), layout="constrained")
    for place, cell in enumerate(cells, 1):
        axes = figure.add_subplot(1, len(cells), place)
        relevance = cell["relevance"]
        first = relevance.reindex(relevance.abs().nlargest(GENES).index)
        first = first[first != 0].sort_values(ascending=False)
        steps = [(gene, value) for gene, value in first.items()]
        steps += [("other genes", relevance.sum() - first.sum()), ("biases", cell["rest"])]
        start = 0.0
        for row, (_, value) in enumerate(steps):
            axes.barh(row, value, left=start, color=FOR if value >= 0 else AGAINST, height=0.68)
            start += value
        axes.barh(len(steps), cell["score"], color=NEUTRAL, height=0.68)
        axes.set_yticks(range(len(steps) + 1), [*(name for name, _ in steps), "score"])
        axes.invert_yaxis()
        axes.axvline(0, color="#1d2430", linewidth=0.8)
        axes.set_title(cell["title"], fontsize=9)
        axes.set_xlabel("logits", fontsize=8.5)
        plain_axes(axes)
    return png(figure)


def _size(cells: int) -> float:
    return float(np.clip(12_000 / cells, 1, 18))


def _map_axes(figure: Figure, place: tuple[int, int, int] = (1, 1, 1)) -> Axes:
    axes = figure.add_subplot(*place)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes
