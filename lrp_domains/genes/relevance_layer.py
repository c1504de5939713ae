"""The layer that relevance is written to, batch by batch."""

import numpy as np
from scipy import sparse

from .expression import Matrix


class RelevanceLayer:
    """Room for the relevance of a whole cohort: one number per entry of the expression.

    The entries' places are copied from the expression, not shared with it: ``adata.X.eliminate_zeros()``
    would otherwise move them under our feet.
    """

    def __init__(self, shape, data, indices=None, indptr=None) -> None:
        self.shape, self.data, self.indices, self.indptr = shape, data, indices, indptr

    @classmethod
    def like(cls, matrix: Matrix) -> "RelevanceLayer":
        """Make room for the relevance of `matrix`, dense only where that is dense."""
        if not sparse.issparse(matrix):
            return cls(matrix.shape, np.zeros(matrix.shape, np.float32))
        return cls(matrix.shape, np.zeros(matrix.nnz, np.float32), matrix.indices.copy(), matrix.indptr.copy())

    def put(self, rows: np.ndarray, relevance: np.ndarray) -> None:
        """Keep the relevance of some cells. Where nothing was expressed it is 0, and there is no place for it."""
        if self.indptr is None:
            self.data[rows] = relevance
            return
        lengths = np.diff(self.indptr)[rows]
        within = np.repeat(np.arange(len(rows)), lengths)
        starts = np.repeat(self.indptr[rows] - (np.cumsum(lengths) - lengths), lengths)
        entries = starts + np.arange(len(starts))
        self.data[entries] = relevance[within, self.indices[entries]]

    def matrix(self) -> np.ndarray | sparse.csr_matrix:
        """Give all of it, as a layer of an AnnData object."""
        if self.indptr is None:
            return self.data
        return sparse.csr_matrix((self.data, self.indices, self.indptr), shape=self.shape)
