"""Deletion and insertion curves."""

import pandas as pd
from matplotlib.axes import Axes

from ...domain.page import FOR, NEUTRAL
from ..errors import CohortError, choices
from ..explanation.curves.tables import measured_in
from .style import axes_of, plain_axes, plain_names

ORDERS = {
    "relevance": ("relevance", {"color": FOR, "linewidth": 2.2}),
    "differential": ("differential expression", {"color": "#332288", "linewidth": 1.6, "linestyle": (0, (5, 2))}),
    "random": ("random", {"color": NEUTRAL, "linewidth": 1.6, "linestyle": (0, (1, 1.5))}),
}
TITLES = {"deletion": "without the top genes", "insertion": "with only the top genes"}
COUNTS = (0, 1, 3, 10, 30, 100, 300, 1000, 3000)


@plain_names
def perturbation(curves: pd.DataFrame, curve: str = "deletion", *, ax: Axes | None = None) -> Axes:
    """Draw a deletion or insertion curve: the mean over groups, thick, and each group's by relevance, thin.

    Parameters
    ----------
    curves
        From `lrp_domains.genes.curves`.
    curve
        ``"deletion"``: the top genes are removed; ``"insertion"``: all others are.
    ax
        The axes to draw on; a new figure if None.

    Examples
    --------
    >>> perturbation(curves(adata, model, table), "insertion")
    """
    if curve not in TITLES:
        raise CohortError(f"the curve '{curve}' is unknown; {choices(curve, TITLES)}")
    measured = measured_in(curves)
    axes = axes_of(ax, 4.8, 3.5)
    part = curves[curves["curve"] == curve]
    for order, (name, style) in ORDERS.items():
        rows = part[part["order"] == order]
        if rows.empty:
            continue
        if order == "relevance" and rows["group"].nunique() > 1:
            for _, group in rows.groupby("group"):
                axes.plot(group["genes"], group[measured], color=style["color"], linewidth=0.7, alpha=0.3)
        mean = rows.groupby("genes")[measured].mean()
        axes.plot(mean.index, mean, label=name, **style)

    axes.set_xscale("symlog", linthresh=1)
    shown = [count for count in COUNTS if count <= part["genes"].max()]
    axes.set_xticks(shown, [str(count) for count in shown])
    axes.minorticks_off()
    axes.set_ylim(bottom=0, top=1.02 if measured == "probability" else None)
    axes.set_title(TITLES[curve])
    axes.set_xlabel("number of genes")
    axes.set_ylabel("probability of the group's class" if measured == "probability" else "change of the output")
    plain_axes(axes)
    axes.legend(frameon=False)
    return axes
