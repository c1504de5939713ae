"""Which cohorts support the genes of a consensus, as an upset plot."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ...domain.page import FOR, INK, NEUTRAL
from ..errors import CohortError, choices
from .style import axes_of, plain_axes, plain_names, shorter

ROW, BARS = 0.24, 1.8  # heights in inches: of a cohort, and of the bars, which the axes need not have
PALE = "#d9dde3"


@plain_names
def consensus_upset(
    consensus: pd.DataFrame,
    group: str,
    *,
    cohorts: Sequence[str] | None = None,
    most: int = 20,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many genes are supported by which cohorts alone and together, for one group.

    A cohort supports a gene that is among its top genes, so genes of the last columns are shared by all cohorts.

    Parameters
    ----------
    consensus
        From `lrp_domains.genes.consensus`.
    group
        The group.
    cohorts
        The order of cohorts (rows), also of those that support no gene; those of the table if None.
    most
        Number of combinations of cohorts to draw: those of most genes.
    ax
        The axes to draw on; a new figure if None.

    Returns
    -------
    The axes with one bar per combination, from few cohorts to many. Below it, on axes of its own, the cohorts of each
    combination.

    Examples
    --------
    >>> consensus_upset(consensus(table), "CD19+ B")
    """
    combinations = combinations_of(consensus, group)
    if most < 1:
        raise CohortError(f"most={most} should be a whole number from 1 on")
    named = {name for names in combinations for name in names}
    order = [*(cohorts or ()), *sorted(named - set(cohorts or ()))]
    shown = sorted(combinations.most_common(most), key=lambda item: (len(item[0]), -item[1], item[0]))

    share = ROW * len(order) / BARS
    axes = axes_of(ax, 2.6 + 0.36 * len(shown), 1.0 + BARS * (1 + share))
    colours = [FOR if len(names) > 1 else NEUTRAL for names, _ in shown]
    bars = axes.bar(range(len(shown)), [count for _, count in shown], color=colours, width=0.62)
    axes.bar_label(bars, fontsize="small", padding=1)
    axes.set_xlim(-0.6, len(shown) - 0.4)
    axes.set_xticks([])
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_ylabel("genes")
    axes.set_title(shorter(group, 40))
    plain_axes(axes)
    _draw_members(axes, [names for names, _ in shown], order, combinations=combinations, share=share)
    return axes


def combinations_of(consensus: pd.DataFrame, group: str) -> Counter[tuple[str, ...]]:
    """Count the genes of a group by the cohorts that support them; genes without support don't count."""
    for column in ("group", "cohorts"):
        if column not in consensus:
            raise CohortError(f"the table of consensus has no column '{column}'; {choices(column, consensus.columns)}")
    rows = consensus[consensus["group"].astype(str) == group]
    if rows.empty:
        raise CohortError(f"the consensus has no group '{group}'; {choices(group, consensus['group'].unique())}")
    supporting = rows["cohorts"].where(rows["cohorts"].notna(), "").astype(str)
    combinations = Counter(tuple(sorted(names.split(", "))) for names in supporting if names)
    if not combinations:
        raise CohortError(f"no cohort supports a gene of '{group}'; aggregate more top genes: consensus(table, top=50)")
    return combinations


def _draw_members(
    axes: Axes, shown: list[tuple[str, ...]], order: list[str], *, combinations: Counter[tuple[str, ...]], share: float
) -> None:
    """Draw the cohorts of each combination below its bar: one row per cohort, with its number of supported genes."""
    members = axes.inset_axes([0, -share - 0.04, 1, share], sharex=axes)
    for row in range(0, len(order), 2):
        members.axhspan(row - 0.5, row + 0.5, color="#f3f5f8", linewidth=0, zorder=0)
    for x, names in enumerate(shown):
        rows = sorted(order.index(name) for name in names)
        members.scatter([x] * len(order), range(len(order)), s=26, color=PALE, linewidths=0, zorder=2)
        members.plot([x, x], [rows[0], rows[-1]], color=INK, linewidth=1.4, zorder=3)
        members.scatter([x] * len(rows), rows, s=26, color=INK, linewidths=0, zorder=4)

    totals = {name: sum(count for names, count in combinations.items() if name in names) for name in order}
    members.set_yticks(range(len(order)), [f"{shorter(name, 24)} ({totals[name]})" for name in order])
    members.set_ylim(len(order) - 0.5, -0.5)
    members.tick_params(length=0)
    members.spines[:].set_visible(False)
