"""Cross-validation: every cell gets a network that was trained without it."""

from collections.abc import Callable, Iterable
from dataclasses import asdict

import numpy as np
import pandas as pd
import torch
from anndata import AnnData

from ..cohorts.expression import dense_batch, expects_all, expression
from ..cohorts.labels import check_group_sizes, label_column
from ..models.classifier import GeneClassifier, parameter_of
from ..models.model import GeneModel, check_network
from .fit import NetworkFactory, Training, fit, predict
from .one_thread import one_thread

Progress = Callable[[Iterable, str], Iterable]


def quietly(items: Iterable, description: str) -> Iterable:
    """Show no progress."""
    return items


def train(
    adata: AnnData,
    labels: str,
    *,
    layer: str = "X",
    normalisation: str = "log",
    training: Training | None = None,
    network: NetworkFactory | None = None,
    device: str | torch.device = "cpu",
    progress: Progress = quietly,
) -> GeneModel:
    """Train one network per fold, so that each cell can be explained by one that has not seen it.

    The cells are cut into folds of like composition. Network `k` learns from the other folds, less a part of
    them on which it stops early; nothing of fold `k` enters it. Groups weigh alike in the loss, however many
    cells they have.

    Parameters
    ----------
    adata
        The cohort; it is not changed.
    labels
        The column of ``obs`` to learn.
    layer
        The expression to read: ``"X"``, ``"raw"`` (the same genes from ``adata.raw``) or a name in
        ``layers``. It should be zero where nothing was counted, such as log-normalised counts.
    training
        Settings; `Training()` if not given.
    network
        From the number of genes and of classes to a new network, if it should not be a `GeneClassifier`.
    device
        Where to train.
    progress
        Wraps the iteration over folds, such as ``rich.progress.track``.

    Raises
    ------
    CohortError
        The cohort cannot be learnt from as it is; the message says why.

    Examples
    --------
    >>> model = train(adata, "cell_type")
    >>> model.performance["held_out_balanced_accuracy"].mean()
    """
    training = training or Training()
    expects = expects_all(adata, layer=layer, normalisation=normalisation)
    matrix = expression(adata, expects).chunk(0, adata.n_obs).values
    groups = label_column(adata, labels, least=2)
    check_group_sizes(groups, training.folds)
    codes, classes = groups.cat.codes.to_numpy().astype(np.int64), tuple(groups.cat.categories)
    network = network or (lambda genes, classes: GeneClassifier(genes, classes, training.hidden, training.dropout))
    folds = _deal(codes, training.folds, training.seed)
    networks, rows = [], []
    for fold in progress(range(training.folds), "Training"):
        seed = training.seed * training.folds + fold
        learn, validate = _split(np.flatnonzero(folds != fold), codes, training.validation_share, seed)
        with torch.random.fork_rng(), one_thread():  # the caller's random numbers go on as if nothing had been drawn
            torch.manual_seed(seed)
            trained = network(adata.n_vars, len(classes)).to(device)
            alone = GeneModel(((trained,),), expects, classes)
            check_network(alone, trained, dense_batch(matrix, slice(0, 2), parameter_of(trained)))
            epochs = fit(trained, matrix, codes, learn, validate, training, seed)
        networks.append(trained)
        rows.append(
            {"fold": fold, "epochs": epochs} | _accuracies(trained, matrix, codes, learn, validate, folds == fold)
        )
    return GeneModel(
        networks=tuple((network,) for network in networks),
        expects=expects,
        classes=classes,
        labels=labels,
        folds=pd.Series(folds, index=adata.obs_names),
        training=asdict(training),
        performance=pd.DataFrame(rows),
    )


def _deal(codes: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deal cells to folds like cards, group after group: no fold has two cells of a group more than another."""
    order = np.random.default_rng(seed).permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    dealt = np.empty(len(codes), np.int64)
    dealt[order] = np.arange(len(codes)) % folds
    return dealt


def _split(rows: np.ndarray, codes: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut training cells into those to learn from and, of each group with two or more, some to stop early on."""
    shuffled = pd.Series(codes[rows], index=rows).sample(frac=1, random_state=seed)
    position = shuffled.groupby(shuffled).cumcount()
    size = shuffled.groupby(shuffled).transform("size")
    validation = position < np.minimum(np.ceil(share * size), size - 1)
    return np.sort(shuffled.index[~validation]), np.sort(shuffled.index[validation])


def _accuracies(network, matrix, codes, learn, validate, held_out) -> dict[str, float]:
    row = {}
    for name, rows in (("training", learn), ("validation", validate), ("held_out", np.flatnonzero(held_out))):
        predicted = predict(network, matrix, rows).argmax(1).cpu().numpy()
        row[f"{name}_cells"] = len(rows)
        right = pd.Series(predicted == codes[rows])
        row[f"{name}_accuracy"] = float(right.mean())
        row[f"{name}_balanced_accuracy"] = float(right.groupby(codes[rows]).mean().mean())  # groups count alike
    return row
