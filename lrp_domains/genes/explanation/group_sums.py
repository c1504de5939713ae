"""Sums of cells' values, gene by gene, over groups of cells."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from ..cohorts.normalisation import Matrix

# Takes a total, groups x genes, and a function of a cell's values.
Adding = Callable[[np.ndarray, Callable[[np.ndarray], np.ndarray]], None]


def adding(values: Matrix, group: np.ndarray) -> Adding:
    """Give a function that adds something of each value, such as its square, to the total of its cell's group.

    Parameters
    ----------
    values
        Cells x genes. Of a sparse matrix only entries are looked at, so what is added must be 0 for 0; they are
        added one after another in float64, so that the totals don't depend on how cells are cut into chunks.
    group
        The number of each cell's group.

    Examples
    --------
    >>> by_group = adding(relevance, group)
    >>> by_group(squares, np.square)
    """
    if sparse.issparse(values):
        places = np.repeat(group * values.shape[1], np.diff(values.indptr)) + values.indices
        data = values.data.astype(np.float64)

        def add(total: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> None:
            np.add.at(total.reshape(-1), places, of(data).astype(np.float64, copy=False))

        return add
    present, codes = np.unique(group, return_inverse=True)
    cells = np.arange(len(group))
    members = sparse.csr_matrix((np.ones(len(group), np.float32), (codes, cells)), shape=(len(present), len(group)))

    def add_dense(total: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> None:
        total[present] += members @ of(values).astype(np.float32, copy=False)  # within a chunk; totals are float64

    return add_dense


def as_is(values: np.ndarray) -> np.ndarray:
    """Give the values."""
    return values


def positive_part(values: np.ndarray) -> np.ndarray:
    """Give what is above 0."""
    return np.maximum(values, 0)


def is_positive(values: np.ndarray) -> np.ndarray:
    """Tell what is above 0."""
    return values > 0
