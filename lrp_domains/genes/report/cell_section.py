"""Single cells: their embedding, the relevance of genes in them, and how their scores arise."""

from functools import partial
from typing import Any

import numpy as np

from ...domain.page import Drawing
from .. import slots
from ..errors import CohortError
from ..figures.embedding import basis_of, gene_map, group_map, size_of_group_map
from ..figures.style import shorter
from ..figures.waterfall import cell_waterfall
from .pictures import MANY, picture, pictures
from .results import CohortResults

# More panels than this are hard to read in one figure.
MAPS = 6
WATERFALLS = 3
PANELS_A_ROW = 3


def maps(results: CohortResults) -> dict[str, Any] | None:
    """Draw the embedding by group, and by the top gene of the largest groups, in the order of groups."""
    try:
        key = basis_of(results.adata)
    except CohortError:
        return None
    group_of: dict[str, str] = {}  # a gene that is the top gene of several groups is drawn once
    for group in largest(results, MAPS):
        group_of.setdefault(str(results.genes_of(group)["gene"].iloc[0]), group)
    genes = sorted(group_of, key=lambda gene: results.groups.index(group_of[gene]))

    rows = results.drawn
    positions = np.asarray(results.adata.obsm[key])[rows][:, :2]
    relevance = results.relevance_of(rows, genes)  # of all at once, because a layer on disk is read as a whole
    by_gene = None
    if relevance is not None:
        titles = [f"{shorter(gene)}\n(top gene of {shorter(group_of[gene])})" for gene in genes]
        draws = [
            partial(gene_map, positions, numbers, values="relevance", title=title)
            for numbers, title in zip(relevance.T, titles, strict=True)
        ]
        by_gene = pictures(draws, columns=PANELS_A_ROW, width=3.7, height=3.2, colours=MANY)

    size = size_of_group_map(len(results.labels.cat.categories))
    groups = picture(lambda axes: group_map(results.adata, ax=axes), *size, colours=MANY)
    return {"key": key, "drawn": len(rows), "groups": groups, "genes": by_gene}


def waterfalls(results: CohortResults) -> Drawing | None:
    """Draw how a typical score arises in the largest groups: that of the cell of median score."""
    if not results.has_layer:
        return None
    rows = [typical_cell(results, group) for group in largest(results, WATERFALLS)]
    draws = [lambda axes, row=row: cell_waterfall(results.adata, row, ax=axes) for row in rows if row is not None]
    return pictures(draws, columns=PANELS_A_ROW, width=3.75, height=4.1) if draws else None


def typical_cell(results: CohortResults, group: str) -> int | None:
    """Return the row of the cell of median score, among a group's cells that were explained for it."""
    obs = results.adata.obs
    rows = np.flatnonzero((results.labels == group).to_numpy())
    if slots.TARGET in obs and group in set(obs[slots.TARGET].astype(str)):
        rows = rows[(obs[slots.TARGET].astype(str) == group).to_numpy()[rows]]
    if not len(rows):
        return None
    score = obs[slots.SCORE].to_numpy()[rows]
    return int(rows[np.argsort(score, kind="stable")[len(rows) // 2]])


def largest(results: CohortResults, number: int) -> list[str]:
    """Return the groups with most cells, in the order of groups."""
    sizes = results.labels.value_counts()
    chosen = sorted(results.groups, key=lambda group: -sizes[group])[:number]
    return sorted(chosen, key=results.groups.index)
