"""Which genes carry a group: a ranked list per group, in the shape of scanpy's ``rank_genes_groups``."""

import warnings

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from . import slots
from .errors import CohortError, listed
from .expression import Matrix, expression
from .labels import label_column
from .score import LABELLED, PREDICTED

COLUMNS = ("names", "scores", "logfoldchanges", "pvals", "pvals_adj")


def rank_genes(adata: AnnData, *, groupby: str | None = None, wilcoxon: bool = True) -> None:
    """Rank genes by mean relevance within each group of cells.

    The score of a gene in a group is its mean relevance over the group's cells that were explained for this
    group: with the targets ``"predicted"`` and ``"labelled"`` those whose target is the group, so that a
    misclassified cell doesn't add genes that speak for another class; where all cells were explained for one
    named class, or `groupby` is not the column that was learnt, all cells of the group. Genes that speak
    against the group are last.

    Parameters
    ----------
    adata
        An explained cohort; it gets ``uns["rank_genes_lrp"]`` and ``uns["rank_genes_wilcoxon"]``.
    groupby
        The column of ``obs`` with the groups; the one that was learnt if not given.
    wilcoxon
        Add scanpy's Wilcoxon test of each group against the rest, on the same expression.

    Notes
    -----
    As in scanpy's own result, ``logfoldchanges`` is the log2 fold change of *expression* between a group and the rest,
    with log1p taken back. ``pvals`` and ``pvals_adj`` are NaN: cells of one donor are no independent samples, so a test
    over cells would be too sure.

    Examples
    --------
    >>> rank_genes(adata)
    >>> sc.get.rank_genes_groups_df(adata, group="CD19+ B", key="rank_genes_lrp").head()
    >>> sc.pl.rank_genes_groups_dotplot(adata, key="rank_genes_lrp")
    """
    provenance = provenance_of(adata)
    groupby = groupby or str(provenance["labels"])
    layer = str(provenance["layer"])
    labels = label_column(adata, groupby, least=2)
    matrix = expression(adata, layer)
    groups = list(labels.cat.categories)
    means = mean_relevance(adata, groupby)
    empty = [group for group in groups if np.isnan(means[group]).all()]
    if empty:
        warnings.warn(
            f"no cell of {', '.join(empty)} was explained for its own group (none was predicted right), so it has no "
            "ranking; target='labelled' ranks every group",
            stacklevel=2,
        )
    ranked = [group for group in groups if group not in empty]
    if not ranked:
        raise CohortError(f"no group of '{groupby}' has a cell that was explained for it; use target='labelled'")
    if wilcoxon and (alone := [group for group, size in labels.value_counts().items() if size < 2]):
        raise CohortError(f"a Wilcoxon test needs two cells per group; {listed(alone)} has one: use wilcoxon=False")
    adata.obs[groupby] = labels
    adata.uns.pop(slots.WILCOXON, None)
    adata.uns[slots.RANKING] = _records(means[ranked], _fold_changes(matrix, labels)[ranked]) | {
        "params": {
            "groupby": groupby,
            "reference": "rest",
            "method": "lrp",
            "use_raw": layer == "raw",
            "layer": layer if layer in adata.layers else None,
            "corr_method": "benjamini-hochberg",
        }
    }
    if wilcoxon:
        adata.uns[slots.WILCOXON] = _wilcoxon(adata, matrix, labels, adata.uns[slots.RANKING]["params"])


def mean_relevance(adata: AnnData, groupby: str | None = None) -> pd.DataFrame:
    """Give the mean relevance of each gene (rows) in each group (columns); NaN for a group without a counted cell."""
    provenance = provenance_of(adata)
    groupby = groupby or str(provenance["labels"])
    labels = label_column(adata, groupby)
    means = _group_means(adata.layers[slots.RELEVANCE], labels, counted_cells(adata, labels))
    return pd.DataFrame(means.T, index=adata.var_names, columns=list(labels.cat.categories))


def counted_cells(adata: AnnData, labels: pd.Series) -> np.ndarray:
    """Tell which cells count for their group: those that were explained for it, where that can differ."""
    provenance = provenance_of(adata)
    if provenance["target"] in (PREDICTED, LABELLED) and labels.name == provenance["labels"]:
        return (adata.obs[slots.TARGET].astype(str) == labels.astype(str)).to_numpy()
    return np.ones(adata.n_obs, bool)


def ranking_table(adata: AnnData) -> pd.DataFrame:
    """Give the ranking as one table: group, rank, gene, score, log2 fold change, rank in the Wilcoxon test."""
    import scanpy

    table = scanpy.get.rank_genes_groups_df(adata, group=None, key=slots.RANKING)
    if "group" not in table:  # scanpy leaves the column out where there is one group
        table.insert(0, "group", adata.uns[slots.RANKING]["names"].dtype.names[0])
    table.insert(1, "rank", table.groupby("group", observed=True).cumcount() + 1)
    table = table.rename(columns={"names": "gene", "scores": "mean_relevance", "logfoldchanges": "log2_fold_change"})
    table = table.drop(columns=["pvals", "pvals_adj"])
    if slots.WILCOXON not in adata.uns:
        return table
    other = adata.uns[slots.WILCOXON]["names"]
    ranks = {(group, gene): rank for group in other.dtype.names for rank, gene in enumerate(other[group], 1)}
    return table.assign(wilcoxon_rank=[ranks[pair] for pair in zip(table["group"], table["gene"], strict=True)])


def provenance_of(adata: AnnData) -> dict[str, object]:
    """Give what is known of the explanation in a cohort, or say that there is none."""
    if slots.PROVENANCE not in adata.uns or slots.RELEVANCE not in adata.layers:
        raise CohortError("the cohort holds no relevance; explain it first: explain(adata, classifiers)")
    return adata.uns[slots.PROVENANCE]


def _group_means(matrix: Matrix, labels: pd.Series, counted: np.ndarray) -> np.ndarray:
    """Give means over the counted cells of each group, groups x genes, without a second matrix of cells x genes."""
    rows = np.flatnonzero(counted)
    codes = labels.cat.codes.to_numpy()[rows]
    shape = (len(labels.cat.categories), len(labels))
    members = sparse.csr_matrix((np.ones(len(rows)), (codes, rows)), shape=shape)
    sums = members @ matrix
    sums = sums.toarray() if sparse.issparse(sums) else np.asarray(sums)
    sizes = np.bincount(codes, minlength=shape[0])[:, None]
    return np.divide(sums, sizes, out=np.full(sums.shape, np.nan), where=sizes > 0)


def _fold_changes(matrix: Matrix, labels: pd.Series) -> pd.DataFrame:
    """Give scanpy's log2 fold change of expression: of the means, with log1p taken back."""
    sizes = labels.value_counts(sort=False).to_numpy()[:, None]
    own = _group_means(matrix, labels, np.ones(len(labels), bool))
    rest = ((own * sizes).sum(0) - own * sizes) / (sizes.sum() - sizes)
    with np.errstate(invalid="ignore", divide="ignore"):  # a mean below zero, of centred data, has no fold change
        changes = np.log2((np.expm1(own) + 1e-9) / (np.expm1(rest) + 1e-9))
    return pd.DataFrame(changes.T, columns=list(labels.cat.categories))


def _records(scores: pd.DataFrame, changes: pd.DataFrame) -> dict[str, np.recarray]:
    """Give scanpy's five record arrays, one field per group, each sorted by that group's score."""
    columns: dict[str, dict[str, np.ndarray]] = {name: {} for name in COLUMNS}
    for group in scores:
        order = np.argsort(-scores[group].to_numpy(), kind="stable")
        columns["names"][group] = scores.index.to_numpy(dtype=object)[order]
        columns["scores"][group] = scores[group].to_numpy()[order]
        columns["logfoldchanges"][group] = changes[group].to_numpy()[order]
        columns["pvals"][group] = columns["pvals_adj"][group] = np.full(len(order), np.nan)
    types = {"names": "O", "scores": "<f4", "logfoldchanges": "<f4", "pvals": "<f8", "pvals_adj": "<f8"}
    return {name: pd.DataFrame(columns[name]).to_records(index=False, column_dtypes=types[name]) for name in COLUMNS}


def _wilcoxon(adata: AnnData, matrix: Matrix, labels: pd.Series, params: dict) -> dict:
    import scanpy

    plain = AnnData(matrix, obs=labels.to_frame(), var=pd.DataFrame(index=adata.var_names))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fragmented frames and of fold changes of centred data
        scanpy.tl.rank_genes_groups(plain, labels.name, method="wilcoxon", use_raw=False)
    return plain.uns["rank_genes_groups"] | {"params": params | {"method": "wilcoxon"}}
