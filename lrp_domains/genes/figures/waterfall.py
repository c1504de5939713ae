"""How the score of one cell arises: from its biases, gene by gene, to the score."""

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ...domain.page import AGAINST, FOR, INK, NEUTRAL
from .. import slots
from ..errors import CohortError, choices
from ..explanation.runs.results_in_adata import provenance_of, reference_in
from .selected_values import values_of
from .style import axes_of, plain_axes, plain_names, shorter

HEIGHT = 0.68
TOLERANCE = 1e-4  # of the sum of magnitudes: relevance is stored in single precision


@plain_names
def cell_waterfall(adata: AnnData, cell: str | int, *, n_genes: int = 10, ax: Axes | None = None) -> Axes:
    """Draw how the score of one cell arises: biases, its top genes, all other genes, and their sum, the score.

    Parameters
    ----------
    adata
        An explained cohort with the relevance of each cell; of a layer on disk only the cell's rows are read.
    cell
        The cell's name, or its row.
    n_genes
        Number of genes of largest relevance, for or against, that get a bar of their own.
    ax
        The axes to draw on; a new figure if None.

    Returns
    -------
    The axes: one bar per part, each from where the one above ends, and a grey one from 0 to ``lrp_score``. Of a cell
    that was explained against a reference, the first part is the score of the reference.

    Examples
    --------
    >>> cell_waterfall(adata, "AAACATACAACCAC-1").figure.savefig("cell.pdf")
    """
    if n_genes < 1:
        raise CohortError(f"n_genes={n_genes} should be a whole number from 1 on")
    row = _row(adata, cell)
    parts = parts_of_score(adata, row, n_genes)
    score = float(adata.obs[slots.SCORE].iloc[row])

    axes = axes_of(ax, 4.4, 1.6 + 0.25 * len(parts))
    start = 0.0
    for number, (_, value) in enumerate(parts):
        axes.barh(number, value, left=start, color=FOR if value >= 0 else AGAINST, height=HEIGHT)
        start += value
        axes.plot([start] * 2, [number - HEIGHT / 2, number + 1 + HEIGHT / 2], color=INK, linewidth=0.6)
    axes.barh(len(parts), score, color=NEUTRAL, height=HEIGHT)

    names = [*(shorter(name, 18) for name, _ in parts), f"score {score:.2f}"]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.use_sticky_edges = False
    axes.margins(x=0.04)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_title(_title(adata, row))
    axes.set_xlabel("score")
    plain_axes(axes)
    return axes


def parts_of_score(adata: AnnData, row: int, n_genes: int) -> list[tuple[str, float]]:
    """Return the parts of a cell's score, by name: the reference, biases, the top genes, all others.

    Raises
    ------
    CohortError
        They don't sum to the score, as after genes were removed from the cohort.
    """
    values = values_of(adata, "relevance", np.array([row]))[0].astype(float)
    relevance = pd.Series(values, index=adata.var_names)
    largest = relevance.loc[relevance.abs().sort_values(ascending=False, kind="stable").index[:n_genes]]
    largest = largest[largest != 0].sort_values(ascending=False, kind="stable")
    others = relevance.drop(largest.index)

    obs = adata.obs.iloc[row]
    against = bool(reference_in(provenance_of(adata)))
    parts = [("reference", float(obs[slots.REFERENCE_SCORE]))] if against else []
    parts += [
        ("not accounted for" if against else "biases", float(obs[slots.REST])),
        *((gene, float(value)) for gene, value in largest.items()),
        (f"{int((others != 0).sum())} other genes", float(others.sum())),
    ]
    score, total = float(obs[slots.SCORE]), sum(value for _, value in parts)
    if abs(total - score) > TOLERANCE * (abs(score) + sum(abs(value) for _, value in parts)):
        raise CohortError(
            f"the relevance of cell '{adata.obs_names[row]}' and its '{slots.REST}' sum to {total:.4g}, not to its "
            f"'{slots.SCORE}' of {score:.4g}; were genes removed after the cohort was explained? explain it again"
        )
    return parts


def _row(adata: AnnData, cell: str | int) -> int:
    """Return the row of a cell."""
    provenance_of(adata)
    if isinstance(cell, int | np.integer):
        if not -adata.n_obs <= cell < adata.n_obs:
            raise CohortError(f"there is no row {cell} in the cohort, which has {adata.n_obs} cells")
        return int(cell) % adata.n_obs
    if cell not in adata.obs_names:
        raise CohortError(f"there is no cell '{cell}' in the cohort; {choices(str(cell), adata.obs_names)}")
    return int(adata.obs_names.get_loc(cell))


def _title(adata: AnnData, row: int) -> str:
    """Return the cell's name, and the class it was explained for, with its group if that is another."""
    obs, groupby = adata.obs, str(provenance_of(adata)["groupby"])
    group = str(obs[groupby].iloc[row]) if groupby in obs else ""
    target = str(obs[slots.TARGET].iloc[row]) if slots.TARGET in obs else ""
    line = group if target in ("", group) else f"{target} (labelled {group})" if group else target
    return f"{shorter(str(obs.index[row]))}\n{shorter(line, 40)}"
