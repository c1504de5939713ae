"""Single cells: their embedding, the relevance of genes in them, and how their scores arise."""

from typing import Any

import numpy as np
import pandas as pd

from ...domain.page import Drawing
from .. import slots
from ..explanation.results_in_adata import shown_genes
from . import figures_of_cells
from .figures_of_cells import ExplainedCell
from .results import CohortResults, explained_scores

# More panels than this are hard to read in one figure.
MAPS = 6
WATERFALLS = 3


def maps(results: CohortResults) -> dict[str, Any] | None:
    """Draw the embedding by group, and by the top gene of the largest groups, in the order of groups."""
    key = next((name for name in slots.EMBEDDINGS if name in results.adata.obsm), None)
    if key is None:
        return None
    rows = results.drawn
    positions = np.asarray(results.adata.obsm[key])[rows][:, :2]
    if positions.shape[1] < 2:
        return None
    group_of: dict[str, str] = {}  # a gene that is the top gene of several groups is drawn once
    for group in largest(results, MAPS):
        group_of.setdefault(str(results.genes_of(group)["gene"].iloc[0]), group)
    genes = sorted(group_of, key=lambda gene: results.groups.index(group_of[gene]))
    relevance = results.relevance_of(rows, genes)
    titles = [f"{gene}\n(top gene of {group_of[gene]})" for gene in genes]
    return {
        "key": key,
        "drawn": len(rows),
        "groups": figures_of_cells.group_map(positions, results.labels.iloc[rows]),
        "genes": None if relevance is None else figures_of_cells.relevance_maps(positions, relevance, titles),
    }


def waterfalls(results: CohortResults) -> Drawing | None:
    """Draw how a typical score arises in the largest groups: that of the cell of median score."""
    obs, cells = results.adata.obs, []
    for group in largest(results, WATERFALLS):
        row = typical_cell(results, group)
        if row is None:
            continue
        relevance = results.relevance_of(np.array([row]))
        if relevance is None:
            return None
        cells.append(
            ExplainedCell(
                name=str(obs.index[row]),
                group=group,
                relevance=pd.Series(relevance[0].astype(float), index=shown_genes(results.adata)),
                rest=float(obs[slots.REST].iloc[row]),
                score=float(explained_scores(obs)[row]),
                of="difference" if results.reference else "score",
            )
        )
    return figures_of_cells.waterfalls(cells) if cells else None


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
