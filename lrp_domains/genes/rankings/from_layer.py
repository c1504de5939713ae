"""Sums over other groups than those that were explained, from the relevance of each cell."""

import numpy as np
import pandas as pd
from anndata import AnnData

from .. import slots
from ..cohorts.expression import canonical, expects_all, expression, find_layer
from ..errors import CohortError
from ..explanation.group_statistics import GroupStatistics, units_of
from ..explanation.plan import CHUNK_NUMBERS, FIRST


def statistics_of_layer(adata: AnnData, labels: pd.Series, donor: str | None = None) -> GroupStatistics:
    """Sum the relevance of each cell over the groups of a column, a chunk of cells at a time.

    Parameters
    ----------
    adata
        A cohort explained with a layer.
    labels
        Categorical, one per cell. Of what the model learnt, only cells that were explained for their own group count.
    donor
        The column of ``obs`` with donors.
    """
    known = adata.uns[slots.PROVENANCE]
    layer = str(known["relevance_layer"])
    if not layer or layer not in adata.layers:
        raise CohortError(
            f"the cohort has no relevance of each cell to rank '{labels.name}' by: explain it with layer='lrp', or "
            f"with groupby='{labels.name}'"
        )
    expects = expects_all(adata, layer=str(known["layer"]), normalisation=str(known["normalisation"]))
    read = expression(adata, expects)
    unit, units, donors = units_of(adata.obs, donor)
    folds = adata.obs[slots.FOLD].to_numpy()
    numbers = {fold: number for number, fold in enumerate(np.unique(folds))}
    found = GroupStatistics.empty(
        list(labels.cat.categories), adata.var_names, units, donors=donors, networks=len(numbers), first=FIRST,
        normalisation=expects.normalisation, unit=read.unit,
    )  # fmt: skip
    relevant = find_layer(adata, layer)
    codes = labels.cat.codes.to_numpy().astype(np.int64)
    counted = np.ones(adata.n_obs, bool)
    if known["own_group"] and labels.name == known["labels"]:
        counted = (adata.obs[slots.TARGET].astype(str) == labels.astype(str)).to_numpy()
    for chunk in read.chunks(max(16, CHUNK_NUMBERS // adata.n_vars)):
        here = slice(chunk.start, chunk.stop)
        rows = canonical(relevant[here])
        found.add_relevance(rows, codes[here], unit[here], counted[here])
        for fold in np.unique(folds[here]):
            part = folds[here] == fold
            found.add_network(numbers[fold], rows[part], codes[here][part], counted[here][part])
        found.add_expression(chunk.values, codes[here])
    return found
