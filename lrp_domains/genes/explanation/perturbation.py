"""A network's output on cells that lack the first genes of an order, or have them alone."""

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ..cohorts.expression import Expression
from ..models.model import GeneModel, predict
from .plan import CHUNK_NUMBERS

WINDOW = 256  # cells so close are read in one go


def measure(
    model: GeneModel,
    read: np.ndarray,
    folds: np.ndarray,
    genes: np.ndarray,
    counts: np.ndarray,
    curve: str,
    target: int,
) -> np.ndarray:
    """Give the probability, or the change of the output, for each cell (rows) and number of genes (columns)."""
    measured = np.empty((len(read), len(counts)))
    place = np.full(read.shape[1], read.shape[1])
    place[genes] = np.arange(len(genes))
    for fold in np.unique(folds):
        here = np.flatnonzero(folds == fold)
        networks = [network for _, network in model.unseen(int(fold))]
        like = model.values_like(networks[0])
        first = torch.as_tensor(place < counts[:, None], device=like.device)  # numbers of genes x genes
        kept = first if curve == "insertion" else ~first
        for some in np.split(here, range(0, len(here), max(1, CHUNK_NUMBERS // first.numel()))[1:]):
            cells = torch.as_tensor(read[some]).to(device=like.device, dtype=like.dtype)
            changed = (cells[:, None] * kept).flatten(0, 1)  # all numbers of genes of a cell at once
            given = _output(model, networks, changed, target).view(-1, len(counts))
            if model.task != "classes":
                given = (given - _output(model, networks, cells, target)[:, None]).abs()
            measured[some] = given.cpu().numpy()
    return measured


def _output(model: GeneModel, networks: list, cells: Tensor, target: int) -> Tensor:
    mean = torch.stack([predict(model, network, cells) for network in networks]).mean(0).double()
    return mean.softmax(1)[:, target] if model.task == "classes" else mean[:, target]


def read_rows(found: Expression, rows: np.ndarray) -> np.ndarray:
    """Read single cells, in order, as the model reads them; neighbours at once."""
    read = []
    for start in np.unique(rows // WINDOW) * WINDOW:
        here = rows[(rows >= start) & (rows < start + WINDOW)]
        values = found.chunk(int(here[0]), int(here[-1]) + 1).values[here - here[0]]
        read.append(values.toarray() if sparse.issparse(values) else values)
    return np.concatenate(read)
