"""What all figures of the report have in common: colours, sizes, and how they get into the page.

Relevance is drawn in a red-blue scale centred at zero, which those who don't tell red from green read as well. Groups
are always in the order of their categories.
"""

import base64
import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure

DIVERGING = "RdBu_r"
FOR, AGAINST, NEUTRAL = "#b2182b", "#2166ac", "#8a929e"
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


def shorter(name: str, most: int = 28) -> str:
    """Cut a long name for an axis."""
    return name if len(name) <= most else name[: most - 1] + "…"


def name_axes(axes: Axes, rows: list[str], columns: list[str]) -> None:
    """Write the names of a matrix's rows and columns."""
    axes.set_yticks(range(len(rows)), [shorter(row) for row in rows])
    axes.set_xticks(range(len(columns)), [shorter(one) for one in columns], rotation=45, ha="right")
    for label in axes.get_xticklabels():
        label.set_rotation_mode("anchor")
    axes.tick_params(length=0, labelsize=8.5)
    axes.spines[:].set_visible(False)


def plain_axes(axes: Axes) -> None:
    """Leave only the axes that are read off."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5)


def png(figure: Figure) -> str:
    """Give a figure as what an ``img`` can hold."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
