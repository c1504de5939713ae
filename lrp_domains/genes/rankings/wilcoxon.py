"""Differential expression for comparison: scanpy's Wilcoxon test."""

import warnings
from threading import Thread

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from ..cohorts.files.rows_on_disk import bytes_in_memory
from ..cohorts.values.expression import expression_of
from ..cohorts.values.input_spec import Expects
from ..cohorts.values.layers import find_layer
from ..cohorts.values.normalisation import Matrix
from ..errors import listed
from ..explanation.results.group_statistics import GroupStatistics
from ..explanation.runs.results_in_adata import provenance_of
from .expression import fold_change, sides


def wilcoxon_test(
    adata: AnnData,
    labels: pd.Series,
    table: pd.DataFrame,
    *,
    statistics: GroupStatistics,
    other: str | None,
    most_bytes: int = 0,
) -> dict[str, np.recarray] | None:
    """Test the expression of the ranked genes, and write ``de_score`` and ``de_rank`` to the table.

    Parameters
    ----------
    adata
        An explained cohort.
    labels
        Categorical, one per cell.
    table
        Its ranked genes, which are changed.
    statistics
        The sums that they were ranked by, for the fold changes.
    other
        The group that others are compared with; None for the rest.
    most_bytes
        Expression on disk is read if it takes up to this many bytes in memory.

    Returns
    -------
    scanpy's record arrays, with fold changes as in the table; None if the expression stays on disk, or if there is
    nothing to compare with. A group of a single cell is left out with a warning.
    """
    provenance = provenance_of(adata)
    layer = str(provenance["layer"])
    if adata.X is None and layer == "X":
        return None  # only tables
    stored = find_layer(adata, layer)
    if not (isinstance(stored, np.ndarray) or hasattr(stored, "tocsr")) and bytes_in_memory(stored) > most_bytes:
        return None
    groups = testable_groups(labels, other)
    if not groups:
        return None

    # The test uses ranks within a gene, which centring and scaling don't change; raw counts would rank depth.
    instead = {"zscore": "centred", "counts": "log1p_cp10k"}
    normalisation = instead.get(str(provenance["normalisation"]), str(provenance["normalisation"]))
    genes = statistics.genes.astype(str)
    expects = Expects(tuple(genes), layer=layer, normalisation=normalisation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about fragmented frames and fold changes of centred data, given before
        values = expression_of(adata, expects).chunk(0, adata.n_obs).values
        result = rank_sum_test(values, labels, pd.Index(genes), groups=groups, other=other)

    ranked = table.groupby("group", sort=False).groups
    numbers = {name: number for number, name in enumerate(statistics.groups)}
    reference = None if other is None else numbers[other]
    for group in groups:
        changes = fold_change(statistics, *sides(statistics, numbers[group], reference))
        order = pd.Series(np.arange(len(result["names"])), index=result["names"][group])
        result["logfoldchanges"][group][order.loc[statistics.genes].to_numpy()] = changes
        if group in ranked:
            rows = ranked[group]
            place = order.loc[table.loc[rows, "gene"]].to_numpy()
            table.loc[rows, "de_score"] = result["scores"][group][place].astype(float)
            table.loc[rows, "de_rank"] = pd.Series(place).rank(method="first").to_numpy()
    return result


def testable_groups(labels: pd.Series, other: str | None) -> list[str]:
    """Return the groups that can be compared, and warn of those that can't."""
    sizes = labels.value_counts(sort=False)
    if len(sizes) < 2:
        return []
    single = [group for group, size in sizes.items() if size < 2]
    if single:
        left_out = "no group is" if other in single else "it isn't" if len(single) == 1 else "they aren't"
        warnings.warn(
            f"a Wilcoxon test requires two cells per group; of {listed(single)} there is one, so {left_out} tested "
            "(de_score and de_rank are empty)",
            stacklevel=5,
        )
    return [] if other in single else [group for group in sizes.index if group not in single and group != other]


def rank_sum_test(
    values: Matrix, labels: pd.Series, genes: pd.Index, *, groups: list[str], other: str | None = None
) -> dict[str, np.recarray]:
    """Run scanpy's test without its messages, and return its record arrays, best genes first in each group.

    Parameters
    ----------
    values
        Cells x genes.
    labels
        The group of each cell, categorical.
    genes
        Their names.
    groups
        Those to test, from `testable_groups`.
    other
        The group that they are compared with; None for the rest.
    """
    import scanpy  # takes seconds to import

    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float32)  # numba has no half precision
    if sparse.issparse(values):
        values = sparse.csr_matrix(values)  # scanpy doesn't read csr_array
    plain = AnnData(values, obs=labels.to_frame(), var=pd.DataFrame(index=genes))
    _launch_threads_of_numba()
    with scanpy.settings.verbosity.override("error"):  # it warns of counts, which were warned of before
        scanpy.tl.rank_genes_groups(
            plain, labels.name, groups=groups, reference=other or "rest", method="wilcoxon", use_raw=False
        )
    return plain.uns["rank_genes_groups"]


def _launch_threads_of_numba() -> None:
    """Let numba set OpenMP's number of threads, which holds for the calling thread, where PyTorch doesn't compute."""
    import numba

    launch = Thread(target=numba.get_num_threads)
    launch.start()
    launch.join()
