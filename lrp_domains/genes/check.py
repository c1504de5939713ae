"""The check of a whole cohort before anything is computed: whether a model can learn from it and explain it."""

from dataclasses import asdict

import numpy as np
from anndata import AnnData
from scipy import sparse

from . import slots
from .cohorts.cells.labels import check_group_sizes, donor_column, label_column
from .cohorts.values.expression import expression_of
from .cohorts.values.input_spec import Expects
from .errors import CohortError, listed
from .explanation.requests.plan import checked_plan, expression_for
from .explanation.requests.request import Explanation, check_layer
from .models.built_in import built_in
from .models.model import GeneModel
from .training.folds import deal, split
from .training.settings import Training, resolved
from .training.target import Target, target_of

CHUNK = 4096


def check_cohort(
    adata: AnnData,
    expects: Expects,
    *,
    labels: str | None = None,
    task: str = "classes",
    time: str | None = None,
    donor: str | None = None,
    gene_column: str | None = None,
    folds: int | None = None,
    training: Training | None = None,
    model: GeneModel | None = None,
    explanation: Explanation | None = None,
    wilcoxon: bool = False,
) -> dict[str, object]:
    """Read all of a cohort once, check it, and summarise it.

    Parameters
    ----------
    adata
        The cohort; its matrices may be on disk.
    expects
        What the model expects, or will be trained on.
    labels, task, time, donor, gene_column
        As in `train` and `relevance`.
    folds
        Number of folds, if a model is to be trained with otherwise default settings.
    training
        The settings, if a model is to be trained. The cohort is then split into folds as in training.
    model
        The model, if none is to be trained.
    explanation
        What will be explained by this model, or by the trained one; checked as in `relevance`.
    wilcoxon
        Whether groups will be compared by a Wilcoxon test, which requires two cells per group.

    Raises
    ------
    CohortError
        Anything that would stop training, explaining or ranking later.
    """
    to_train = training or (None if folds is None else Training(folds=folds))
    if model is None:
        expression = expression_of(adata, expects, gene_column=gene_column, made_unique=to_train is not None)
    else:
        expression, _ = expression_for(adata, model, gene_column)
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
        if to_train and len(donors.cat.categories) < 2:
            raise CohortError(
                f"all cells come from one donor ('{donors.cat.categories[0]}' in '{donor}'), so none could be held "
                "out; name no donor column, and note that accuracy is then measured within one donor"
            )
    if labels and task == "classes":
        groups = label_column(adata, labels, least=2)
        if to_train and not donor:
            check_group_sizes(groups, to_train.folds)
        summary["groups"] = {str(name): int(size) for name, size in groups.value_counts(sort=False).items()}
    if to_train and labels:
        target = target_of(adata, labels, task=task, time=time)
        settings = _check_folds(adata, expects, target, donor=donor, training=to_train)
        if explanation is not None:
            model = _untrained(expects, target, settings, labels=labels, gene_column=gene_column)
    if model is not None and explanation is not None:
        _check_explanation(adata, model, explanation, wilcoxon=wilcoxon)

    lowest, highest, expressed = np.inf, -np.inf, 0
    for chunk in expression.chunks(CHUNK):
        values = chunk.stored.data if sparse.issparse(chunk.stored) else chunk.stored
        if values.size:
            lowest, highest = min(lowest, values.min()), max(highest, values.max())
        expressed += int(np.count_nonzero(values))
    return summary | {
        "lowest": float(lowest),
        "highest": float(highest),
        "expressed": expressed / expression.n_cells / adata.n_vars,
    }


def _check_explanation(adata: AnnData, model: GeneModel, explanation: Explanation, *, wilcoxon: bool) -> None:
    """Raise if a cohort can't be explained by a model, or ranked afterwards, as asked."""
    check_layer(slots.RELEVANCE, model.expects.layer)
    plan = checked_plan(adata, model, explanation)
    if wilcoxon and plan.labels is not None:
        sizes = plan.labels.value_counts()
        if lone := [group for group, size in sizes.items() if size < 2]:
            raise CohortError(
                f"a Wilcoxon test requires two cells per group; {listed(lone)} has one: use wilcoxon=False "
                "(--no-wilcoxon)"
            )


def _check_folds(
    adata: AnnData, expects: Expects, target: Target, *, donor: str | None, training: Training
) -> Training:
    """Raise if the cohort can't be split into folds, as in training; return the settings without any None."""
    donors = None if donor is None else donor_column(adata.obs, donor)
    if every_row_a_donor := donors is not None and donors.is_unique:
        donors = None
    bulk = every_row_a_donor or not expects.zero_is_absence
    settings = resolved(training, rows=adata.n_obs, bulk=bulk, task=target.task)
    folds = deal(target, donors, folds=settings.folds, seed=settings.seed)
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds != fold)
        seed = 1000 * settings.seed + int(fold)
        split(rows, target, donors, share=settings.validation_share, seed=seed)
    return settings


def _untrained(
    expects: Expects, target: Target, settings: Training, *, labels: str, gene_column: str | None
) -> GeneModel:
    """Return a model like the one that training will return, but for its weights."""
    network = built_in(asdict(settings), len(expects.genes), len(target.names)).eval()
    trained_by = {"gene_column": gene_column or ""}
    return GeneModel(((network,),), expects, target.names, task=target.task, labels=labels, training=trained_by)
