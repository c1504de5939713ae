"""The matrix that a network reads: found, checked, and handed out in dense batches."""

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from anndata import AnnData
from scipy import sparse

from .errors import CohortError, choices, listed

Matrix = np.ndarray | sparse.csr_matrix | sparse.csr_array


def expression(adata: AnnData, layer: str = "X") -> Matrix:
    """Give the expression matrix of a cohort after checking that a network can be trained on it and explained.

    Parameters
    ----------
    adata
        The cohort, cells x genes.
    layer
        ``"X"``, ``"raw"`` (the same genes from ``adata.raw``), or a name in ``adata.layers``.

    Returns
    -------
    The matrix itself, not a copy: an array, or CSR without duplicate entries.

    Raises
    ------
    CohortError
        No cells or genes, names used twice, no such layer, NaN or infinite values.
    """
    _check_names(adata)
    matrix = _find(adata, layer)
    if sparse.issparse(matrix):
        matrix = matrix.tocsr()
        if not matrix.has_canonical_format:  # a position stored twice would be given its relevance twice
            matrix = matrix.copy()
            matrix.sum_duplicates()
    else:
        matrix = np.asarray(matrix)
    _check_values(adata, matrix, layer)
    return matrix


def dense_batch(matrix: Matrix, rows: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """Give some cells as a dense tensor of the dtype and device of `like`."""
    values = matrix[rows]
    if sparse.issparse(values):
        values = values.toarray()
    return torch.as_tensor(np.ascontiguousarray(values)).to(device=like.device, dtype=like.dtype)


def batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Cut row numbers into batches."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _check_names(adata: AnnData) -> None:
    if adata.n_obs == 0 or adata.n_vars == 0:
        raise CohortError(f"the cohort has {adata.n_obs} cells and {adata.n_vars} genes; was everything filtered out?")
    for names, what, remedy in (
        (adata.var_names, "gene", "adata.var_names_make_unique()"),
        (adata.obs_names, "cell", "adata.obs_names_make_unique()"),
    ):
        if not names.is_unique:
            twice = names[names.duplicated()].unique()
            raise CohortError(
                f"{len(twice)} {what} name(s) are used more than once: {listed(twice, 5)}; call {remedy} first"
            )


def _find(adata: AnnData, layer: str) -> object:
    if layer == "X":
        if adata.X is None:
            raise CohortError(f"the cohort has no X; name a layer: {listed(adata.layers) or 'there are none'}")
        return adata.X
    if layer == "raw":
        if adata.raw is None:
            raise CohortError(f"the cohort has no raw; {choices(layer, ['X', *adata.layers])}")
        absent = adata.var_names.difference(adata.raw.var_names)
        if len(absent):
            raise CohortError(f"{len(absent)} gene(s) of the cohort are not in its raw: {listed(absent, 5)}")
        return adata.raw[:, adata.var_names].X
    if layer not in adata.layers:
        raise CohortError(f"there is no layer '{layer}'; {choices(layer, ['X', 'raw', *adata.layers])}")
    return adata.layers[layer]


def _check_values(adata: AnnData, matrix: Matrix, layer: str) -> None:
    if not (np.issubdtype(matrix.dtype, np.number) or matrix.dtype == bool):
        raise CohortError(f"the expression in '{layer}' is {matrix.dtype}, not numbers")
    lowest = np.inf
    for start in range(0, adata.n_obs, 4096):  # in pieces, so that no second matrix of this size exists
        part = matrix[start : start + 4096]
        values = part.data if sparse.issparse(part) else part
        if not np.isfinite(values).all():
            cell, gene = (index[0] for index in np.nonzero(~np.isfinite(_as_dense(part))))
            raise CohortError(
                f"the expression in '{layer}' has a value that is not finite, first in cell "
                f"'{adata.obs_names[start + cell]}', gene '{adata.var_names[gene]}'; remove or replace such values"
            )
        lowest = min(lowest, values.min(initial=0))
    if lowest < 0:
        warnings.warn(
            f"the expression in '{layer}' has negative values (lowest {lowest:.3g}), as centred data have: a gene "
            "that is not expressed then carries relevance; log-normalised counts are often kept in 'raw'",
            stacklevel=3,
        )


def _as_dense(part: Matrix) -> np.ndarray:
    return part.toarray() if sparse.issparse(part) else part
