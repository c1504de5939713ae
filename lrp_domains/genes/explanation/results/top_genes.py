"""The top genes of each cell."""

import numpy as np
from scipy import sparse

from ...cohorts.values.normalisation import Matrix


def top_genes(relevance: Matrix, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the top k genes of each cell, highest first: their columns and their relevance.

    Only genes that raise the score are kept; in a cell with fewer of them the rest is -1, with relevance 0.
    """
    k = min(k, relevance.shape[1])
    if k == 0:
        return np.zeros((relevance.shape[0], 0), np.int32), np.zeros((relevance.shape[0], 0), np.float32)
    padded = _padded(relevance, k)
    columns = np.argsort(-padded, axis=1, kind="stable")[:, :k]
    values = np.take_along_axis(padded, columns, 1)
    if sparse.issparse(relevance) and relevance.nnz:
        columns = relevance.indices[np.minimum(relevance.indptr[:-1, None] + columns, relevance.nnz - 1)]
    return np.where(values > 0, columns, -1).astype(np.int32), np.maximum(values, 0)


def among_top(relevance: Matrix, k: int) -> np.ndarray:
    """Return for each entry whether it is positive and among the top k of its cell, including all that tie.

    A threshold per cell takes a tenth of the time of sorting.
    """
    padded = _padded(relevance, k)
    least = np.zeros((len(padded), 1), np.float32)
    if k < padded.shape[1]:
        least = np.partition(padded, -k, axis=1)[:, [-k]]
    if sparse.issparse(relevance):
        return (relevance.data > 0) & (relevance.data >= np.repeat(least, np.diff(relevance.indptr)))
    return (relevance > 0) & (relevance >= least)


def _padded(relevance: Matrix, width: int) -> np.ndarray:
    """Return each cell's entries side by side, then zeros: far narrower than the dense form of a sparse matrix."""
    if not sparse.issparse(relevance):
        return relevance
    lengths = np.diff(relevance.indptr)
    padded = np.zeros((len(lengths), max(lengths.max(initial=0), width)), np.float32)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = relevance.data
    return padded
