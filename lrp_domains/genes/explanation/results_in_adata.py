"""The results of an explanation in an AnnData object: written, removed, and their provenance."""

import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch
from anndata import AnnData

from ... import __version__
from ...domain import Account
from .. import slots
from ..cohorts.gene_names import gene_names
from ..decoys.rate import is_compared
from ..decoys.scores import cells_of
from ..errors import CohortError
from ..models.model import GeneModel
from .explain import ExplainedCells
from .group_statistics import GroupStatistics
from .plan import Plan
from .target import PREDICTED


def write_results(
    adata: AnnData,
    plan: Plan,
    cells: Sequence[ExplainedCells],
    *,
    statistics: GroupStatistics,
    account: Account,
    layer: str | None,
) -> None:
    """Write all results but the layer, in place of those of an earlier explanation."""
    remove_results(adata)
    _write_cells(adata, plan, cells)
    adata.uns[slots.GROUPS] = statistics.to_slot()
    adata.uns[slots.PROVENANCE] = provenance(plan, account, layer)
    if plan.model.decoys is not None:
        _write_decoys(adata, plan)


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


def _write_decoys(adata: AnnData, plan: Plan) -> None:
    """Write what decoys score, if it is of these cells, these groups and this kind of explanation."""
    model, request = plan.model, plan.request
    grouped = model.labels if model.task == "classes" else slots.PREDICTED
    groupby = plan.labels.name if plan.labels is not None else slots.PREDICTED
    reasons = {
        "the cells or their labels are not those that the model was trained on": not _is_training_cohort(adata, model),
        f"the groups are those of '{groupby}', not of '{grouped}'": groupby != grouped,
        "decoys are explained for the log-odds of the predicted class, without a reference, by the rules 'attn-lrp'": (
            not is_compared(request, of_classes=model.task == "classes")
        ),
    }
    if reason := next((reason for reason, applies in reasons.items() if applies), ""):
        warnings.warn(f"genes get no p-values and q-values, although the model has decoys: {reason}", stacklevel=4)
        return
    decoys = model.decoys.of_genes(plan.present, plan.genes)
    adata.uns[slots.DECOYS] = decoys.to_slot() | {"fdr": float(model.training["fdr"])}


def _is_training_cohort(adata: AnnData, model: GeneModel) -> bool:
    """Return whether all cells were in training, and all cells of the training are there."""
    folds = adata.obs[slots.FOLD].to_numpy()
    if (folds < 0).any() or adata.n_obs != len(model.training_cells.folds):
        return False
    if model.task != "classes" or model.labels not in adata.obs:
        return True
    labels = pd.Categorical(adata.obs[model.labels].astype(str), categories=list(model.classes))
    return not (labels.codes < 0).any() and np.array_equal(cells_of(folds, labels), model.decoys.cells)


def _write_cells(adata: AnnData, plan: Plan, cells: Sequence[ExplainedCells]) -> None:
    """Write the results of each cell to ``obs`` and ``obsm``."""
    obs = {name: np.concatenate([part.obs[name] for part in cells]) for name in cells[0].obs}
    for column in (slots.PREDICTED, slots.TARGET):
        if plan.model.task == "classes":
            adata.obs[column] = pd.Categorical.from_codes(obs[column], plan.model.classes)
    for column in (slots.SCORE, slots.REFERENCE_SCORE, slots.REST, slots.FOLD):
        if column in obs:
            adata.obs[column] = obs[column]
    if plan.labels is not None:
        adata.obs[plan.labels.name] = plan.labels
    if plan.request.top:
        adata.obsm[slots.TOP_GENES] = np.concatenate([part.top_genes for part in cells])
        adata.obsm[slots.TOP_VALUES] = np.concatenate([part.top_values for part in cells])


def provenance(plan: Plan, account: Account, layer: str | None) -> dict[str, object]:
    """Return what was explained and how, as a flat dictionary, which every AnnData version can write and read.

    Class names are an array, because as keys they could contain a slash.
    """
    model, request, expression = plan.model, plan.request, plan.expression
    held_out = {}
    if model.held_out is not None:
        held_out = {
            "at_chance": model.held_out.at_chance,
            "held_out_measure": model.held_out.measure,
            "held_out": model.held_out.value,
            "held_out_error": model.held_out.error,
            "chance": model.held_out.chance,
        }
    return held_out | {
        "rules": request.rule_set.name,
        "target": request.target or PREDICTED,
        "against": request.against or "",
        "reference": request.reference or "",
        "donor": request.donor or "",
        "gene_column": plan.gene_column,
        "score": request.score if model.task == "classes" else model.task,
        "task": model.task,
        "labels": model.labels,
        "groupby": plan.labels.name if plan.labels is not None else slots.PREDICTED,
        "own_group": plan.own_group,
        "layer": model.expects.layer,
        "normalisation": model.expects.normalisation,
        "log_base": plan.log_base,
        "by_absence": not plan.is_sparse,
        "relevance_layer": layer or "",
        "classes": np.array(model.classes, dtype=object),
        "folds": len(model.networks),
        "networks": model.n_networks,
        "model": model.digest(),
        "seed": int(model.training.get("seed", -1)),
        "genes_missing": len(expression.alignment.missing),
        "genes_surplus": expression.alignment.surplus,
        "lrp_domains": __version__,
        "torch": str(torch.__version__),
        "anndata": version("anndata"),
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
