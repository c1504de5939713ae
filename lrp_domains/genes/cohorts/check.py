"""A cohort, looked at from end to end before any computing: can it be learnt from, can it be explained?"""

import numpy as np
from anndata import AnnData
from scipy import sparse

from ..errors import CohortError
from ..models.input_spec import Expects
from .expression import expression
from .labels import check_group_sizes, donor_column, label_column

CHUNK = 4096


def check_cohort(
    adata: AnnData,
    expects: Expects,
    *,
    labels: str | None = None,
    task: str = "classes",
    donor: str | None = None,
    gene_column: str | None = None,
    folds: int | None = None,
) -> dict[str, object]:
    """Read all of a cohort once, and say what it holds.

    Parameters
    ----------
    adata
        The cohort; its matrices may lie on disk.
    expects
        What the model expects, or will be trained on.
    labels, task, donor, gene_column
        As in `train` and `relevance`.
    folds
        In how many parts it will be cut, where a model is to be trained.

    Raises
    ------
    CohortError
        Whatever would stop training or explaining later.
    """
    found = expression(adata, expects, gene_column=gene_column)
    summary: dict[str, object] = {
        "cells": found.n_cells,
        "genes": adata.n_vars,
        "genes_read": int((found.alignment.position >= 0).sum()),
        "genes_missing": list(found.alignment.missing[:1000]),
        "genes_surplus": found.alignment.surplus,
        "layer": expects.layer,
        "normalisation": expects.normalisation,
        "sparse": bool(sparse.issparse(found.stored) or hasattr(found.stored, "format")),
    }
    if donor:
        donors = donor_column(adata.obs, donor)
        summary["donors"] = len(donors.cat.categories)
        if folds and len(donors.cat.categories) < 2:
            raise CohortError(
                f"all cells come from one donor ('{donors.cat.categories[0]}' in '{donor}'), so none could be held "
                "out; name no donor column, and take the accuracy for what it is: within one donor"
            )
    if labels and task == "classes":
        groups = label_column(adata, labels, least=2)
        if folds and not donor:
            check_group_sizes(groups, folds)
        summary["groups"] = {str(name): int(size) for name, size in groups.value_counts(sort=False).items()}
    lowest, highest, stored = np.inf, -np.inf, 0
    for chunk in found.chunks(CHUNK):
        values = chunk.stored.data if sparse.issparse(chunk.stored) else chunk.stored
        lowest, highest = min(lowest, values.min(initial=np.inf)), max(highest, values.max(initial=-np.inf))
        stored += int(np.count_nonzero(values))
    summary |= {"lowest": float(lowest), "highest": float(highest), "expressed": stored / found.n_cells / adata.n_vars}
    return summary


def select_cells(adata: AnnData, query: str) -> AnnData:
    """Give the cells that a query on ``obs`` selects, such as ``er.notna()`` or ``stim == 'ctrl'``."""
    try:
        kept = adata.obs.query(query, engine="python").index
    except Exception as error:  # pandas raises whatever the expression raises
        raise CohortError(
            f"the selection '{query}' is no query on obs: {(str(error) or repr(error)).splitlines()[0]}; write it as "
            "for pandas.DataFrame.query, names with dots in backticks"
        ) from error
    if len(kept) == 0:
        raise CohortError(f"the selection '{query}' leaves none of the {adata.n_obs} cells")
    return adata[adata.obs_names.isin(kept)]
