"""The matrices of a cohort: found by name, with rows that can be read, in types that can be computed with."""

import warnings

import numpy as np
import pandas as pd
from anndata import AnnData
from anndata.abc import CSCDataset, CSRDataset
from scipy import sparse

from ...errors import CohortError, choices, listed
from ..files.rows_on_disk import SomeColumns, rows_on_disk
from .normalisation import Matrix


def find_layer(adata: AnnData, layer: str) -> object:
    """Return the matrix of a layer, of X or of raw."""
    if layer == "X":
        if adata.X is None:
            raise CohortError(f"the cohort has no X; name a layer: {listed(adata.layers) or 'there are none'}")
        return _rows(adata.X)
    if layer == "raw":
        if adata.raw is None:
            raise CohortError(f"the cohort has no raw; {choices(layer, ['X', *adata.layers])}")
        return _columns_of_raw(adata)
    if layer not in adata.layers:
        raise CohortError(f"there is no layer '{layer}'; {choices(layer, ['X', 'raw', *adata.layers])}")
    return _rows(adata.layers[layer])


def canonical(matrix) -> Matrix:
    """Convert to an array, or to CSR without entries that are stored twice (whose relevance would count twice).

    Half precision and the other machine's order of bytes become what every package can compute with.
    """
    if not sparse.issparse(matrix):
        return _computable(np.asarray(matrix))
    matrix = sparse.csr_matrix(matrix)
    data = _computable(matrix.data)
    if data is not matrix.data:
        matrix = sparse.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix


def _computable(values: np.ndarray) -> np.ndarray:
    """Return numbers in a type that PyTorch, scipy and numba know."""
    kind = values.dtype
    if kind == np.float16:
        return values.astype(np.float32)
    if kind.kind == "f" and kind.itemsize > 8:
        return values.astype(np.float64)
    if kind.kind == "u" and kind.itemsize > 1:
        return values.astype(np.int32 if kind.itemsize == 2 else np.int64)
    return values if kind.isnative else values.astype(kind.newbyteorder("="))


def _columns_of_raw(adata: AnnData) -> object:
    """Return the columns of raw that are genes of the cohort, in its order."""
    names = pd.Index(adata.raw.var_names)
    absent = adata.var_names.difference(names)
    if len(absent):
        raise CohortError(f"{len(absent)} gene(s) of the cohort are not in its raw: {listed(absent, 5)}")
    twice = names[names.duplicated() & names.isin(adata.var_names)]
    if len(twice):
        raise CohortError(f"{len(twice)} gene name(s) are used more than once in raw: {listed(twice.unique(), 5)}")
    rows = _rows(adata.raw.X)
    columns = pd.Index(adata.var_names).get_indexer_for(names)
    if len(names) == adata.n_vars and np.array_equal(columns, np.arange(adata.n_vars)):
        return rows
    position = np.flatnonzero(columns >= 0)[np.argsort(columns[columns >= 0])]
    return rows[:, position] if isinstance(rows, np.ndarray) or sparse.issparse(rows) else SomeColumns(rows, position)


def _rows(matrix) -> object:
    """Return a matrix whose rows can be read; sparse columns are converted to rows once."""
    if sparse.issparse(matrix):
        return sparse.csr_matrix(matrix)
    if isinstance(matrix, CSRDataset):
        return rows_on_disk(matrix)
    if isinstance(matrix, CSCDataset):
        warnings.warn(
            "the expression is stored by columns (CSC), so it is read into memory as a whole; to read it in pieces, "
            "write it by rows: adata.X = adata.X.tocsr()",
            stacklevel=4,
        )
        return sparse.csr_matrix(matrix.to_memory())
    return matrix
