"""Relevance as it is kept: with the entries of the expression where that is sparse, and in a cohort's own columns."""

import numpy as np
from scipy import sparse
from scipy.linalg import blas

from ..cohorts.expression import Chunk, Expression
from ..cohorts.normalisation import Matrix
from ..errors import CohortError

# Relevance that would fall on genes that aren't expressed, as a share of all: more than rounding is no rounding.
DROPPED = 1e-3


def room_for(chunk: Chunk, expression: Expression) -> Matrix:
    """Give a matrix of zeros for the relevance of a chunk's cells, cells x the model's genes.

    It is sparse, with the entries of the expression, where that is sparse and a gene that isn't expressed is read as 0.
    """
    values = chunk.values
    if sparse.issparse(values) and expression.expects.zero_is_absence:
        return with_data(values, np.zeros(values.nnz, np.float32))
    return np.zeros(values.shape, np.float32)


def add_rows(relevance: Matrix, rows: np.ndarray, own: np.ndarray) -> Matrix:
    """Add the relevance of some cells to a matrix from `room_for`, and give what was added in the same form.

    Parameters
    ----------
    relevance
        Cells x genes.
    rows
        The numbers of some of the cells, ascending.
    own
        Their relevance, dense.
    """
    if not sparse.issparse(relevance):
        relevance[rows] += own
        return own
    part = relevance if len(rows) == relevance.shape[0] else relevance[rows]
    genes = own.shape[1]
    places = np.repeat(np.arange(0, len(rows) * genes, genes), np.diff(part.indptr)) + part.indices
    data = np.ascontiguousarray(own).reshape(-1).take(places)
    _check_dropped(own, data)
    if part is relevance:
        relevance.data += data
    else:
        lengths = np.diff(relevance.indptr)
        relevance.data[np.repeat(np.isin(np.arange(len(lengths)), rows), lengths)] += data
    return with_data(part, data)


def rows_of(relevance: Matrix, chunk: Chunk, expression: Expression) -> Matrix:
    """Put relevance, cells x the model's genes, into the cohort's columns.

    Returns
    -------
    Cells x the cohort's genes: CSR with the very entries of the expression where `relevance` is sparse, else an array.
    Genes that the model doesn't read hold 0.
    """
    position, stored = expression.alignment.position, chunk.stored
    if not sparse.issparse(relevance):
        rows = np.zeros((relevance.shape[0], len(position)), np.float32)
        rows[:, position >= 0] = relevance[:, position[position >= 0]]
        return rows
    data = relevance.data
    if len(data) < stored.nnz:
        data = np.zeros(stored.nnz, np.float32)
        data[position[stored.indices] >= 0] = relevance.data
    # Copies: adata.X.eliminate_zeros() would otherwise move the entries under our feet.
    return sparse.csr_matrix((data, stored.indices.copy(), stored.indptr.copy()), shape=stored.shape)


def _check_dropped(own: np.ndarray, kept: np.ndarray) -> None:
    """Refuse relevance that lies where a sparse matrix has no entry."""
    total = float(blas.sasum(np.ascontiguousarray(own).reshape(-1)))
    dropped = total - float(blas.sasum(kept)) if len(kept) else total
    if dropped > DROPPED * total:
        raise CohortError(
            f"{dropped / total:.1%} of the relevance lies on genes that are not expressed in the cell, where a sparse "
            "layer has no place for it: the rules or the model don't read an absent gene as 0; explain a dense matrix "
            "(adata.X = adata.X.toarray()), or use another rule set"
        )


def with_data(matrix: sparse.csr_matrix, data: np.ndarray) -> sparse.csr_matrix:
    """Give a matrix with the entries of another one, which keeps its own."""
    found = sparse.csr_matrix(matrix.shape, dtype=data.dtype)
    # Set one by one: the constructor looks through all entries again, to see whether they are in order.
    found.data, found.indices, found.indptr = data, matrix.indices, matrix.indptr
    found.has_canonical_format = True
    return found
