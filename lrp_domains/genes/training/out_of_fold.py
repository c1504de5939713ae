"""Cross-validation: every cell gets networks that were trained without it."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anndata import AnnData

from ..cohorts.expression import expects_all, expression
from ..cohorts.labels import donor_column
from ..explanation.plan import device_of
from ..models.built_in import built_in
from ..models.model import GeneModel
from .checkpoints import finished_in
from .fit import predict, reader
from .folds import deal, split
from .member import Bench, NetworkFactory
from .one_thread import one_thread
from .performance import performance_of
from .settings import Training, resolved
from .target import target_of

Progress = Callable[[Iterable, str], Iterable]


def quietly(items: Iterable, description: str) -> Iterable:
    """Show no progress."""
    return items


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
    training: Training | None = None,
    network: NetworkFactory | None = None,
    device: str | torch.device = "auto",
    resume: str | Path | None = None,
    progress: Progress = quietly,
) -> GeneModel:
    """Train networks per fold, so that each cell can be explained by such that have not seen it.

    The cells are cut into folds of like composition. The networks of fold `k` learn from the other folds, less a part
    of them on which they stop early; nothing of fold `k` enters them, and with `donor` nothing of its donors.

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
        The column of ``obs`` with the donor or patient of each cell, ``"index"`` where every row is one.
    layer, normalisation, identifiers
        The expression to read, what its values are or are made into, and the kind of gene names; see `Expects`.
    training
        Settings; `Training()` if not given.
    network
        From the number of genes and of outputs to a new network, if it should not be a built-in one.
    device
        ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"``, ...
    resume
        A folder to keep finished networks in. Called again after an interruption, with the same data and settings,
        they are not trained again.
    progress
        Wraps the iteration over networks, such as ``rich.progress.track``.

    Raises
    ------
    CohortError
        The cohort cannot be learnt from as it is; the message says why.

    Examples
    --------
    >>> model = train(adata, "cell_type", donor="patient")
    >>> model.performance["held_out_balanced_accuracy"].mean()
    >>> model = train(tumours, "relapse", task="survival", time="months", donor="index", normalisation="zscore")
    """
    expects = expects_all(adata, layer=layer, normalisation=normalisation, identifiers=identifiers)
    matrix = expression(adata, expects).chunk(0, adata.n_obs).values
    target = target_of(adata, labels, task, time)
    donors = None if donor is None else donor_column(adata.obs, donor)
    alone = donors is not None and donors.is_unique
    bulk = alone or not expects.zero_is_absence
    settings = resolved(training or Training(), rows=adata.n_obs, bulk=bulk, task=task)
    folds = deal(target, None if alone else donors, settings.folds, settings.seed)
    kept = finished_in(resume, matrix, target.values, target.time, expects, settings)
    make = network or (lambda genes, outputs: built_in(asdict(settings), genes, outputs))
    device = device_of(device)

    untrained = GeneModel(((),), expects, target.names, task)
    read = reader(matrix, torch.zeros((), device=device))
    cuts = [
        split(np.flatnonzero(folds != fold), target, None if alone else donors, settings.validation_share, seed)
        for fold, seed in enumerate(range(1000 * settings.seed, 1000 * settings.seed + folds.max() + 1))
    ]
    bench = Bench(read, target, settings, make, untrained, device, kept)
    trained = [[] for _ in cuts]
    tasks = [(fold, member) for fold in range(len(cuts)) for member in range(settings.members)]
    for fold, member in progress(tasks, "Training"):
        trained[fold].append(bench.train(fold, member, *cuts[fold]))
    rows = [
        {"fold": fold, "epochs": float(np.mean([epochs for _, epochs in members]))}
        | _performance([network for network, _ in members], read, target, *cut, np.flatnonzero(folds == fold))
        for fold, (members, cut) in enumerate(zip(trained, cuts, strict=True))
    ]
    return GeneModel(
        networks=tuple(tuple(network for network, _ in members) for members in trained),
        expects=expects,
        classes=target.names,
        task=task,
        labels=labels,
        folds=pd.Series(folds, index=adata.obs_names),
        training=asdict(settings)
        | {"folds": len(cuts), "network": "own" if network else settings.network}
        | {"donor": donor or "", "time": time or ""},
        performance=pd.DataFrame(rows),
    )


def _performance(networks, read, target, learn, validate, held_out) -> dict[str, float]:
    """Measure the members' mean score, which is what is explained, on rows that they have seen and on others."""
    row = {}
    for name, rows in (("training", learn), ("validation", validate), ("held_out", held_out)):
        with one_thread():
            outputs = torch.stack([predict(network, read, rows) for network in networks]).mean(0)
        measured = performance_of(target, rows, outputs.double().cpu().numpy())
        row |= {f"{name}_{key}": value for key, value in measured.items()}
    return row
