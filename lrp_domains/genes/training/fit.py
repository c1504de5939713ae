"""Fitting one network, with early stopping on cells that it isn't trained on."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from ...domain import parameter_of
from ..cohorts.values.expression import batches, dense_batch
from ..cohorts.values.normalisation import Matrix
from ..errors import CohortError
from ..models.reading import outputs_of
from .losses import Loss
from .settings import Training

# From row numbers to their expression, dense, on the network's device.
DenseRows = Callable[[np.ndarray], Tensor]
# A cohort of at most this many numbers is kept dense on the device while networks are trained.
DENSE_NUMBERS = 50_000_000


def dense_rows(matrix: Matrix, like: Tensor) -> DenseRows:
    """Return a function from row numbers to a dense tensor of the dtype and device of `like`."""
    if matrix.shape[0] * matrix.shape[1] > DENSE_NUMBERS:
        return lambda rows: dense_batch(matrix, rows, like)
    whole = dense_batch(matrix, slice(None), like)
    return lambda rows: whole[torch.as_tensor(rows, device=whole.device)]


def fit(
    network: nn.Module,
    expression: DenseRows,
    loss_of: Loss,
    *,
    learn: np.ndarray,
    validate: np.ndarray,
    training: Training,
    order: np.random.Generator,
    enough: float = 0.0,
) -> int:
    """Train `network` in place; it ends in eval mode with the weights of its best epoch.

    Parameters
    ----------
    network
        From expression, cells x genes, to scores, cells x outputs.
    expression, loss_of
        From rows to expression, and from outputs and rows to a loss.
    learn, validate
        The row numbers of the cells to learn from (repeated if they are a bootstrap sample), and of those to stop early
        on. No other row is used.
    training, order
        Settings, and the generator that shuffles the cells.
    enough
        The validation loss at which training stops.

    Returns
    -------
    The number of the best epoch.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    best, best_epoch, best_state = np.inf, 0, None
    for epoch in range(1, training.epochs + 1):
        network.train()
        for rows in batches(order.permutation(learn), training.batch_size):
            if len(rows) == 1:  # a single last cell has no variance, which batch norm needs
                continue
            optimiser.zero_grad()
            loss_of(scores(network, expression, rows), rows).backward()
            optimiser.step()

        loss = loss_of(predict(network, expression, validate), validate).item()
        if not np.isfinite(loss):
            raise CohortError(
                f"training diverged in epoch {epoch} (the loss is {loss}); log-normalise the expression, or lower the "
                "learning rate"
            )
        if loss < best - 1e-4:
            best, best_epoch = loss, epoch
            best_state = {name: value.clone() for name, value in network.state_dict().items()}
        if best <= enough or epoch - best_epoch >= training.patience:
            break
    network.load_state_dict(best_state)
    network.eval().zero_grad()
    return best_epoch


def predict(network: nn.Module, expression: DenseRows, rows: np.ndarray, *, batch_size: int = 512) -> Tensor:
    """Compute the scores of some cells, in batches; the network is in eval mode afterwards."""
    network.eval()
    with torch.no_grad():
        return torch.cat([scores(network, expression, batch) for batch in batches(rows, batch_size)])


def scores(network: nn.Module, expression: DenseRows, rows: np.ndarray) -> Tensor:
    """Compute the scores of some cells, in one batch, in the network's mode."""
    return outputs_of(network(expression(rows).to(parameter_of(network))))
