"""Relevance against the fold change of expression: the genes of one group."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ...domain.page import AGAINST, FOR, INK, NEUTRAL
from ..errors import CohortError, choices, listed
from ..rankings.tables import check_ranking
from .label_column import label_points
from .style import axes_of, plain_axes, plain_names, shorter

RATE = 0.1
# Beyond it genes are drawn at the edge: a gene that one side doesn't express at all has a fold change of any size.
MOST_FOLD_CHANGE = 10.0
KINDS = {
    "for": ("evidence for the group", FOR),
    "lower": ("lower in the group, yet evidence for it", AGAINST),
    "against": ("evidence against the group, or none", NEUTRAL),
}


@plain_names
def volcano(
    table: pd.DataFrame,
    group: str,
    *,
    cohort: str | None = None,
    rate: float = RATE,
    n_labels: int = 12,
    most_fold_change: float = MOST_FOLD_CHANGE,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean relevance of each gene against its log2 fold change of expression, for one group.

    Parameters
    ----------
    table
        Ranked genes, from `lrp_domains.genes.rank`.
    group
        The group.
    cohort
        The cohort, if the table has several.
    rate
        Genes of this false discovery rate are ringed, where the table has a ``q_value``.
    n_labels
        Number of top genes to name.
    most_fold_change
        Genes of larger fold changes, also infinite ones, are drawn as triangles at the edge.
    ax
        The axes to draw on; a new figure if None.

    Returns
    -------
    The axes: one point per gene whose fold change is known. A gene whose absence is evidence for the group (`rank`,
    column ``evidence``) is blue.

    Examples
    --------
    >>> volcano(table, "CD19+ B", n_labels=20)
    """
    if not 0 < rate < 1:
        raise CohortError(f"rate={rate} should be between 0 and 1, such as 0.1")
    if most_fold_change <= 0:
        raise CohortError(f"most_fold_change={most_fold_change} should be above 0")
    rows = genes_of_group(table, group, cohort)
    if "log2_fold_change" not in rows:
        raise CohortError("the table of ranked genes has no column 'log2_fold_change'")
    rows = rows[rows["log2_fold_change"].notna()]
    fold_change = rows["log2_fold_change"].clip(-most_fold_change, most_fold_change).to_numpy(dtype=float)
    points = np.column_stack([fold_change, rows["score"].to_numpy(dtype=float)])
    kinds = kinds_of(rows)
    beyond = rows["log2_fold_change"].abs().to_numpy() > most_fold_change

    axes = axes_of(ax, 5.6, 4.2)
    for kind in ("against", "lower", "for"):  # evidence for the group on top
        words, colour = KINDS[kind]
        style = {"color": colour, "s": 9, "linewidths": 0, "alpha": 0.35 if kind == "against" else 0.7}
        of_kind = (kinds == kind).to_numpy()
        if kind == "lower" and not of_kind.any():  # with log-normalised counts only expressed genes have relevance
            continue
        axes.scatter(*points[of_kind & ~beyond].T, label=f"{words} ({of_kind.sum():,})", **style)
        for marker, side in (("<", fold_change < 0), (">", fold_change > 0)):
            if (at_edge := of_kind & beyond & side).any():
                axes.scatter(*points[at_edge].T, **style | {"marker": marker, "s": 16})

    if (significant := discoveries(rows, rate)) is not None:
        ring = {"s": 26, "facecolors": "none", "edgecolors": INK, "linewidths": 0.8}
        axes.scatter(*points[significant].T, label=f"q ≤ {rate:g} ({significant.sum():,})", **ring)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.set_xlabel("log2 fold change of expression, group against the rest")
    axes.set_ylabel("mean relevance")
    axes.set_title(shorter(group, 40))
    plain_axes(axes)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize="small", markerscale=2
    )
    label_points(axes, points[:n_labels], list(rows["gene"].head(n_labels)))
    return axes


def genes_of_group(table: pd.DataFrame, group: str, cohort: str | None = None) -> pd.DataFrame:
    """Return the ranked genes of a group in one cohort, best first."""
    table = check_ranking(table)
    if cohort is not None:
        if cohort not in set(table["cohort"]):
            raise CohortError(f"the table has no cohort '{cohort}'; {choices(cohort, table['cohort'].unique())}")
        table = table[table["cohort"] == cohort]
    rows = table[table["group"] == group]
    if rows.empty:
        raise CohortError(f"the table has no group '{group}'; {choices(group, table['group'].unique())}")
    if (names := rows["cohort"].unique()).size > 1:
        raise CohortError(f"the table has several cohorts with the group '{group}': {listed(names)}; name one: cohort=")
    return rows.sort_values("rank", kind="stable")


def kinds_of(rows: pd.DataFrame) -> pd.Series:
    """Return for each gene whether it is evidence ``for`` the group, ``lower`` in it and yet for it, or ``against``."""
    if "evidence" in rows:
        lower = rows["evidence"] == "absence"
    else:
        lower = rows["direction" if "direction" in rows else "log2_fold_change"] < 0
    kinds = np.select([rows["score"] <= 0, lower], ["against", "lower"], default="for")
    return pd.Series(kinds, index=rows.index)


def discoveries(rows: pd.DataFrame, rate: float) -> np.ndarray | None:
    """Return which genes have a q-value up to a rate; None if no gene was tested."""
    if "q_value" not in rows or rows["q_value"].isna().all():
        return None
    return (rows["q_value"] <= rate).to_numpy()
