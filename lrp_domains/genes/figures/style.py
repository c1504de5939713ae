"""Common parts of the figures: colours, type and axes.

Groups are always in the order of their categories.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable

from ...domain.page import INK

# Paul Tol's "muted" scheme, made for colour-blind readers; further groups repeat its colours.
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
# The same look everywhere in a report; a gene or group named "$a$" is not a formula.
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "axes.edgecolor": INK,
    "text.parse_math": False,
}

P = ParamSpec("P")


def plain_names(draw: Callable[P, Axes]) -> Callable[P, Axes]:
    """Return a function that draws names such as ``$a$`` unchanged, whatever matplotlib's settings are."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Axes:
        with mpl.rc_context({"text.parse_math": False}):
            return draw(*args, **kwargs)

    return drawn


def axes_of(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the axes to draw on: `ax`, or those of a new figure of this size in inches, as pyplot makes it."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # chooses a backend, so only where a user draws

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def shorter(name: str, most: int = 28, end: int = 8) -> str:
    """Shorten a long name in the middle, because names often differ at the end."""
    return name if len(name) <= most else f"{name[: most - end - 1]}…{name[-end:]}"


def name_axes(axes: Axes, rows: list[str], columns: list[str]) -> None:
    """Write the names of a matrix's rows and columns."""
    axes.set_yticks(range(len(rows)), [shorter(row) for row in rows])
    axes.set_xticks(range(len(columns)), [shorter(column) for column in columns], rotation=45, ha="right")
    for label in axes.get_xticklabels():
        label.set_rotation_mode("anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def plain_axes(axes: Axes) -> None:
    """Hide the upper and right spines."""
    axes.spines[["top", "right"]].set_visible(False)


def add_scale(axes: Axes, drawn: ScalarMappable, label: str = "") -> None:
    """Add the scale of colours at the right of the axes."""
    axes.figure.colorbar(drawn, ax=axes, shrink=0.8, aspect=18, label=label)
