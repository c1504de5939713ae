"""The genes that carry a group: a ranked list per group, in the shape of scanpy's ``rank_genes_groups``."""

import warnings
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from anndata import AnnData

from ...domain import check_choice
from .. import slots
from ..cohorts.cells.labels import label_column
from ..decoys.scores import DecoyScores
from ..errors import CohortError
from ..explanation.requests.decoy_rate import check_rate
from ..explanation.results.group_statistics import GroupStatistics
from ..explanation.runs.results_in_adata import provenance_of, reference_in, shown_genes
from .from_layer import statistics_of_layer
from .marker_lists import marker_scores
from .statistics import CONSISTENT, MEAN, ORDERS, ranked_genes, stability
from .tables import REFERENCE
from .wilcoxon import wilcoxon_test

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
    order: str | None = None,
    fdr: float | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Rank genes by relevance within each group.

    The score of a gene in a group is that of its relevance over the group's cells that were explained for this group:
    with the targets ``"predicted"`` and ``"labelled"`` those whose target is the group, so that a misclassified cell
    doesn't add evidence for another class. If all cells were explained for one named class, or `groupby` is
    not the column that was learnt, all cells of the group count. Genes that are evidence against the group are last.

    Parameters
    ----------
    adata
        An explained cohort; ``uns["rank_genes_lrp"]``, ``uns["rank_genes_expression"]`` and for some cohorts
        ``uns["rank_genes_lrp_absent"]`` are written; see Notes.
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
        For matrices on disk, and without it, the comparison is Welch's t. Groups of a single cell have neither.
    order
        ``"mean"``: the score is mean relevance. ``"consistency"``: it is ``m abs(m) / sd``, of the mean m and the
        standard deviation over cells, which ranks genes first whose relevance recurs from patient to patient; of values
        around zero it is about as faithful, and agrees better across cohorts of patients. If None, consistency where
        every cell is a donor of its own and values lie around zero, else the mean.
    fdr
        The false discovery rate at which genes are selected; if None, the one of `train`. It requires a model that was
        trained with ``fdr``.
    seed
        Fixes the bootstrap.

    Returns
    -------
    The ranking as a tidy table, one row per group and gene, with more columns than scanpy's shape: interval, effect
    size, shares, stability; see `lrp_domains.genes.rankings.tables`. Of cells that were explained against a reference,
    the column ``reference`` names it.

    Notes
    -----
    As in scanpy's result, ``logfoldchanges`` is the log2 fold change of *expression* between a group and the rest, but
    bounded by the detection limit where a gene is absent from one of them; the same values replace scanpy's in
    ``uns["rank_genes_expression"]``.

    Where genes have relevance without being expressed (values around zero, or cells explained against a mean), one that
    is low in a group can speak for it. ``uns["rank_genes_lrp"]`` is then ordered so that markers come first: by the
    score of genes that are higher in the group, and minus its size for lower ones. ``uns["rank_genes_lrp_absent"]`` has
    the reverse order, so that its first genes speak for the group by their absence; ``scores`` hold these signed
    values. The table stays in the order of the score, with the column ``evidence``; see `marker_lists`.

    ``low`` and ``high`` are bootstrap intervals over donors or blocks of cells, with the networks held fixed: they show
    how the mean varies with the cells, not whether a gene differs between groups.

    ``pvals`` and ``pvals_adj`` compare genes with decoys if the model was trained with ``fdr``. Otherwise they are NaN,
    because no test over cells or donors alone is valid: the same few networks explain all of them, and give a gene
    without any signal the same sign in each.

    If cells were explained against a group, expression is compared with this group too (``params["reference"]``), and
    the group has no ranking, because its cells were compared with their own mean. With other references, which
    ``params["lrp_reference"]`` names, expression is compared with the rest.

    Examples
    --------
    >>> rank(adata)
    >>> sc.get.rank_genes_groups_df(adata, group="CD19+ B", key="rank_genes_lrp").head()
    >>> sc.pl.rank_genes_groups_dotplot(adata, key="rank_genes_lrp")
    """
    return make_ranking(
        adata,
        groupby=groupby,
        donor=donor,
        key_added=key_added,
        cohort=cohort,
        wilcoxon=wilcoxon,
        order=order,
        fdr=fdr,
        seed=seed,
    ).table


def make_ranking(
    adata: AnnData,
    *,
    groupby: str | None,
    donor: str | None,
    key_added: str = slots.RANKING,
    cohort: str,
    wilcoxon: bool,
    order: str | None = None,
    fdr: float | None = None,
    seed: int,
    most_bytes: int = 0,
) -> Ranking:
    """Rank genes as `rank` does; return the table with the sums that it was computed from.

    Expression on disk that takes up to `most_bytes` in memory is read for the Wilcoxon test.
    """
    if order is not None:
        check_choice("order", order, ORDERS)
    provenance = provenance_of(adata)
    groupby = groupby or str(provenance["groupby"])
    labels = label_column(adata, groupby)
    decoys, fdr = _decoys(adata, groupby, fdr)
    if groupby == provenance["groupby"] and slots.GROUPS in adata.uns and donor is None:
        statistics = GroupStatistics.from_slot(adata.uns[slots.GROUPS])
    else:
        statistics = statistics_of_layer(adata, labels, donor)

    reference = reference_in(provenance)
    of_groups = groupby == provenance["groupby"] and reference in statistics.groups
    other = reference if of_groups else None  # the group that expression is compared with
    order = order or (CONSISTENT if _is_of_patients(statistics) else MEAN)
    table = ranked_genes(statistics, decoys=decoys, cohort=cohort, reference=other, order=order, seed=seed)
    if decoys is not None:
        table["discovery"] = (table["q_value"] <= fdr).astype(int)
    if reference:
        table[REFERENCE] = reference
    adata.obs[groupby] = labels
    selected = ({} if decoys is None else {"lrp_fdr": fdr}) | ({} if order == MEAN else {"lrp_order": order})
    params = _params(adata, groupby, "lrp", other=other) | selected
    _write(adata, table, statistics, key_added=key_added, params=params)
    adata.uns.pop(slots.DIFFERENTIAL, None)
    tested = None
    if wilcoxon:
        tested = wilcoxon_test(adata, labels, table, statistics=statistics, other=other, most_bytes=most_bytes)
    if tested is not None:
        adata.uns[slots.DIFFERENTIAL] = tested | {"params": _params(adata, groupby, "wilcoxon", other=other)}
    table["gene"] = table["gene"].map(pd.Series(shown_genes(adata), index=adata.var_names))
    return Ranking(table, statistics)


def _is_of_patients(statistics: GroupStatistics) -> bool:
    """Return whether every cell is a donor of its own, with values around zero."""
    is_around_zero = statistics.normalisation in ("centred", "zscore")
    return is_around_zero and statistics.by_donor and bool((statistics.counted.sum(1) <= 1).all())


def _decoys(adata: AnnData, groupby: str, fdr: float | None) -> tuple[DecoyScores | None, float]:
    """Return what genes and their decoys score in the groups of a column, and the rate to select genes at."""
    check_rate(fdr)
    slot = adata.uns.get(slots.DECOYS)
    if slot is not None and groupby == str(provenance_of(adata)["groupby"]):
        return DecoyScores.from_slot(slot), float(slot["fdr"]) if fdr is None else fdr
    if fdr is not None:
        raise CohortError(
            f"genes of the groups of '{groupby}' can't be selected at a false discovery rate, because they were not "
            "compared with decoys: train the model with fdr, explain with its defaults, and rank the groups it learnt"
        )
    if slot is not None:
        warnings.warn(
            f"genes of the groups of '{groupby}' get no p-values and q-values: decoys are of those that were learnt",
            stacklevel=4,
        )
    return None, 0.0


def _write(
    adata: AnnData,
    table: pd.DataFrame,
    statistics: GroupStatistics,
    *,
    key_added: str,
    params: dict[str, object],
) -> None:
    """Write the ranking to ``uns``: one list per group, or two where genes can be evidence by their absence."""
    adata.uns.pop(key_added + slots.ABSENT, None)
    if not statistics.by_absence:
        adata.uns[key_added] = _records(table) | {"params": params}
        return
    for key, absent in ((key_added, False), (key_added + slots.ABSENT, True)):
        ordered = table.assign(score=marker_scores(table, absent=absent))
        adata.uns[key] = _records(ordered) | {"params": dict(params)}


def _params(adata: AnnData, groupby: str, method: str, *, other: str | None) -> dict[str, object]:
    """Return the parameters that scanpy's tools read."""
    provenance = provenance_of(adata)
    layer, reference = str(provenance["layer"]), reference_in(provenance)
    return {
        "groupby": groupby,
        "reference": other or "rest",  # of the fold changes, also where cells were explained against something else
        "method": method,
        "use_raw": layer == "raw",
        "layer": layer if layer in adata.layers else None,
        "corr_method": "benjamini-hochberg",
    } | ({"lrp_reference": reference} if reference and method == "lrp" else {})


def _records(table: pd.DataFrame) -> dict[str, np.recarray]:
    """Return scanpy's five record arrays, one field per group, each sorted by that group's score."""
    groups = {
        group: rows.sort_values("score", ascending=False, kind="stable")
        for group, rows in table.groupby("group", sort=False)
    }
    return {
        name: pd.DataFrame({group: rows[column].to_numpy() for group, rows in groups.items()}).to_records(
            index=False, column_dtypes=kind
        )
        for name, (column, kind) in RECORDS.items()
    }
