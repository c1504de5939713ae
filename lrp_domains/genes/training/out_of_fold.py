"""Cross-validation: every cell gets networks that were trained without it."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import nn

from ...domain import Progress, device_of, no_progress
from ..cohorts.expression import expects_all, expression_of
from ..cohorts.labels import donor_column
from ..cohorts.rare_groups import check_rare, without_rare_groups
from ..models.built_in import built_in
from ..models.model import GeneModel
from .checkpoints import open_checkpoints
from .fit import DenseRows, dense_rows, predict
from .folds import deal, split
from .member import MemberTraining, NetworkFactory, one_thread
from .performance import performance_of
from .settings import Training, resolved
from .target import Target, target_of


def train(
    adata: AnnData,
    labels: str,
    *,
    task: str = "classes",
    time: str | None = None,
    donor: str | None = None,
    layer: str = "X",
    normalisation: str = "log",
    identifiers: str = "symbol",
    gene_column: str | None = None,
    least_cells: int | None = None,
    rare: str | None = None,
    training: Training | None = None,
    network: NetworkFactory | None = None,
    device: str | torch.device | None = None,
    resume: str | Path | None = None,
    progress: Progress = no_progress,
) -> GeneModel:
    """Train networks per fold, so that each cell can be explained by those that have not seen it.

    The cells are split into folds of similar composition. The networks of fold `k` learn from the other folds, except
    for a part of them on which they stop early; they see nothing of fold `k`, and with `donor` nothing of its donors.

    Parameters
    ----------
    adata
        The cohort; it is not changed.
    labels
        The column of ``obs`` to learn: classes, values, or for survival whether the event was seen (1, 0).
    task
        ``"classes"``, ``"value"`` or ``"survival"``.
    time
        For survival the column of ``obs`` with the time of the event or of the last follow-up.
    donor
        The column of ``obs`` with the donor or patient of each cell; ``"index"`` if every row is a donor.
    layer, normalisation, identifiers
        The expression to read, what its values are or are converted to, and the kind of gene names; see `Expects`.
    gene_column
        The column of ``var`` with the names of the model's genes, such as symbols; ``var_names`` if None. See
        `expects_all`, which also leaves out features that are not genes.
    least_cells, rare
        Drop the cells of groups with fewer cells, or merge these groups into one of the name `rare`; see
        `without_rare_groups`, whose cohort is the one to explain. If None, all groups are learnt.
    training
        Settings; ``Training()`` if None.
    network
        From the number of genes and of outputs to a new network, in place of a built-in one.
    device
        ``"cpu"``, ``"cuda"``, ...; if None, a GPU if there is one.
    resume
        A folder to keep finished networks in. After an interruption, the same call with the same data and settings
        doesn't train them again.
    progress
        Wraps the iteration over networks, such as ``rich.progress.track``.

    Raises
    ------
    CohortError
        The cohort can't be learnt from.

    Examples
    --------
    >>> model = train(adata, "cell_type", donor="patient")
    >>> model.performance["held_out_balanced_accuracy"].mean()
    >>> model = train(tumours, "relapse", task="survival", time="months", donor="index", normalisation="zscore")
    """
    check_rare(least_cells, rare)
    if least_cells is not None:
        adata = without_rare_groups(adata, labels, least_cells, rare=rare)
    expects = expects_all(
        adata, layer=layer, normalisation=normalisation, identifiers=identifiers, gene_column=gene_column
    )
    matrix = expression_of(adata, expects, gene_column=gene_column, made_unique=True).chunk(0, adata.n_obs).values
    target = target_of(adata, labels, task=task, time=time)
    donors = None if donor is None else donor_column(adata.obs, donor)
    every_row_a_donor = donors is not None and donors.is_unique
    if every_row_a_donor:
        donors = None  # folds of donors are folds of rows
    settings = resolved(
        training or Training(),
        rows=adata.n_obs,
        bulk=every_row_a_donor or not expects.zero_is_absence,
        task=task,
    )

    folds = deal(target, donors, folds=settings.folds, seed=settings.seed)
    splits = _splits(folds, target, donors, settings=settings)
    device = device_of(device)
    expression = dense_rows(matrix, torch.zeros((), device=device))
    trained: list[list[tuple[nn.Module, int]]] = [[] for _ in splits]
    with open_checkpoints(resume, (matrix, target.values, target.time, expects, settings)) as checkpoints:
        members = MemberTraining(
            expression=expression,
            target=target,
            settings=settings,
            make=network or (lambda genes, outputs: built_in(asdict(settings), genes, outputs)),
            untrained=GeneModel(((),), expects, target.names, task=task),
            device=device,
            checkpoints=checkpoints,
        )
        tasks = [(fold, member) for fold in range(len(splits)) for member in range(settings.members)]
        for fold, member in progress(tasks, "Training"):
            learn, validate = splits[fold]
            trained[fold].append(members.train(fold, member, learn=learn, validate=validate))

    return GeneModel(
        networks=tuple(tuple(network for network, _ in members) for members in trained),
        expects=expects,
        classes=target.names,
        task=task,
        labels=labels,
        folds=pd.Series(folds, index=adata.obs_names),
        training=asdict(settings)
        | {"folds": len(splits), "network": "own" if network else settings.network}
        | {"donor": donor or "", "time": time or "", "gene_column": gene_column or ""},
        performance=_performance(trained, splits, folds, target=target, expression=expression),
    )


def _splits(
    folds: np.ndarray, target: Target, donors: pd.Series | None, *, settings: Training
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return for each fold the rows that its networks learn from, and those on which they stop early."""
    return [
        split(
            np.flatnonzero(folds != fold),
            target,
            donors,
            share=settings.validation_share,
            seed=1000 * settings.seed + fold,
        )
        for fold in range(int(folds.max()) + 1)
    ]


def _performance(
    trained: list[list[tuple[nn.Module, int]]],
    splits: list[tuple[np.ndarray, np.ndarray]],
    folds: np.ndarray,
    *,
    target: Target,
    expression: DenseRows,
) -> pd.DataFrame:
    """Measure the members' mean outputs on rows that they have seen and on others, one row per fold."""
    table = []
    for fold, (learn, validate) in enumerate(splits):
        row = {"fold": fold, "epochs": float(np.mean([epochs for _, epochs in trained[fold]]))}
        networks = [network for network, _ in trained[fold]]
        parts = {"training": learn, "validation": validate, "held_out": np.flatnonzero(folds == fold)}
        for name, rows in parts.items():
            measures = performance_of(target, rows, _mean_outputs(networks, expression, rows))
            row |= {f"{name}_{key}": value for key, value in measures.items()}
        table.append(row)
    return pd.DataFrame(table)


def _mean_outputs(networks: list[nn.Module], expression: DenseRows, rows: np.ndarray) -> np.ndarray:
    """Compute the mean of the members' outputs, which is what is explained."""
    with one_thread():
        return torch.stack([predict(network, expression, rows) for network in networks]).mean(0).double().cpu().numpy()
