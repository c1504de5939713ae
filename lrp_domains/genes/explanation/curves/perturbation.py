"""The output of networks for cells without the top genes of an order, or with only these."""

from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from ....domain.hardware.threads import one_thread
from ...cohorts.values.expression import Expression
from ...cohorts.values.some_cells import only_cells
from ...models.model import GeneModel, predict
from ..requests.sizes import CHUNK_NUMBERS
from .first_layer import FirstLayer, first_layer

CELLS = 64  # at once, where only the first layer's outputs are computed for each number of genes


@dataclass(frozen=True)
class Perturbation:
    """Cells whose genes are deleted or inserted.

    Attributes
    ----------
    model
        Predicts each cell by the networks that have not seen it.
    target
        The number of the output that is measured.
    values
        The cells' expression, cells x the model's genes, dense.
    without
        What deleted genes are set to, in the same shape.
    folds
        The fold of each cell.
    first_layers
        What `first_layer` returns for each network; filled in, and shared by the groups of a cohort.
    unchanged
        The outputs of a network's first layer before any gene is changed, by network, curve and first cell; filled in.
    """

    model: GeneModel
    target: int
    values: np.ndarray = field(repr=False)
    without: np.ndarray = field(repr=False)
    folds: np.ndarray = field(repr=False)
    first_layers: dict[nn.Module, FirstLayer | None] = field(default_factory=dict, repr=False)
    unchanged: dict[tuple[nn.Module, str, int], Tensor] = field(default_factory=dict, repr=False)

    def measure(self, genes: np.ndarray, counts: np.ndarray, curve: str) -> np.ndarray:
        """Measure the probability, or the change of the output, per cell (rows) and number of genes (columns).

        Parameters
        ----------
        genes
            Numbers of the model's genes, in the order in which they are deleted or inserted.
        counts
            The numbers of genes to delete or insert.
        curve
            ``"deletion"`` or ``"insertion"``.
        """
        measured = np.empty((len(self.values), len(counts)))
        change = _Change(genes[: counts.max()], counts, curve)
        for fold in np.unique(self.folds):
            rows = np.flatnonzero(self.folds == fold)
            networks = [network for _, network in self.model.unseen(int(fold))]
            fast = all(self._first_layer(network) is not None for network in networks)
            at_once = CELLS if fast else max(1, CHUNK_NUMBERS // (len(counts) * self.values.shape[1]))
            with one_thread() if fast else nullcontext():
                for batch in np.split(rows, range(0, len(rows), at_once)[1:]):
                    measured[batch] = self._measured(networks, batch, change)
        return measured

    def _measured(self, networks: list[nn.Module], rows: np.ndarray, change: "_Change") -> np.ndarray:
        """Measure some cells of a fold."""
        mean = torch.stack([self._outputs(network, rows, change) for network in networks]).mean(0).double()
        if self.model.task == "classes":
            return mean.softmax(2)[:, :, self.target].cpu().numpy()
        intact = [predict(self.model, network, self._tensors(network, rows)[0]) for network in networks]
        distance = (mean - torch.stack(intact).mean(0).double()[:, None]).abs()
        return distance[:, :, self.target].cpu().numpy()

    def _first_layer(self, network: nn.Module) -> FirstLayer | None:
        if network not in self.first_layers:
            self.first_layers[network] = first_layer(self.model, network)
        return self.first_layers[network]

    def _tensors(self, network: nn.Module, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return some cells' values, and those of cells without any gene, on the network's device."""
        like = self.model.values_like(network)
        values, without = (
            torch.as_tensor(values[rows]).to(device=like.device, dtype=like.dtype)
            for values in (self.values, self.without)
        )
        return values, without

    def _outputs(self, network: nn.Module, rows: np.ndarray, change: "_Change") -> Tensor:
        """Compute a network's outputs: cells x numbers of genes x outputs."""
        values, without = self._tensors(network, rows)
        start, end = (values, without) if change.curve == "deletion" else (without, values)
        layer = self._first_layer(network)
        if layer is None:
            changed = start[:, None].repeat(1, len(change.counts), 1)
            for number, count in enumerate(change.counts):
                genes = torch.as_tensor(change.genes[:count], device=start.device)
                changed[:, number, genes] = end[:, genes]
            return predict(self.model, network, changed.flatten(0, 1)).view(len(rows), len(change.counts), -1)

        key = (network, change.curve, int(rows[0]))
        if key not in self.unchanged:
            self.unchanged[key] = layer.outputs_of(start)
        steps, before = [self.unchanged[key]], 0
        for count in change.counts:
            genes = torch.as_tensor(change.genes[before:count], device=start.device)
            steps.append(steps[-1] + layer.changes(end[:, genes] - start[:, genes], genes))
            before = count
        outputs = layer.predict_from(torch.stack(steps[1:], 1).flatten(0, 1))
        return outputs.view(len(rows), len(change.counts), -1)


@dataclass(frozen=True)
class _Change:
    """The order in which genes are changed, the numbers of genes to measure at, and the kind of curve."""

    genes: np.ndarray = field(repr=False)
    counts: np.ndarray = field(repr=False)
    curve: str


def read_cells(expression: Expression, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read single cells, in order.

    Returns
    -------
    Their values as the model reads them, dense, and the fold of each.
    """
    chunk = only_cells(expression, rows).chunk(0, len(rows))
    return chunk.values.toarray() if sparse.issparse(chunk.values) else chunk.values, chunk.folds
