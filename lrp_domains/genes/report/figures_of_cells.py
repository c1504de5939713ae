"""Figures of single cells: the embedding by group and by relevance, and how single scores arise."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from ...domain.page import AGAINST, DIVERGING, FOR, INK, NEUTRAL, Drawing, drawing
from .drawing import COLOURS, plain_axes, shorter

GENES = 10
IN_A_COLUMN = 22
PANELS_A_ROW = 3


@dataclass(frozen=True)
class ExplainedCell:
    """How the score of one cell arises: relevance by gene, the relevance of biases, and the score.

    Of a cell that was explained against a reference, `score` is the difference of the two scores.
    """

    name: str
    group: str
    relevance: pd.Series = field(repr=False)
    rest: float
    score: float
    of: str = "score"


def group_map(positions: np.ndarray, labels: pd.Series) -> Drawing:
    """Draw cells in their embedding, coloured and numbered by group."""
    groups = list(labels.cat.categories)
    columns = -(-len(groups) // IN_A_COLUMN)
    figure = Figure(figsize=(6.2 + 2.2 * columns, 4.9), layout="constrained")
    axes = _map_axes(figure)
    outline = [withStroke(linewidth=3, foreground="white")]
    # In random order, so that the last group doesn't hide the others.
    order = np.random.default_rng(0).permutation(len(labels))
    colours = np.array(COLOURS)[labels.cat.codes.to_numpy() % len(COLOURS)]
    axes.scatter(*positions[order].T, s=_size(len(labels)), c=colours[order], linewidths=0)
    for number, group in enumerate(groups):
        cells = positions[(labels == group).to_numpy()]
        axes.scatter([], [], color=COLOURS[number % len(COLOURS)], label=f"{number + 1}  {shorter(group)}", s=28)
        if len(cells):
            middle = np.median(cells, axis=0)
            axes.annotate(
                number + 1, middle, ha="center", va="center", fontsize=10, fontweight="bold", path_effects=outline
            )
    figure.legend(loc="outside right upper", frameon=False, ncols=columns)
    return drawing(figure)


def relevance_maps(positions: np.ndarray, relevance: np.ndarray, titles: list[str]) -> Drawing:
    """Draw cells in their embedding, coloured by the relevance of one gene per panel (a column of `relevance`)."""
    columns = min(PANELS_A_ROW, len(titles))
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(3.7 * columns, 3.2 * rows), layout="constrained")
    for number, title in enumerate(titles):
        values = relevance[:, number]
        order = np.argsort(np.abs(values))  # cells of high relevance are drawn on top
        limit = max(np.percentile(np.abs(values), 99), 1e-12)

        axes = _map_axes(figure, (rows, columns, number + 1))
        points = axes.scatter(
            *positions[order].T,
            c=values[order],
            s=_size(len(values)),
            cmap=DIVERGING,
            vmin=-limit,
            vmax=limit,
            edgecolors="#999999",
            linewidths=0.15,
        )

        axes.set_title(title, fontsize=9)
        figure.colorbar(points, shrink=0.75)
    return drawing(figure)


def waterfalls(cells: list[ExplainedCell]) -> Drawing:
    """Draw how the scores of single cells arise: gene by gene, the other genes, the biases."""
    columns = min(PANELS_A_ROW, len(cells))
    rows = -(-len(cells) // columns)
    figure = Figure(figsize=(3.75 * columns, 4.1 * rows), layout="constrained")
    for number, cell in enumerate(cells, 1):
        axes = figure.add_subplot(rows, columns, number)
        largest = cell.relevance.loc[cell.relevance.abs().sort_values(ascending=False, kind="stable").index[:GENES]]
        largest = largest[largest != 0].sort_values(ascending=False)
        others = cell.relevance.drop(largest.index)
        steps = [
            *largest.items(),
            (f"{(others != 0).sum()} other genes", others.sum()),
            ("biases" if cell.of == "score" else "not accounted for", cell.rest),
        ]

        # Each bar starts where the one above it ends, so that the last one ends at the score.
        start = 0.0
        for row, (_, value) in enumerate(steps):
            axes.barh(row, value, left=start, color=FOR if value >= 0 else AGAINST, height=0.68)
            axes.plot([start + value] * 2, [row - 0.34, row + 1.34], color=INK, linewidth=0.6)
            start += value
        axes.barh(len(steps), cell.score, color=NEUTRAL, height=0.68)

        axes.set_yticks(
            range(len(steps) + 1), [*(shorter(name, 18) for name, _ in steps), f"{cell.of} {cell.score:.2f}"]
        )
        axes.invert_yaxis()
        axes.use_sticky_edges = False
        axes.margins(x=0.04)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_title(f"{shorter(cell.name)}\n{shorter(cell.group)}", fontsize=9)
        axes.set_xlabel(cell.of)
        plain_axes(axes)
    return drawing(figure)


def _size(cells: int) -> float:
    """Return the size of a point."""
    return float(np.clip(12_000 / cells, 1, 18))


def _map_axes(figure: Figure, position: tuple[int, int, int] = (1, 1, 1)) -> Axes:
    """Add axes without ticks and spines."""
    axes = figure.add_subplot(*position)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes
