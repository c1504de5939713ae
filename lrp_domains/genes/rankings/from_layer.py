"""Sums over groups other than those that were explained, from the relevance of each cell."""

import numpy as np
import pandas as pd
from anndata import AnnData

from .. import slots
from ..cohorts.values.expression import expression_of
from ..cohorts.values.input_spec import Expects
from ..cohorts.values.layers import canonical, find_layer
from ..errors import CohortError
from ..explanation.requests.sizes import CHUNK_NUMBERS, TOP
from ..explanation.results.group_statistics import GroupStatistics, blocks_of


def statistics_of_layer(adata: AnnData, labels: pd.Series, donor: str | None = None) -> GroupStatistics:
    """Sum the relevance of each cell over the groups of a column, a chunk of cells at a time.

    Parameters
    ----------
    adata
        A cohort explained with a layer.
    labels
        Categorical, one per cell. If they were learnt, only cells that were explained for their own group count.
    donor
        The column of ``obs`` with donors.
    """
    provenance = adata.uns[slots.PROVENANCE]
    layer = str(provenance["relevance_layer"])
    if not layer or layer not in adata.layers:
        raise CohortError(
            f"the cohort has no relevance of each cell to rank '{labels.name}' by; explain it with layer='lrp', or "
            f"with groupby='{labels.name}'"
        )
    expects = Expects(
        tuple(adata.var_names), layer=str(provenance["layer"]), normalisation=str(provenance["normalisation"])
    )
    expression = expression_of(adata, expects)
    block, blocks, by_donor = blocks_of(adata.obs, donor)
    folds = adata.obs[slots.FOLD].to_numpy()
    # Cells of a fold were explained by the same networks, so the folds take the place of single networks.
    numbers = {fold: number for number, fold in enumerate(np.unique(folds))}
    statistics = GroupStatistics.empty(
        list(labels.cat.categories),
        adata.var_names,
        blocks,
        by_donor=by_donor,
        networks=len(numbers),
        top=TOP,
        normalisation=expects.normalisation,
        scale=expression.scale,
        log_base=float(provenance["log_base"]),
        by_absence=bool(provenance["by_absence"]),
    )

    relevance = find_layer(adata, layer)
    group = labels.cat.codes.to_numpy().astype(np.int64)
    counted = np.ones(adata.n_obs, bool)
    if provenance["own_group"] and labels.name == provenance["labels"]:
        counted = (adata.obs[slots.TARGET].astype(str) == labels.astype(str)).to_numpy()

    for chunk in expression.chunks(max(16, CHUNK_NUMBERS // adata.n_vars)):
        cells = slice(chunk.start, chunk.stop)
        rows = canonical(relevance[cells])
        statistics.add_relevance(rows, group=group[cells], block=block[cells], counted=counted[cells])
        for fold in np.unique(folds[cells]):
            members = folds[cells] == fold
            statistics.add_network(
                numbers[fold], rows[members], group=group[cells][members], counted=counted[cells][members]
            )
        statistics.add_expression(chunk.values, group[cells])
    return statistics
