"""Labels of points without overlap: a column at each side of the axes, in the order of the points' heights."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ...domain.page import INK
from .style import shorter

SIZE = 7.5  # points
LINE = 1.45  # height of a line, in sizes: some room, because a layout may shrink the axes later
LETTER = 0.68  # width of a letter, in sizes
LONGEST = 20
JOIN = {"arrowstyle": "-", "color": INK, "linewidth": 0.4, "alpha": 0.6, "shrinkA": 1, "shrinkB": 1}


def label_points(ax: Axes, points: np.ndarray, names: Sequence[str], *, middle: float = 0.0) -> None:
    """Write the names of some points beside them, joined by lines; those left of `middle` at the left side.

    Parameters
    ----------
    ax
        The axes, on which all points are drawn; their range is widened to make room for the labels.
    points
        Positions to label, in the order of `names`.
    names
        Their names; long ones are shortened.
    middle
        Points at or beyond it are labelled at the right side.
    """
    if not len(names):
        return
    names = [shorter(name, LONGEST) for name in names]
    width, height = (length / ax.figure.dpi * 72 / SIZE for length in ax.get_window_extent().size)  # in sizes
    sides = {"left": points[:, 0] < middle, "right": points[:, 0] >= middle}
    lengths = np.array([len(name) for name in names])
    rooms = {side: min(0.4, LETTER * lengths[there].max(initial=0) / width) for side, there in sides.items()}

    # The range is widened so that every point is between the two columns.
    low, high = ax.get_xlim()
    unit = (high - low) / (1 - rooms["left"] - rooms["right"])
    ax.set_xlim(low - rooms["left"] * unit, high + rooms["right"] * unit)

    bottom, top = ax.get_ylim()
    for side, there in sides.items():
        chosen = np.flatnonzero(there)
        if not len(chosen):
            continue
        heights = spread((points[chosen, 1] - bottom) / (top - bottom), LINE / height)
        at = rooms["left"] if side == "left" else 1 - rooms["right"]
        for number, y in zip(chosen, heights, strict=True):
            label = ax.annotate(
                names[number],
                xy=tuple(points[number]),
                xytext=(at, y),
                textcoords="axes fraction",
                ha="right" if side == "left" else "left",
                va="center",
                fontsize=SIZE,
                bbox={
                    "facecolor": "white",
                    "edgecolor": "none",
                    "alpha": 0.7,
                    "pad": 0.3,
                },  # over lines of other labels
                arrowprops=JOIN,
            )
            label.set_in_layout(False)  # it is inside the axes, and measuring it takes long


def spread(heights: np.ndarray, gap: float) -> np.ndarray:
    """Return heights between 0 and 1 that are at least `gap` apart and in the same order, as near as that allows.

    Labels that would overlap are moved together, as a block around the mean of their heights; if there are too many
    for the column they are spaced evenly beyond it.
    """
    order = np.argsort(heights, kind="stable")
    blocks: list[list[float]] = []  # of each block: its labels, and its lowest position
    for height in heights[order]:
        blocks.append([1, float(height)])
        while len(blocks) > 1 and blocks[-2][1] + gap * blocks[-2][0] > blocks[-1][1]:
            n, low = blocks.pop()
            before, lowest = blocks[-1]
            mean = (before * (lowest + gap * (before - 1) / 2) + n * (low + gap * (n - 1) / 2)) / (before + n)
            blocks[-1] = [before + n, mean - gap * (before + n - 1) / 2]
    placed = np.concatenate([low + gap * np.arange(n) for n, low in blocks])

    # From the top, then from the bottom, so that all are inside where they fit.
    steps = gap * np.arange(len(placed))
    placed = np.minimum(placed, 1 - gap / 2 - steps[::-1])
    placed = np.maximum(placed, min(gap / 2, 1 - gap / 2 - steps[-1]) + steps)
    result = np.empty(len(placed))
    result[order] = placed
    return result
