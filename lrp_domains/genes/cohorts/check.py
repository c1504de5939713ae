"""The check of a whole cohort before anything is computed: whether a model can learn from it and explain it."""

import numpy as np
from anndata import AnnData
from scipy import sparse

from ..errors import CohortError
from ..models.input_spec import Expects
from .expression import expression_of
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
    """Read all of a cohort once, check it, and summarise it.

    Parameters
    ----------
    adata
        The cohort; its matrices may be on disk.
    expects
        What the model expects, or will be trained on.
    labels, task, donor, gene_column
        As in `train` and `relevance`.
    folds
        Number of folds, if a model is to be trained.

    Raises
    ------
    CohortError
        Anything that would stop training or explaining later.
    """
    expression = expression_of(adata, expects, gene_column=gene_column)
    summary: dict[str, object] = {
        "cells": expression.n_cells,
        "genes": adata.n_vars,
        "genes_read": int((expression.alignment.position >= 0).sum()),
        "genes_missing": list(expression.alignment.missing[:1000]),
        "genes_surplus": expression.alignment.surplus,
        "layer": expects.layer,
        "normalisation": expects.normalisation,
        "sparse": bool(sparse.issparse(expression.stored) or hasattr(expression.stored, "format")),
    }
    if donor:
        donors = donor_column(adata.obs, donor)
        summary["donors"] = len(donors.cat.categories)
        if folds and len(donors.cat.categories) < 2:
            raise CohortError(
                f"all cells come from one donor ('{donors.cat.categories[0]}' in '{donor}'), so none could be held "
                "out; name no donor column, and note that accuracy is then measured within one donor"
            )
    if labels and task == "classes":
        groups = label_column(adata, labels, least=2)
        if folds and not donor:
            check_group_sizes(groups, folds)
        summary["groups"] = {str(name): int(size) for name, size in groups.value_counts(sort=False).items()}

    lowest, highest, expressed = np.inf, -np.inf, 0
    for chunk in expression.chunks(CHUNK):
        values = chunk.stored.data if sparse.issparse(chunk.stored) else chunk.stored
        lowest, highest = min(lowest, values.min(initial=np.inf)), max(highest, values.max(initial=-np.inf))
        expressed += int(np.count_nonzero(values))
    return summary | {
        "lowest": float(lowest),
        "highest": float(highest),
        "expressed": expressed / expression.n_cells / adata.n_vars,
    }
