"""Scanpy's plots of the top genes of each group: dots, a matrix, and a heat map of cells."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes

from ...domain.page import DIVERGING
from .. import slots
from ..cohorts.cells.labels import label_column
from ..errors import CohortError, choices
from .ranked_genes import RankedGenes, mean_relevance, ranked_genes_in
from .selected_values import MOST_CELLS, VALUES, columns_of, spaced_rows, values_of
from .style import plain_names, shorter

SEQUENTIAL = "Reds"
CELLS_OF_HEAT_MAP = 2000
Genes = Sequence[str] | Mapping[str, Sequence[str]]
Drawn = dict[str, list[str]] | list[str]


@plain_names
def dot_plot(
    adata: AnnData,
    genes: Genes | None = None,
    *,
    values: str = "relevance",
    n_genes: int = 4,
    groups: Sequence[str] | None = None,
    key: str = slots.RANKING,
    most_cells: int | None = MOST_CELLS,
    swap_axes: bool = False,
    ax: Axes | None = None,
    **settings: object,
) -> Axes:
    """Draw the top genes of each group as scanpy's dot plot, coloured by mean relevance or expression.

    Parameters
    ----------
    adata
        A ranked cohort; its matrices may be on disk, of which only the drawn genes and cells are read.
    genes
        The genes to draw, or by group; the top genes of each group if None.
    values
        What the colours are: ``"relevance"``, the mean that genes are ranked by, or ``"expression"``, its mean over the
        group. The size of a dot is the share of the group's cells that express the gene.
    n_genes
        Number of top genes per group; a top gene of several groups is drawn with the first of them.
    groups
        The groups to draw, in this order; all ranked groups if None.
    key
        The key of ``uns`` with the ranking.
    most_cells
        Number of cells, evenly spaced, over which expression is counted; None for all.
    swap_axes
        Draw genes as rows.
    ax
        The axes to draw on; a new figure if None.
    **settings
        For ``scanpy.pl.DotPlot``, such as ``vmax``, ``title`` and ``figsize``; and ``cmap``.

    Returns
    -------
    The axes with the dots; the legends are other axes of the same figure.

    Examples
    --------
    >>> dot_plot(adata, n_genes=3).figure.savefig("dots.pdf", bbox_inches="tight")
    """
    ranked, drawn = _genes_to_draw(adata, genes, values=values, n_genes=n_genes, groups=groups, key=key)
    means = mean_relevance(adata, ranked, flat(drawn)) if values == "relevance" else None
    cells = selection(adata, ranked, flat(drawn), values="expression", most_cells=most_cells)
    return draw_dots(cells, ranked, drawn, means=means, swap_axes=swap_axes, ax=ax, **settings)


@plain_names
def matrix_plot(
    adata: AnnData,
    genes: Genes | None = None,
    *,
    values: str = "relevance",
    n_genes: int = 4,
    groups: Sequence[str] | None = None,
    key: str = slots.RANKING,
    most_cells: int | None = MOST_CELLS,
    swap_axes: bool = False,
    ax: Axes | None = None,
    **settings: object,
) -> Axes:
    """Draw the top genes of each group as scanpy's matrix plot, coloured by mean relevance or expression.

    With relevance, no matrix of the cohort is read.

    Parameters
    ----------
    adata, genes, values, n_genes, groups, key, most_cells, swap_axes, ax
        As in `dot_plot`.
    **settings
        For ``scanpy.pl.MatrixPlot``, such as ``vmax``, ``title`` and ``figsize``; and ``cmap``.

    Returns
    -------
    The axes with the matrix; the scale of colours is another axes of the same figure.

    Examples
    --------
    >>> matrix_plot(adata, groups=["CD19+ B", "CD56+ NK"], n_genes=10, swap_axes=True)
    """
    ranked, drawn = _genes_to_draw(adata, genes, values=values, n_genes=n_genes, groups=groups, key=key)
    if values == "relevance":
        means = mean_relevance(adata, ranked, flat(drawn))
    else:
        cells = selection(adata, ranked, flat(drawn), values=values, most_cells=most_cells)
        means = cells.to_df().groupby(cells.obs[ranked.groupby], observed=False).mean()
    return draw_matrix(ranked, drawn, means, values=values, swap_axes=swap_axes, ax=ax, **settings)


@plain_names
def heat_map(
    adata: AnnData,
    genes: Genes | None = None,
    *,
    values: str = "relevance",
    n_genes: int = 4,
    groups: Sequence[str] | None = None,
    key: str = slots.RANKING,
    most_cells: int | None = CELLS_OF_HEAT_MAP,
    **settings: object,
) -> Axes:
    """Draw the top genes of each group in single cells as scanpy's heat map, coloured by relevance or expression.

    Scanpy draws a heat map on a new figure only.

    Parameters
    ----------
    adata, genes, values, n_genes, groups, key
        As in `dot_plot`; the relevance of each cell is required, unless expression is drawn.
    most_cells
        Number of cells to draw, evenly spaced; None for all.
    **settings
        For ``scanpy.pl.heatmap``, such as ``swap_axes``, ``cmap`` and ``figsize``.

    Returns
    -------
    The axes with the map; groups and the scale of colours are other axes of the same figure.

    Examples
    --------
    >>> heat_map(adata, values="expression", n_genes=3)
    """
    ranked, drawn = _genes_to_draw(adata, genes, values=values, n_genes=n_genes, groups=groups, key=key)
    cells = selection(adata, ranked, flat(drawn), values=values, most_cells=most_cells)
    scale = {"cmap": SEQUENTIAL}
    if values == "relevance":
        limit = float(np.percentile(np.abs(cells.X), 99)) or float(np.abs(cells.X).max()) or 1.0
        scale = {"cmap": DIVERGING, "vmin": -limit, "vmax": limit}

    import scanpy  # takes seconds to import

    names = short_names(ranked.groups)
    cells.obs[ranked.groupby] = cells.obs[ranked.groupby].cat.rename_categories(names)
    drawn = _renamed(drawn, names)
    defaults = {"show_gene_labels": True} | scale
    return scanpy.pl.heatmap(cells, drawn, ranked.groupby, show=False, **defaults | settings)["heatmap_ax"]


def draw_dots(
    cells: AnnData,
    ranked: RankedGenes,
    drawn: Drawn,
    *,
    means: pd.DataFrame | None,
    swap_axes: bool,
    ax: Axes | None,
    **settings: object,
) -> Axes:
    """Draw dots coloured by mean relevance, or by the expression in `cells` if that is None."""
    import scanpy  # takes seconds to import

    names = short_names(ranked.groups)
    cells.obs[ranked.groupby] = cells.obs[ranked.groupby].cat.rename_categories(names)
    colours = None if means is None else means.rename(index=names)
    drawn = flat(drawn) if swap_axes else _renamed(drawn, names)
    style, settings = _style(means, settings)
    plot = scanpy.pl.DotPlot(cells, drawn, ranked.groupby, dot_color_df=colours, ax=ax, **settings)
    title = "mean relevance" if means is not None else "mean expression"
    plot.style(cmap=style).legend(colorbar_title=title, size_title="cells that express\nthe gene (%)")
    return _finished(plot, swap_axes)


def draw_matrix(
    ranked: RankedGenes,
    drawn: Drawn,
    means: pd.DataFrame,
    *,
    values: str = "relevance",
    swap_axes: bool,
    ax: Axes | None,
    **settings: object,
) -> Axes:
    """Draw means, groups x genes, as a matrix."""
    import scanpy  # takes seconds to import

    names = short_names(ranked.groups)
    groups = pd.Categorical(names.values(), categories=names.values())
    drawn = flat(drawn) if swap_axes else _renamed(drawn, names)
    one_each = AnnData(
        means.to_numpy(dtype=np.float32),
        obs=pd.DataFrame({ranked.groupby: groups}, index=ranked.groups),
        var=pd.DataFrame(index=means.columns),
    )
    style, settings = _style(means if values == "relevance" else None, settings)
    plot = scanpy.pl.MatrixPlot(one_each, drawn, ranked.groupby, ax=ax, **settings)
    plot.style(cmap=style, edge_lw=0).legend(title=f"mean {values}")
    return _finished(plot, swap_axes)


def selection(adata: AnnData, ranked: RankedGenes, genes: list[str], *, values: str, most_cells: int | None) -> AnnData:
    """Return the drawn genes in cells of the drawn groups, in memory, where scanpy's plots may write what they like."""
    labels = label_column(adata, ranked.groupby)
    of_groups = np.flatnonzero(labels.isin(ranked.groups).to_numpy())
    rows = of_groups[spaced_rows(len(of_groups), most_cells)]
    names = pd.Categorical(labels.iloc[rows].astype(str), categories=ranked.groups)
    cells = AnnData(
        values_of(adata, values, rows, genes=genes).astype(np.float32),
        obs=pd.DataFrame({ranked.groupby: names}, index=adata.obs_names[rows]),
        var=pd.DataFrame(index=genes),
    )
    colours = adata.uns.get(f"{ranked.groupby}_colors")  # those that scanpy gave the groups before
    if colours is not None and len(colours) == len(labels.cat.categories):
        of_group = dict(zip(labels.cat.categories, colours, strict=True))
        cells.uns[f"{ranked.groupby}_colors"] = [of_group[group] for group in ranked.groups]
    return cells


def flat(drawn: Drawn) -> list[str]:
    """Return every gene once, in order."""
    genes = [gene for part in drawn.values() for gene in part] if isinstance(drawn, dict) else drawn
    return list(dict.fromkeys(genes))


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return short forms of names, which stay distinct."""
    short = {name: shorter(name) for name in names}
    return short if len(set(short.values())) == len(short) else dict(zip(names, names, strict=True))


def _renamed(drawn: Drawn, names: dict[str, str]) -> Drawn:
    """Return the genes to draw by the short names of groups; brackets name the groups."""
    return {names.get(name, name): genes for name, genes in drawn.items()} if isinstance(drawn, dict) else drawn


def _genes_to_draw(
    adata: AnnData, genes: Genes | None, *, values: str, n_genes: int, groups: Sequence[str] | None, key: str
) -> tuple[RankedGenes, Drawn]:
    """Return the ranking, and the genes to draw, by group where they are of groups."""
    if values not in VALUES:
        raise CohortError(f"values='{values}' is unknown; {choices(values, VALUES)}")
    ranked = ranked_genes_in(adata, key, groups)
    if genes is None:
        return ranked, ranked.top(n_genes)
    drawn = {name: list(part) for name, part in genes.items()} if isinstance(genes, Mapping) else list(genes)
    if not flat(drawn):
        raise CohortError("genes is empty; name the genes to draw, or leave it out for the top genes of each group")
    columns_of(adata, flat(drawn))
    return ranked, drawn


def _style(means: pd.DataFrame | None, settings: dict[str, object]) -> tuple[str, dict[str, object]]:
    """Return the colours, and the settings with their range: centred at 0 for relevance."""
    settings = dict(settings)
    if means is None:
        return str(settings.pop("cmap", SEQUENTIAL)), settings
    limit = float(np.nanmax(np.abs(means.to_numpy()))) or 1.0
    return str(settings.pop("cmap", DIVERGING)), {"vmin": -limit, "vmax": limit} | settings


def _finished(plot, swap_axes: bool) -> Axes:
    """Draw a plot of scanpy."""
    if swap_axes:
        plot.swap_axes()
    plot.make_figure()
    axes = plot.get_axes()
    if (scale := axes.get("color_legend_ax")) is not None:
        scale.xaxis.set_major_formatter("{x:g}")  # 0 rather than 0.00, so that numbers don't touch
    return axes["mainplot_ax"]
