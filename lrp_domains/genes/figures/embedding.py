"""Cells in their embedding: by the relevance or expression of a gene, and by group."""

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from ...domain.page import DIVERGING
from .. import slots
from ..cohorts.cells.labels import label_column
from ..errors import CohortError, listed
from ..explanation.runs.results_in_adata import provenance_of
from .selected_values import MOST_CELLS, layer_of, spaced_rows, values_of
from .style import COLOURS, add_scale, axes_of, plain_names, shorter

SEQUENTIAL = "viridis"
IN_A_COLUMN = 22


@plain_names
def embedding(
    adata: AnnData,
    gene: str,
    *,
    values: str = "relevance",
    basis: str | None = None,
    most_cells: int | None = MOST_CELLS,
    ax: Axes | None = None,
) -> Axes:
    """Draw cells in an embedding, coloured by the relevance or the expression of a gene.

    Parameters
    ----------
    adata
        An explained cohort with an embedding; its matrices may be on disk.
    gene
        The gene.
    values
        ``"relevance"`` for the score that was explained in each cell, on a scale centred at 0 that ends at the 99th
        percentile of its magnitude; or ``"expression"``, as the explained layer stores it.
    basis
        The embedding, such as ``"umap"`` or ``"X_umap"``; if None, the first of UMAP, t-SNE and PCA that is present.
    most_cells
        Number of cells to draw, evenly spaced; None for all.
    ax
        The axes to draw on; a new figure if None.

    Examples
    --------
    >>> _, (left, right) = plt.subplots(1, 2)
    >>> embedding(adata, "CD79A", ax=left), embedding(adata, "CD79A", values="expression", ax=right)
    """
    key = basis_of(adata, basis)
    layer_of(adata, values)
    rows = spaced_rows(adata.n_obs, most_cells)
    return gene_map(
        np.asarray(adata.obsm[key])[rows][:, :2],
        values_of(adata, values, rows, genes=[gene])[:, 0],
        axes_of(ax, 4.4, 3.6),
        values=values,
        title=shorter(gene),
    )


def gene_map(positions: np.ndarray, numbers: np.ndarray, ax: Axes, *, values: str, title: str) -> Axes:
    """Draw cells at their positions, coloured by a number of each; those of large numbers on top."""
    order = np.argsort(np.abs(numbers), kind="stable")
    if values == "relevance":
        limit = max(float(np.percentile(np.abs(numbers), 99)), 1e-12)
        scale = {"cmap": DIVERGING, "vmin": -limit, "vmax": limit, "edgecolors": "#999999", "linewidths": 0.15}
    else:
        scale = {"cmap": SEQUENTIAL, "linewidths": 0}
    points = ax.scatter(*positions[order].T, c=numbers[order], s=_size(len(numbers)), **scale)
    _plain_map(ax)
    ax.set_title(title)
    add_scale(ax, points, values)
    return ax


@plain_names
def group_map(
    adata: AnnData,
    *,
    groupby: str | None = None,
    basis: str | None = None,
    most_cells: int | None = MOST_CELLS,
    ax: Axes | None = None,
) -> Axes:
    """Draw cells in an embedding, coloured and numbered by group.

    Parameters
    ----------
    adata
        An explained cohort with an embedding.
    groupby
        The column of ``obs`` with the groups; the explained one if None.
    basis, most_cells, ax
        As in `embedding`.

    Examples
    --------
    >>> group_map(adata, basis="umap")
    """
    labels = label_column(adata, groupby or str(provenance_of(adata)["groupby"]))
    key = basis_of(adata, basis)
    rows = spaced_rows(adata.n_obs, most_cells)
    positions, labels = np.asarray(adata.obsm[key])[rows][:, :2], labels.iloc[rows]
    groups = list(labels.cat.categories)
    axes = axes_of(ax, *size_of_group_map(len(groups)))

    # In random order, so that the last group doesn't hide the others.
    order = np.random.default_rng(0).permutation(len(labels))
    colours = np.array(COLOURS)[labels.cat.codes.to_numpy() % len(COLOURS)]
    axes.scatter(*positions[order].T, s=_size(len(labels)), c=colours[order], linewidths=0)

    outline = [withStroke(linewidth=3, foreground="white")]
    for number, group in enumerate(groups):
        cells = positions[(labels == group).to_numpy()]
        colour = COLOURS[number % len(COLOURS)]
        axes.scatter([], [], color=colour, label=f"{number + 1}  {shorter(group)}", s=28)
        if len(cells):
            middle = np.median(cells, axis=0)
            style = {"ha": "center", "va": "center", "fontsize": 10, "fontweight": "bold", "path_effects": outline}
            axes.annotate(str(number + 1), middle, **style)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, ncols=-(-len(groups) // IN_A_COLUMN))
    _plain_map(axes)
    return axes


def size_of_group_map(groups: int) -> tuple[float, float]:
    """Return the width and height in inches that leave room for the names of groups."""
    return 6.2 + 2.2 * -(-groups // IN_A_COLUMN), 4.9


def basis_of(adata: AnnData, basis: str | None = None) -> str:
    """Return the key of an embedding of two or more dimensions; raise if there is none."""
    keys = slots.EMBEDDINGS if basis is None else (basis, f"X_{basis}")
    for key in keys:
        if key in adata.obsm and np.ndim(adata.obsm[key]) == 2 and adata.obsm[key].shape[1] >= 2:
            return key
    raise CohortError(
        f"the cohort has no embedding '{keys[0]}' of two dimensions; obsm has {listed(adata.obsm) or 'nothing'}; run "
        "sc.pp.neighbors and sc.tl.umap, or name another basis"
    )


def _size(cells: int) -> float:
    """Return the size of a point."""
    return float(np.clip(12_000 / cells, 1, 18))


def _plain_map(axes: Axes) -> None:
    """Hide ticks and spines."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
