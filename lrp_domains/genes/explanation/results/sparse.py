"""Relevance as it is stored: with the entries of the expression where that is sparse, and in the cohort's columns."""

import numpy as np
from scipy import sparse
from scipy.linalg import blas

from ...cohorts.values.expression import Chunk, Expression
from ...cohorts.values.normalisation import Matrix
from ...errors import CohortError

# The largest share of relevance that may fall on genes that aren't expressed; a larger one can't be rounding.
DROPPED = 1e-3


def empty_relevance(chunk: Chunk, *, is_sparse: bool) -> Matrix:
    """Allocate a matrix of zeros for the relevance of a chunk's cells, cells x the model's genes.

    It has the entries of the expression where that is sparse, unless genes that aren't expressed may have relevance.
    """
    values = chunk.values
    if sparse.issparse(values) and is_sparse:
        return with_data(values, np.zeros(values.nnz, np.float32))
    return np.zeros(values.shape, np.float32)


def add_rows(relevance: Matrix, rows: np.ndarray, added: np.ndarray) -> Matrix:
    """Add the relevance of some cells to a matrix from `empty_relevance`; return what was added in the same form.

    Parameters
    ----------
    relevance
        Cells x genes.
    rows
        The numbers of some of the cells, ascending.
    added
        Their relevance, dense.
    """
    if not sparse.issparse(relevance):
        relevance[rows] += added
        return added

    part = relevance if len(rows) == relevance.shape[0] else relevance[rows]
    genes = added.shape[1]
    entries = np.repeat(np.arange(0, len(rows) * genes, genes), np.diff(part.indptr)) + part.indices
    data = np.ascontiguousarray(added).reshape(-1).take(entries)
    _check_dropped(added, data)

    if part is relevance:
        relevance.data += data
    else:
        lengths = np.diff(relevance.indptr)
        relevance.data[np.repeat(np.isin(np.arange(len(lengths)), rows), lengths)] += data
    return with_data(part, data)


def in_columns_of_cohort(relevance: Matrix, chunk: Chunk, expression: Expression) -> Matrix:
    """Move relevance, cells x the model's genes, to the cohort's columns.

    Returns
    -------
    Cells x the cohort's genes: CSR with exactly the entries of the expression where `relevance` is sparse, else an
    array. Genes that the model doesn't read have relevance 0.
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
    # Copies, because adata.X.eliminate_zeros() would otherwise also move these entries.
    return sparse.csr_matrix((data, stored.indices.copy(), stored.indptr.copy()), shape=stored.shape)


def with_data(matrix: sparse.csr_matrix, data: np.ndarray) -> sparse.csr_matrix:
    """Return a matrix with the entries of another one and new values; the index arrays are shared."""
    result = sparse.csr_matrix(matrix.shape, dtype=data.dtype)
    # Set one by one, because the constructor would check the order of all entries again.
    result.data, result.indices, result.indptr = data, matrix.indices, matrix.indptr
    result.has_canonical_format = True
    return result


def _check_dropped(added: np.ndarray, kept: np.ndarray) -> None:
    """Raise if relevance falls where a sparse matrix has no entry."""
    total = float(blas.sasum(np.ascontiguousarray(added).reshape(-1)))
    dropped = total - float(blas.sasum(kept)) if len(kept) else total
    if dropped > DROPPED * total:
        raise CohortError(
            f"{dropped / total:.1%} of the relevance is on genes that are not expressed in the cell, where a sparse "
            "layer has no entry for it: the rules or the model don't read an absent gene as 0; explain a dense matrix "
            "(adata.X = adata.X.toarray()), or use another rule set"
        )
