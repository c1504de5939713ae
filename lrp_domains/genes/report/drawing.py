"""Common parts of the report's figures: colours, type and axes.

Groups are always in the order of their categories.
"""

from matplotlib.axes import Axes

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
# The same look everywhere; a gene or group named "$a$" is not a formula.
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


def shorter(name: str, most: int = 28, end: int = 8) -> str:
    """Shorten a long name for an axis in the middle, because names often differ at the end."""
    return name if len(name) <= most else f"{name[: most - end - 1]}…{name[-end:]}"


def name_axes(axes: Axes, rows: list[str], columns: list[str], *, top: bool = False) -> None:
    """Write the names of a matrix's rows and columns; those of columns below it, or above a long one."""
    axes.set_yticks(range(len(rows)), [shorter(row) for row in rows])
    axes.set_xticks(
        range(len(columns)), [shorter(column) for column in columns], rotation=45, ha="left" if top else "right"
    )
    if top:
        axes.xaxis.tick_top()
    for label in axes.get_xticklabels():
        label.set_rotation_mode("anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def plain_axes(axes: Axes) -> None:
    """Hide the upper and right spines."""
    axes.spines[["top", "right"]].set_visible(False)
