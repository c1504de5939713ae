"""A simulated cohort of a million cells, with planted marker genes for each group."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from anndata.io import sparse_dataset, write_elem
from scipy import sparse
from torch import nn

from lrp_domains.genes import GeneModel, gene_model

GENES, GROUPS, MARKERS = 2_000, 10, 10
DENSITY = 0.08  # the share of genes that a cell expresses, as in real single cells
CLASSES = [f"group {number}" for number in range(GROUPS)]
NAMES = [f"marker {i} of {group}" for group in CLASSES for i in range(MARKERS)]
NAMES += [f"gene {i}" for i in range(GENES - len(NAMES))]
CHUNK = 20_000  # cells


def markers_of(group: int) -> range:
    """Return the columns of a group's marker genes."""
    return range(group * MARKERS, (group + 1) * MARKERS)


def make(path: Path, cells: int) -> None:
    """Write a sparse cohort of log values in chunks of cells, by rows and uncompressed."""
    random = np.random.default_rng(0)
    group = random.integers(0, GROUPS, cells)
    with h5py.File(path, "w") as file:
        for name, table in (
            ("obs", pd.DataFrame({"group": pd.Categorical.from_codes(group, CLASSES)}, index=_cells(cells))),
            ("var", pd.DataFrame(index=NAMES)),
        ):
            write_elem(file, name, table)
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})

        for start in range(0, cells, CHUNK):
            chunk = _expression(group[start : start + CHUNK], random)
            if start == 0:
                chunk.indptr = chunk.indptr.astype(np.int64)  # the file may have more than 2,147,483,647 entries
                write_elem(file, "X", chunk)
            else:
                sparse_dataset(file["X"]).append(chunk)


def _cells(cells: int) -> list[str]:
    return [f"cell {number}" for number in range(cells)]


def _expression(group: np.ndarray, random: np.random.Generator) -> sparse.csr_matrix:
    expressed = random.random((len(group), GENES), dtype=np.float32) < DENSITY
    level = np.full((len(group), GENES), 1.0, np.float32)
    for number in range(GROUPS):
        markers = np.ix_(group == number, markers_of(number))
        expressed[markers] = random.random(expressed[markers].shape) < 0.7
        level[markers] = 3.0
    matrix = sparse.csr_matrix(expressed, dtype=np.float32)
    matrix.data = np.log1p(level[expressed] * random.exponential(1.0, matrix.nnz)).astype(np.float32)
    return matrix


def trained(path: Path) -> GeneModel:
    """Train a network on the first cells of a cohort for a few seconds."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(GENES, 128), nn.ReLU(), nn.Linear(128, GROUPS))
    with h5py.File(path) as file:
        values = torch.as_tensor(sparse_dataset(file["X"])[:CHUNK].toarray())
        labels = torch.as_tensor(file["obs/group/codes"][: len(values)].astype(np.int64))

    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    for rows in torch.randperm(len(values)).split(256):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(values[rows]), labels[rows]).backward()
        optimiser.step()
    return gene_model(network.eval(), NAMES, CLASSES, labels="group")
