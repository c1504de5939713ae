"""Cross-validation: every cell gets networks that were trained without it."""

import warnings
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import nn

from ...domain import Progress, device_of, no_progress, require_space, size_on_disk
from ...domain.hardware.threads import one_thread
from ..cohorts.cells.labels import donor_column
from ..cohorts.cells.rare_groups import check_rare, without_rare_groups
from ..cohorts.values.content import contents_of
from ..cohorts.values.expression import expects_all, expression_of, keys_of
from ..cohorts.values.input_spec import Expects
from ..cohorts.values.training_cells import TrainingCells
from ..explanation.requests.decoy_rate import check_rate
from ..models.built_in import CENTRED, built_in
from ..models.model import GeneModel
from .chance import held_out
from .checkpoints import open_checkpoints
from .decoy_scores import check_own_network, decoy_scores, names_of_decoys
from .fit import DenseRows, predict
from .fold_data import CohortData, few_zeros
from .folds import deal, split
from .member import MemberTraining, NetworkFactory
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
    log_base: float | str | None = None,
    gene_column: str | None = None,
    least_cells: int | None = None,
    rare: str | None = None,
    training: Training | None = None,
    network: NetworkFactory | None = None,
    fdr: float | None = None,
    device: str | torch.device | None = None,
    resume: str | Path | None = None,
    progress: Progress = no_progress,
) -> GeneModel:
    """Train networks per fold, so that each cell can be explained by those that have not seen it.

    The cells are split into folds of similar composition. The networks of fold `k` learn from the other folds, except
    for a part of them on which they stop early; they see nothing of fold `k`, and with `donor` nothing of its donors.

    An MLP or a linear network of bulk, or of values that are hardly ever 0 (log2 intensities), learns from genes that
    are centred by their means in the rows that the fold learns from. Its first layer absorbs these means afterwards: it
    reads the layer unchanged, and is the same function.

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
    layer, normalisation, identifiers, log_base
        The expression to read, what its values are or are converted to, the kind of gene names, and the base of its
        logs; see `Expects`.
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
    fdr
        The false discovery rate at which `rank` is to select genes, such as 0.1. Networks are then also trained on
        genes and decoys, ``training.decoys`` times, each of which takes about twice the time of the training alone.
        None for rankings without a test.
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

    Warns
    -----
    UserWarning
        Held-out rows are not predicted better than by chance; see ``model.held_out``.

    Examples
    --------
    >>> model = train(adata, "cell_type", donor="patient")
    >>> model.performance["held_out_balanced_accuracy"].mean()
    >>> model = train(tumours, "relapse", task="survival", time="months", donor="index", normalisation="zscore")
    """
    check_rate(fdr)
    check_rare(least_cells, rare)
    if least_cells is not None:
        adata = without_rare_groups(adata, labels, least_cells, rare=rare)
    expects = expects_all(
        adata,
        layer=layer,
        normalisation=normalisation,
        identifiers=identifiers,
        log_base=log_base,
        gene_column=gene_column,
    )
    if fdr is not None:
        names_of_decoys(expects.genes)

    # z-scores are made in each fold from the layer's values.
    unscaled = replace(expects, normalisation="centred") if normalisation == "zscore" else expects
    cohort = expression_of(adata, unscaled, gene_column=gene_column, made_unique=True)
    cells = cohort.chunk(0, adata.n_obs)

    target = target_of(adata, labels, task=task, time=time)
    donors = None if donor is None else donor_column(adata.obs, donor)
    every_row_a_donor = donors is not None and donors.is_unique
    if every_row_a_donor:
        donors = None  # folds of donors are folds of rows

    bulk = every_row_a_donor or not expects.zero_is_absence
    settings = training or Training()
    centred = (bulk or few_zeros(cells.values)) and network is None and settings.network in CENTRED
    settings = resolved(settings, rows=adata.n_obs, bulk=bulk, task=task, centred=centred)

    if fdr is not None and network is not None:
        check_own_network(network, GeneModel(((),), expects, target.names, task=task))

    folds = deal(target, donors, folds=settings.folds, seed=settings.seed)
    data = CohortData(
        cells.values,
        folds=folds,
        splits=_splits(folds, target, donors, settings=settings),
        zscored=normalisation == "zscore",
        centred=centred,
        device=device_of(device),
    )
    trained = _trained(data, target, settings, expects=expects, network=network, resume=resume, progress=progress)

    performance, outputs = _performance(trained, folds, target=target, data=data)
    model = GeneModel(
        networks=tuple(tuple(network for network, _ in members) for members in trained),
        expects=expects,
        classes=target.names,
        task=task,
        labels=labels,
        training_cells=TrainingCells(
            names=np.asarray(adata.obs_names, dtype=object),
            folds=folds,
            contents=contents_of(cells.stored, keys_of(expects, cohort.alignment)),
            moments=data.moments,
        ),
        training=asdict(settings)
        | {"folds": len(trained), "network": "own" if network else settings.network}
        | {"donor": donor or "", "time": time or "", "gene_column": gene_column or "", "fdr": fdr or 0.0},
        performance=performance,
        held_out=held_out(target, outputs, folds=folds, donors=donors),
    )
    if model.held_out.at_chance:
        warnings.warn(model.held_out.warning, stacklevel=2)
    if fdr is None:
        return model

    scores = decoy_scores(
        cells.values,
        adata.obs[[column for column in adata.obs if column in (labels, time, donor)]],
        expects,
        learnt=target.values,
        donors=donors,
        folds=folds,
        of_classes=task == "classes",
        settings=settings,
        train=partial(
            train, labels=labels, task=task, time=time, donor=donor, network=network, device=device, resume=resume
        ),
        progress=progress,
    )
    return replace(model, decoys=scores)


def _trained(
    data: CohortData,
    target: Target,
    settings: Training,
    *,
    expects: Expects,
    network: NetworkFactory | None,
    resume: str | Path | None,
    progress: Progress,
) -> list[list[tuple[nn.Module, int]]]:
    """Train the members of each fold, or load their checkpoints; return them with their numbers of epochs."""
    trained: list[list[tuple[nn.Module, int]]] = [[] for _ in data.splits]
    make = network or (lambda genes, outputs: built_in(asdict(settings), genes, outputs))
    if resume is not None and network is None:
        with torch.random.fork_rng():
            weights = make(len(expects.genes), len(target.names)).state_dict().values()
        # Each network is kept twice: by itself, and in the trained model.
        needed = 2 * sum(value.nbytes for value in weights) * len(data.splits) * settings.members
        require_space(resume, needed - size_on_disk(resume), is_folder=True)

    facts = (data.matrix, target.values, target.time, expects, replace(settings, decoys=1))  # the same for any number
    with open_checkpoints(resume, facts) as checkpoints:
        members = MemberTraining(
            target=target,
            settings=settings,
            make=make,
            untrained=GeneModel(((),), expects, target.names, task=target.task),
            device=data.like.device,
            checkpoints=checkpoints,
        )
        tasks = [(fold, member) for fold in range(len(trained)) for member in range(settings.members)]
        for fold, member in progress(tasks, "Training"):
            trained[fold].append(members.train(data.fold(fold), member))
    return trained


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
    trained: list[list[tuple[nn.Module, int]]], folds: np.ndarray, *, target: Target, data: CohortData
) -> tuple[pd.DataFrame, np.ndarray]:
    """Measure the members' mean outputs on rows that they have seen and on others.

    Returns
    -------
    A table with one row per fold, and the outputs of all rows, each by the networks that have not seen it.
    """
    table, outputs = [], np.empty((len(folds), len(target.names)))
    for number in range(len(trained)):
        fold = data.fold(number)
        row = {"fold": number, "epochs": float(np.mean([epochs for _, epochs in trained[number]]))}
        networks = [network for network, _ in trained[number]]
        held_out_rows = np.flatnonzero(folds == number)
        parts = {"training": fold.learn, "validation": fold.validate, "held_out": held_out_rows}
        for name, rows in parts.items():
            mean = _mean_outputs(networks, fold.expression, rows)
            row |= {f"{name}_{key}": value for key, value in performance_of(target, rows, mean).items()}
        outputs[held_out_rows] = mean
        table.append(row)
    return pd.DataFrame(table), outputs


def _mean_outputs(networks: list[nn.Module], expression: DenseRows, rows: np.ndarray) -> np.ndarray:
    """Compute the mean of the members' outputs, which is what is explained."""
    with one_thread():
        return torch.stack([predict(network, expression, rows) for network in networks]).mean(0).double().cpu().numpy()
