"""Relevance as it is stored: in a cohort's own columns, with the entries of its expression where that is sparse."""

import numpy as np
from scipy import sparse

from ..cohorts.expression import Chunk, Expression
from ..errors import CohortError

# Relevance that would fall on genes that aren't expressed, as a share of all: more than rounding is no rounding.
DROPPED = 1e-3


def rows_of(relevance: np.ndarray, chunk: Chunk, expression: Expression) -> np.ndarray | sparse.csr_matrix:
    """Put the relevance of a chunk's cells into the cohort's columns.

    Parameters
    ----------
    relevance
        Cells x the model's genes.

    Returns
    -------
    Cells x the cohort's genes: CSR with the very entries of the expression where that is sparse and where a gene that
    is not expressed is read as 0, else an array. Genes that the model doesn't read hold 0.
    """
    position = expression.alignment.position
    stored = chunk.stored
    if not (sparse.issparse(stored) and expression.expects.zero_is_absence):
        rows = np.zeros((chunk.stop - chunk.start, len(position)), np.float32)
        rows[:, position >= 0] = relevance[:, position[position >= 0]]
        return rows
    cells = np.repeat(np.arange(stored.shape[0]), np.diff(stored.indptr))
    columns = position[stored.indices]
    data = np.where(columns >= 0, relevance[cells, columns], 0).astype(np.float32)
    total = np.abs(relevance).sum(dtype=np.float64)
    dropped = total - np.abs(data).sum(dtype=np.float64)
    if dropped > DROPPED * total:
        raise CohortError(
            f"{dropped / total:.1%} of the relevance lies on genes that are not expressed in the cell, where a sparse "
            "layer has no place for it: the rules or the model don't read an absent gene as 0; explain a dense matrix "
            "(adata.X = adata.X.toarray()), or use another rule set"
        )
    # Copies: adata.X.eliminate_zeros() would otherwise move the entries under our feet.
    return sparse.csr_matrix((data, stored.indices.copy(), stored.indptr.copy()), shape=stored.shape)


def inputs_of(rows: np.ndarray | sparse.csr_matrix, position: np.ndarray, genes: int) -> tuple[np.ndarray, ...]:
    """Give stored relevance as entries: their cells, their genes among the model's, and their values."""
    if sparse.issparse(rows):
        cells = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        columns, data = position[rows.indices], rows.data
    else:
        cells = np.repeat(np.arange(rows.shape[0]), rows.shape[1])
        columns, data = np.tile(position, rows.shape[0]), rows.reshape(-1)
    known = columns >= 0
    return cells[known], columns[known], data[known]


def first_genes(relevance: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Give for each cell its `k` genes of most relevance, highest first: their columns and their relevance."""
    k = min(k, relevance.shape[1])
    columns = np.argpartition(-relevance, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(relevance, columns, 1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(columns, order, 1), np.take_along_axis(values, order, 1)
