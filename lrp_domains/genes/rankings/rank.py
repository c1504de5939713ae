"""The genes that carry a group: a ranked list per group, in the shape of scanpy's ``rank_genes_groups``."""

import warnings
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from anndata import AnnData

from .. import slots
from ..cohorts.expression import expression_of, find_layer
from ..cohorts.gene_names import is_gene
from ..cohorts.labels import label_column
from ..errors import CohortError, listed
from ..explanation.group_statistics import GroupStatistics
from ..explanation.results_in_adata import provenance_of, reference_in, shown_genes
from ..models.input_spec import Expects
from ..training.member import one_thread
from .from_layer import statistics_of_layer
from .statistics import ranked_genes, stability
from .tables import REFERENCE

# scanpy's record arrays, the columns of the table that they are made from, and their types.
RECORDS = {
    "names": ("gene", "O"),
    "scores": ("score", "<f4"),
    "logfoldchanges": ("log2_fold_change", "<f4"),
    "pvals": ("p_value", "<f8"),
    "pvals_adj": ("p_adjusted", "<f8"),
}


@dataclass(frozen=True)
class Ranking:
    """The ranked genes of a cohort, and the sums that they were ranked by."""

    table: pd.DataFrame
    statistics: GroupStatistics = field(repr=False)

    @cached_property
    def stability(self) -> pd.DataFrame:
        """The agreement of the networks on each group's genes."""
        return stability(self.statistics)


def rank(
    adata: AnnData,
    *,
    groupby: str | None = None,
    donor: str | None = None,
    key_added: str = slots.RANKING,
    cohort: str = "cohort",
    wilcoxon: bool = True,
    seed: int = 0,
) -> pd.DataFrame:
    """Rank genes by mean relevance within each group.

    The score of a gene in a group is its mean relevance over the group's cells that were explained for this group:
    with the targets ``"predicted"`` and ``"labelled"`` those whose target is the group, so that a misclassified cell
    doesn't add evidence for another class. If all cells were explained for one named class, or `groupby` is
    not the column that was learnt, all cells of the group count. Genes that are evidence against the group are last.

    Parameters
    ----------
    adata
        An explained cohort; ``uns["rank_genes_lrp"]`` and ``uns["rank_genes_expression"]`` are written.
    groupby
        The column of ``obs`` with the groups; if None, the one that `relevance` summed over. Another one requires the
        relevance of each cell in ``layers["lrp"]``.
    donor
        The column of ``obs`` with donors, if `groupby` is another column than `relevance` summed over.
    key_added
        The key of ``uns`` to write to.
    cohort
        Name of the cohort in the table.
    wilcoxon
        Compare with scanpy's Wilcoxon test of each group against the rest, on the expression that the model reads.
        For matrices on disk, and without it, the comparison is Welch's t.
    seed
        Fixes the bootstrap.

    Returns
    -------
    The ranking as a tidy table, one row per group and gene, with more columns than scanpy's shape: interval, effect
    size, shares, stability; see `lrp_domains.genes.rankings.tables`. Of cells that were explained against a reference,
    the column ``reference`` names it.

    Notes
    -----
    As in scanpy's result, ``logfoldchanges`` is the log2 fold change of *expression* between a group and the rest.
    ``pvals`` and ``pvals_adj`` test over donors whether mean relevance is 0. With fewer than three donors they are NaN:
    cells of one donor are not independent samples, so a test over cells would be overconfident. Expression is
    compared with the rest even if relevance is against a reference, which ``params["lrp_reference"]`` names.

    Examples
    --------
    >>> rank(adata)
    >>> sc.get.rank_genes_groups_df(adata, group="CD19+ B", key="rank_genes_lrp").head()
    >>> sc.pl.rank_genes_groups_dotplot(adata, key="rank_genes_lrp")
    """
    return make_ranking(
        adata, groupby=groupby, donor=donor, key_added=key_added, cohort=cohort, wilcoxon=wilcoxon, seed=seed
    ).table


def make_ranking(
    adata: AnnData,
    *,
    groupby: str | None,
    donor: str | None,
    key_added: str = slots.RANKING,
    cohort: str,
    wilcoxon: bool,
    seed: int,
) -> Ranking:
    """Rank genes as `rank` does; return the table with the sums that it was computed from."""
    provenance = provenance_of(adata)
    groupby = groupby or str(provenance["groupby"])
    labels = label_column(adata, groupby)
    if groupby == provenance["groupby"] and slots.GROUPS in adata.uns and donor is None:
        statistics = GroupStatistics.from_slot(adata.uns[slots.GROUPS])
    else:
        statistics = statistics_of_layer(adata, labels, donor)

    table = ranked_genes(statistics, cohort=cohort, seed=seed)
    if reference := reference_in(provenance):
        table[REFERENCE] = reference
    adata.uns.pop(slots.DIFFERENTIAL, None)
    if wilcoxon and len(labels.cat.categories) > 1:
        _add_wilcoxon(adata, labels, table)
    adata.obs[groupby] = labels
    adata.uns[key_added] = _records(table) | {"params": _params(adata, groupby, "lrp")}
    table["gene"] = table["gene"].map(pd.Series(shown_genes(adata), index=adata.var_names))
    return Ranking(table, statistics)


def _params(adata: AnnData, groupby: str, method: str) -> dict[str, object]:
    """Return the parameters that scanpy's tools read."""
    provenance = provenance_of(adata)
    layer, reference = str(provenance["layer"]), reference_in(provenance)
    return {
        "groupby": groupby,
        "reference": "rest",  # of the fold changes, also where cells were explained against something else
        "method": method,
        "use_raw": layer == "raw",
        "layer": layer if layer in adata.layers else None,
        "corr_method": "benjamini-hochberg",
    } | ({"lrp_reference": reference} if reference and method == "lrp" else {})


def _records(table: pd.DataFrame) -> dict[str, np.recarray]:
    """Return scanpy's five record arrays, one field per group, each sorted by that group's score."""
    groups = dict(list(table.groupby("group", sort=False)))
    return {
        name: pd.DataFrame({group: rows[column].to_numpy() for group, rows in groups.items()}).to_records(
            index=False, column_dtypes=kind
        )
        for name, (column, kind) in RECORDS.items()
    }


def _add_wilcoxon(adata: AnnData, labels: pd.Series, table: pd.DataFrame) -> None:
    """Write scanpy's Wilcoxon test to the table and to ``uns``, for cohorts in memory."""
    import scanpy  # takes seconds to import

    provenance = provenance_of(adata)
    layer = str(provenance["layer"])
    if adata.X is None and layer == "X":
        return  # only tables
    stored = find_layer(adata, layer)
    if not (isinstance(stored, np.ndarray) or hasattr(stored, "tocsr")):
        return  # on disk
    if lone := [group for group, size in labels.value_counts().items() if size < 2]:
        raise CohortError(f"a Wilcoxon test requires two cells per group; {listed(lone)} has one: use wilcoxon=False")

    # The test uses ranks within a gene, which centring and scaling don't change; raw counts would rank depth.
    instead = {"zscore": "centred", "counts": "log1p_cp10k"}
    normalisation = instead.get(str(provenance["normalisation"]), str(provenance["normalisation"]))
    measured = adata.var_names[is_gene(adata.var) | adata.var_names.isin(table["gene"])]
    expects = Expects(tuple(measured), layer=layer, normalisation=normalisation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about fragmented frames and fold changes of centred data, given before
        values = expression_of(adata, expects).chunk(0, adata.n_obs).values
        plain = AnnData(values, obs=labels.to_frame(), var=pd.DataFrame(index=measured))
        # It warns of counts, which were warned of before; and numba sets PyTorch's number of threads.
        with scanpy.settings.verbosity.override("error"), one_thread():
            scanpy.tl.rank_genes_groups(plain, labels.name, method="wilcoxon", use_raw=False)

    result = plain.uns["rank_genes_groups"]
    adata.uns[slots.DIFFERENTIAL] = result | {"params": _params(adata, labels.name, "wilcoxon")}
    for group, rows in table.groupby("group", sort=False).groups.items():
        order = pd.Series(np.arange(len(result["names"])), index=result["names"][group])
        place = order.loc[table.loc[rows, "gene"]].to_numpy()
        table.loc[rows, "de_score"] = result["scores"][group][place].astype(float)
        table.loc[rows, "de_rank"] = pd.Series(place).rank(method="first").to_numpy()
