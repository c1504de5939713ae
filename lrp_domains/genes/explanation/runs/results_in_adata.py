"""The results of an explanation in an AnnData object: written and removed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import slots
from ...cohorts.values.gene_names import gene_names
from ...decoys.scores import cells_of
from ...errors import CohortError
from ..results.explained_cells import ExplainedCells
from ..results.group_statistics import GroupStatistics

if TYPE_CHECKING:
    from ....domain import Account
    from .header import Header


def write_results(
    adata: AnnData,
    header: Header,
    cells: Sequence[ExplainedCells],
    *,
    statistics: GroupStatistics,
    account: Account,
) -> None:
    """Write all results but the layer, in place of those of an earlier explanation."""
    remove_results(adata)
    _write_cells(adata, header, cells)
    adata.uns[slots.GROUPS] = statistics.to_slot()
    adata.uns[slots.PROVENANCE] = {**header.provenance, **ledger_of(account)}
    if header.decoys is not None:
        _write_decoys(adata, header)


def remove_results(adata: AnnData) -> None:
    """Remove the results of an earlier explanation."""
    results = (slots.RANKING, slots.RANKING_ABSENT, slots.DIFFERENTIAL, slots.GROUPS, slots.DECOYS, slots.PROVENANCE)
    for key in results:
        adata.uns.pop(key, None)
    adata.layers.pop(slots.RELEVANCE, None)
    for key in (slots.TOP_GENES, slots.TOP_VALUES):
        adata.obsm.pop(key, None)
    if slots.REFERENCE_SCORE in adata.obs:
        del adata.obs[slots.REFERENCE_SCORE]


def _write_decoys(adata: AnnData, header: Header) -> None:
    """Write what decoys score, if it is of these cells, these groups and this kind of explanation."""
    reason = header.no_decoys
    if not _is_training_cohort(adata, header):
        reason = "the cells or their labels are not those that the model was trained on"
    if reason:
        warnings.warn(f"genes get no p-values and q-values, although the model has decoys: {reason}", stacklevel=4)
        return
    adata.uns[slots.DECOYS] = dict(header.decoys)


def _is_training_cohort(adata: AnnData, header: Header) -> bool:
    """Return whether all cells were in training, and all cells of the training are there."""
    folds = adata.obs[slots.FOLD].to_numpy()
    if (folds < 0).any() or adata.n_obs != header.training_cells:
        return False
    column = str(header.provenance["labels"])
    if header.provenance["task"] != "classes" or column not in adata.obs:
        return True
    labels = pd.Categorical(adata.obs[column].astype(str), categories=list(header.classes))
    return not (labels.codes < 0).any() and np.array_equal(cells_of(folds, labels), header.decoys["cells"])


def _write_cells(adata: AnnData, header: Header, cells: Sequence[ExplainedCells]) -> None:
    """Write the results of each cell to ``obs`` and ``obsm``."""
    obs = {name: np.concatenate([part.obs[name] for part in cells]) for name in cells[0].obs}
    for column in (slots.PREDICTED, slots.TARGET):
        if header.provenance["task"] == "classes":
            adata.obs[column] = pd.Categorical.from_codes(obs[column], header.classes)
    for column in (slots.SCORE, slots.REFERENCE_SCORE, slots.REST, slots.FOLD):
        if column in obs:
            adata.obs[column] = obs[column]
    if header.labels is not None:
        adata.obs[header.labels.name] = header.labels
    if header.top:
        adata.obsm[slots.TOP_GENES] = np.concatenate([part.top_genes for part in cells])
        adata.obsm[slots.TOP_VALUES] = np.concatenate([part.top_values for part in cells])


def ledger_of(account: Account) -> dict[str, float]:
    """Return the ledger of a whole cohort, as it is written beside what was explained."""
    return {
        "ledger_score": float(account.score),
        "ledger_genes": float(account.units),
        "ledger_biases": float(account.rest + sum(account.leaves.values())),
        "ledger_residue": float(account.residue),
    }


def provenance_of(adata: AnnData) -> dict[str, object]:
    """Return the provenance of the explanation in a cohort; raise if there is none."""
    if slots.PROVENANCE not in adata.uns:
        raise CohortError("the cohort has no relevance; run relevance(adata, model) first")
    return adata.uns[slots.PROVENANCE]


def shown_genes(adata: AnnData) -> pd.Index:
    """Return the names of a cohort's genes in tables: those that a model was trained by, or ``var_names``."""
    column = str(provenance_of(adata).get("gene_column", ""))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names that are used twice, given when cells were explained
        return gene_names(adata.var, column or None, made_unique=True)


def reference_in(provenance: Mapping[str, object]) -> str:
    """Return the reference that a cohort was explained against; empty for none, as in files of older versions."""
    return str(provenance.get("reference", ""))
