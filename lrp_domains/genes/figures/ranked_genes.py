"""The groups and the order of genes that a ranking left in ``uns``, and the mean relevance of genes in groups."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from anndata import AnnData

from .. import slots
from ..cohorts.cells.labels import label_column
from ..errors import CohortError, choices
from ..explanation.runs.results_in_adata import provenance_of
from .selected_values import columns_of, values_of


@dataclass(frozen=True)
class RankedGenes:
    """The genes of each group, best first, and the column of ``obs`` with the groups."""

    groupby: str
    genes: dict[str, list[str]] = field(repr=False)

    @property
    def groups(self) -> list[str]:
        """The groups, in their order."""
        return list(self.genes)

    def top(self, number: int) -> dict[str, list[str]]:
        """Return the top genes of each group; a top gene of several groups is listed in the first of them."""
        if number < 1:
            raise CohortError(f"n_genes={number} should be a whole number from 1 on")
        seen: set[str] = set()
        tops = {}
        for group, genes in self.genes.items():
            tops[group] = [gene for gene in genes[:number] if gene not in seen]
            seen.update(tops[group])
        return {group: genes for group, genes in tops.items() if genes}


def ranked_genes_in(adata: AnnData, key: str = slots.RANKING, groups: Sequence[str] | None = None) -> RankedGenes:
    """Read the ranking of a cohort, of all groups or of some."""
    provenance_of(adata)
    if key not in adata.uns:
        raise CohortError(f"uns has no '{key}'; run rank(adata) first")
    names = adata.uns[key]["names"]
    ranked = list(names.dtype.names)
    groups = ranked if groups is None else [str(group) for group in groups]
    if unranked := [group for group in groups if group not in ranked]:
        raise CohortError(f"the group '{unranked[0]}' has no ranking; {choices(unranked[0], ranked)}")
    genes = {
        group: [str(gene) for gene in names[group] if pd.notna(gene) and gene != "nan"]  # as scanpy's filter leaves
        for group in groups
    }
    return RankedGenes(str(adata.uns[key]["params"]["groupby"]), genes)


def mean_relevance(adata: AnnData, ranked: RankedGenes, genes: Sequence[str]) -> pd.DataFrame:
    """Return the mean relevance of genes over the counted cells of each group, groups x genes, as a ranking scores it.

    It is computed from the sums over groups that the explanation left, or from the relevance of each cell if the groups
    are of another column.
    """
    provenance = provenance_of(adata)
    sums = adata.uns.get(slots.GROUPS, {})
    if ranked.groupby == provenance["groupby"] and {"groups", "genes", "sums", "counted"} <= set(sums):
        columns_of(adata, genes)  # for its message
        columns = pd.Index(np.asarray(sums["genes"]).astype(str)).get_indexer(list(genes))
        if (columns < 0).any():
            gene = list(genes)[int((columns < 0).argmax())]
            raise CohortError(f"the model doesn't read gene '{gene}'; draw it with values='expression'")
        with np.errstate(invalid="ignore"):  # a group without a counted cell has no ranking
            means = sums["sums"][:, :, columns].sum(0) / sums["counted"].sum(0)[:, None]
        table = pd.DataFrame(means, index=np.asarray(sums["groups"]).astype(str), columns=list(genes))
        return table.loc[ranked.groups]

    labels = label_column(adata, ranked.groupby)
    rows = np.arange(adata.n_obs)
    if provenance["own_group"] and ranked.groupby == provenance["labels"]:
        rows = np.flatnonzero((adata.obs[slots.TARGET].astype(str) == labels.astype(str)).to_numpy())
    values = pd.DataFrame(values_of(adata, "relevance", rows, genes=genes), columns=list(genes))
    return values.groupby(labels.iloc[rows].astype(str).to_numpy()).mean().loc[ranked.groups]
