"""The agreement of the rankings of every two cohorts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ...domain.page import DIVERGING
from ..errors import CohortError, choices
from .style import add_scale, axes_of, name_axes, plain_names

MEASURES = {
    "spearman": ("relevance", "Spearman's correlation"),
    "rbo": ("relevance", "rank-biased overlap"),
    "jaccard": ("relevance", "Jaccard index"),
}
LABELLED = 30  # cohorts; of more, numbers and names would be illegible
MEASURES |= {f"de_{name}": ("differential expression", words) for name, (_, words) in MEASURES.items()}


@plain_names
def agreement_matrix(
    agreement: pd.DataFrame,
    measure: str = "spearman",
    *,
    cohorts: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how far the rankings of every two cohorts agree, mean over the groups that both have.

    Of more than 30 cohorts only the colours are drawn.

    Parameters
    ----------
    agreement
        From `lrp_domains.genes.agreement`.
    measure
        One of its columns: ``"spearman"``, ``"rbo"``, ``"jaccard"``, or that of differential expression, such as
        ``"de_spearman"``.
    cohorts
        The order of cohorts; those of the table that it doesn't name are last.
    ax
        The axes to draw on; a new figure if None.

    Examples
    --------
    >>> agreement_matrix(agreement(table), "rbo")
    """
    if measure not in MEASURES or measure not in agreement:
        raise CohortError(
            f"there is no measure '{measure}'; {choices(measure, [n for n in MEASURES if n in agreement])}"
        )
    names = cohorts_of(agreement, cohorts)
    values = np.full((len(names), len(names)), np.nan)  # grey for two cohorts without a common group
    np.fill_diagonal(values, 1)
    row_of = {name: row for row, name in enumerate(names)}
    for (a, b), mean in agreement.groupby(["cohort_a", "cohort_b"])[measure].mean().items():
        i, j = row_of[a], row_of[b]
        values[i, j] = values[j, i] = mean

    size = size_of_agreement(len(names))
    axes = axes_of(ax, size + 0.5, size)
    axes.set_facecolor("#dddddd")
    image = axes.imshow(values, cmap=DIVERGING, vmin=-1, vmax=1)
    if len(names) <= LABELLED:
        _write_numbers(axes, values)
        name_axes(axes, rows=names, columns=names)
    else:
        axes.set(xticks=[], yticks=[], xlabel=f"{len(names)} cohorts")
    title, words = MEASURES[measure]
    axes.set_title(title)
    add_scale(axes, image, words)
    return axes


def _write_numbers(axes: Axes, values: np.ndarray) -> None:
    for i, j in np.ndindex(values.shape):
        if i != j and np.isfinite(values[i, j]):
            colour = "white" if abs(values[i, j]) > 0.6 else "black"
            axes.text(j, i, f"{values[i, j]:.2f}", ha="center", va="center", color=colour)


def cohorts_of(agreement: pd.DataFrame, order: Sequence[str] | None) -> list[str]:
    """Return the compared cohorts, in this order."""
    compared = list(dict.fromkeys([*agreement["cohort_a"], *agreement["cohort_b"]]))
    position = {name: number for number, name in enumerate(order or ())}
    return sorted(compared, key=lambda name: position.get(name, len(position)))


def size_of_agreement(cohorts: int) -> float:
    """Return the height in inches at which names are legible."""
    return 1.9 + 0.55 * cohorts if cohorts <= LABELLED else 6.0
