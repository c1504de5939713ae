"""The output of networks for cells without the top genes of an order, or with only these."""

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ..cohorts.expression import Expression
from ..models.model import GeneModel, predict
from .plan import CHUNK_NUMBERS

WINDOW = 256  # cells that are at most this far apart are read at once


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
    """

    model: GeneModel
    target: int
    values: np.ndarray = field(repr=False)
    without: np.ndarray = field(repr=False)
    folds: np.ndarray = field(repr=False)

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
        n_genes = self.values.shape[1]
        rank = np.full(n_genes, n_genes)
        rank[genes] = np.arange(len(genes))

        for fold in np.unique(self.folds):
            rows = np.flatnonzero(self.folds == fold)
            networks = [network for _, network in self.model.unseen(int(fold))]
            like = self.model.values_like(networks[0])
            top = torch.as_tensor(rank < counts[:, None], device=like.device)  # numbers of genes x genes
            kept = top if curve == "insertion" else ~top
            for batch in np.split(rows, range(0, len(rows), max(1, CHUNK_NUMBERS // top.numel()))[1:]):
                cells, without = (
                    torch.as_tensor(values[batch]).to(device=like.device, dtype=like.dtype)
                    for values in (self.values, self.without)
                )
                # All numbers of genes of a cell at once.
                changed = torch.where(kept, cells[:, None], without[:, None]).flatten(0, 1)
                outputs = self._output(networks, changed).view(-1, len(counts))
                if self.model.task != "classes":
                    outputs = (outputs - self._output(networks, cells)[:, None]).abs()
                measured[batch] = outputs.cpu().numpy()
        return measured

    def _output(self, networks: list, cells: Tensor) -> Tensor:
        """Compute the target's probability, or the output, from the mean of the networks' outputs."""
        mean = torch.stack([predict(self.model, network, cells) for network in networks]).mean(0).double()
        return mean.softmax(1)[:, self.target] if self.model.task == "classes" else mean[:, self.target]


def read_cells(expression: Expression, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read single cells, in order; cells that are close are read at once.

    Returns
    -------
    Their values as the model reads them, dense, and the fold of each.
    """
    parts, folds = [], []
    for start in np.unique(rows // WINDOW) * WINDOW:
        near = rows[(rows >= start) & (rows < start + WINDOW)]
        chunk = expression.chunk(int(near[0]), int(near[-1]) + 1)
        values = chunk.values[near - near[0]]
        parts.append(values.toarray() if sparse.issparse(values) else values)
        folds.append(chunk.folds[near - near[0]])
    return np.concatenate(parts), np.concatenate(folds)
