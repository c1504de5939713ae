"""Fitting one network, with early stopping on cells that it doesn't learn from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..cohorts.expression import batches, dense_batch
from ..cohorts.normalisation import Matrix
from ..errors import CohortError
from ..models.classifier import parameter_of
from ..models.evaluation_mode import evaluation_mode

NetworkFactory = Callable[[int, int], nn.Module]


@dataclass(frozen=True)
class Training:
    """How networks are trained.

    Attributes
    ----------
    folds
        In how many parts the cells are cut; each part is explained by the network trained on the others.
    seed
        Fixes folds, initial weights, dropout and the order of cells.
    hidden, dropout
        Of the built-in `GeneClassifier`.
    learning_rate, weight_decay, batch_size
        Of AdamW.
    epochs, patience
        The most epochs, and after how many without a lower validation loss to stop.
    validation_share
        The share of each group's training cells that early stopping looks at instead.
    """

    folds: int = 5
    seed: int = 0
    hidden: int = 128
    dropout: float = 0.2
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    batch_size: int = 64
    epochs: int = 200
    patience: int = 10
    validation_share: float = 0.15


def fit(
    network: nn.Module,
    matrix: Matrix,
    codes: np.ndarray,
    learn: np.ndarray,
    validate: np.ndarray,
    training: Training,
    seed: int,
) -> int:
    """Train `network` in place and leave it in eval mode with the weights of its best epoch.

    Parameters
    ----------
    network
        Expression, cells x genes, to logits, cells x classes.
    matrix, codes
        Expression and class number of all cells.
    learn, validate
        The row numbers of the cells to learn from, and of those to stop early on. No other row is looked at.
    training, seed
        Settings, and the seed of this network's order of cells.

    Returns
    -------
    The number of epochs until the best one.
    """
    like = parameter_of(network)
    # Rare groups weigh as much as frequent ones; a group without a cell in `learn` cannot occur (see out_of_fold).
    counts = np.bincount(codes[learn], minlength=codes.max() + 1)
    weight = torch.as_tensor(len(learn) / (len(counts) * counts), dtype=like.dtype, device=like.device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    order = np.random.default_rng(seed)
    classes = torch.as_tensor(codes, dtype=torch.long, device=like.device)
    best, best_epoch, best_state = np.inf, 0, None
    for epoch in range(1, training.epochs + 1):
        network.train()
        for rows in batches(order.permutation(learn), training.batch_size):
            if len(rows) == 1:  # a lone last cell has no variance, which batch norm needs
                continue
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(network(dense_batch(matrix, rows, like)), classes[rows], weight)
            loss.backward()
            optimiser.step()
        logits = predict(network, matrix, validate, training.batch_size)
        loss = nn.functional.cross_entropy(logits, classes[validate], weight).item()
        if not np.isfinite(loss):
            raise CohortError(
                f"training diverged in epoch {epoch} (the loss is {loss}); log-normalise the expression, or lower the "
                "learning rate"
            )
        if loss < best - 1e-4:
            best, best_epoch = loss, epoch
            best_state = {name: value.clone() for name, value in network.state_dict().items()}
        elif epoch - best_epoch >= training.patience:
            break
    network.load_state_dict(best_state)
    network.eval().zero_grad()
    return best_epoch


def predict(network: nn.Module, matrix: Matrix, rows: np.ndarray, batch_size: int = 512) -> torch.Tensor:
    """Logits of some cells, in batches, in eval mode."""
    like = parameter_of(network)
    with evaluation_mode(network), torch.no_grad():
        return torch.cat([network(dense_batch(matrix, part, like)) for part in batches(rows, batch_size)])
