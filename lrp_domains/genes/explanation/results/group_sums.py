"""Sums of cells' values, gene by gene, over groups of cells."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from ...cohorts.values.normalisation import Matrix

# Adds a function of each cell's values to a total, groups x genes.
AddByGroup = Callable[[np.ndarray, Callable[[np.ndarray], np.ndarray]], None]


def sums_by_group(values: Matrix, group: np.ndarray) -> AddByGroup:
    """Return a function that adds a function of each value, such as its square, to the total of its cell's group.

    Parameters
    ----------
    values
        Cells x genes. Of a sparse matrix only the entries are added, so the function must be 0 at 0. They are added
        one after another in float64, so that the totals don't depend on the size of chunks.
    group
        The number of each cell's group.

    Examples
    --------
    >>> add = sums_by_group(relevance, group)
    >>> add(squares, np.square)
    """
    if sparse.issparse(values):
        entries = np.repeat(group * values.shape[1], np.diff(values.indptr)) + values.indices
        data = values.data.astype(np.float64)

        def add(total: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> None:
            np.add.at(total.reshape(-1), entries, of(data).astype(np.float64, copy=False))

        return add

    present, codes = np.unique(group, return_inverse=True)
    cells = np.arange(len(group))
    if values.dtype not in (np.float32, np.float64):  # squares of small types overflow
        values = values.astype(np.float32)
    members = sparse.csr_matrix((np.ones(len(group), np.float32), (codes, cells)), shape=(len(present), len(group)))

    def add_dense(total: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> None:
        total[present] += members @ of(values).astype(np.float32, copy=False)  # float32 within a chunk only

    return add_dense


def unchanged(values: np.ndarray) -> np.ndarray:
    """Return the values."""
    return values


def positive_part(values: np.ndarray) -> np.ndarray:
    """Return positive values unchanged, and 0 for others."""
    return np.maximum(values, 0)


def is_positive(values: np.ndarray) -> np.ndarray:
    """Return whether values are positive."""
    return values > 0
