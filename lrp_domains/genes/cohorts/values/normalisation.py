"""Converting the values of a cohort's layer to what a model expects, some cells at a time."""

import warnings
from collections.abc import Callable

import numpy as np
from scipy import sparse

from ...errors import CohortError

Matrix = np.ndarray | sparse.csr_matrix | sparse.csr_array
Normalise = Callable[[Matrix], Matrix]
TARGET_SUM = 10_000


def unchanged(values: Matrix) -> Matrix:
    """Return the values."""
    return values


def log1p_cp10k(counts: Matrix, counted: np.ndarray | None = None) -> Matrix:
    """Scale each cell's counts to a sum of 10,000 and take ``log1p``, as scanpy's ``normalize_total`` and ``log1p``.

    The sum is over the columns that are `counted`; over all if None.
    """
    totals = counts.sum(1) if counted is None else counts @ counted.astype(np.float64)
    totals = np.asarray(totals, dtype=np.float64).reshape(-1)
    factors = np.divide(TARGET_SUM, totals, out=np.zeros_like(totals), where=totals > 0)
    if not sparse.issparse(counts):
        return np.log1p(counts * factors[:, None]).astype(np.float32)
    scaled = np.log1p(counts.data * np.repeat(factors, np.diff(counts.indptr))).astype(np.float32)
    return sparse.csr_matrix((scaled, counts.indices, counts.indptr), shape=counts.shape)


def zscore(mean: np.ndarray, deviation: np.ndarray) -> Normalise:
    """Return a function that centres and scales genes; a gene that never varies becomes 0."""
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)

    def centred(values: Matrix) -> Matrix:
        values = values.toarray() if sparse.issparse(values) else values
        return ((values - mean) * scale).astype(np.float32)

    return centred


def moments(matrix, chunk: int = 4096) -> tuple[np.ndarray, np.ndarray]:
    """Compute mean and standard deviation of each gene, in one pass over a matrix that may be on disk."""
    cells, genes = matrix.shape
    total, squares, shift = np.zeros(genes), np.zeros(genes), None
    for start in range(0, cells, chunk):
        part = matrix[start : start + chunk]
        part = (part.toarray() if sparse.issparse(part) else np.asarray(part)).astype(np.float64)
        if shift is None:
            shift = part.mean(0)  # because squares of values far from zero cancel
        part -= shift
        total += part.sum(0)
        squares += (part * part).sum(0)
    mean = total / cells
    return shift + mean, np.sqrt(np.maximum(squares / cells - mean**2, 0))


def check_kind(values: Matrix, normalisation: str, layer: str) -> None:
    """Warn of counts where logs were declared, and the reverse; raise if values can't be normalised.

    Parameters
    ----------
    values
        Some cells of the layer, as stored.
    normalisation, layer
        As in `Expects`.
    """
    numbers = values.data if sparse.issparse(values) else values[values != 0]
    if numbers.size == 0:
        return
    lowest, highest = float(numbers.min()), float(numbers.max())
    whole = bool((numbers == np.round(numbers)).all())

    if normalisation in ("counts", "log1p_cp10k"):
        if lowest < 0:
            raise CohortError(
                f"'{layer}' should hold counts (normalisation '{normalisation}'), but has negative values (lowest "
                f"{lowest:.3g}); name the layer of counts, or declare what this one holds"
            )
        if not whole:
            warnings.warn(
                f"'{layer}' should hold counts (normalisation '{normalisation}'), but has fractions such as "
                f"{float(numbers[numbers != np.round(numbers)][0]):.3g}; logs taken for counts are logged twice: "
                "declare 'log' if it holds logs",
                stacklevel=4,
            )
    elif normalisation == "log":
        if lowest < 0:
            warnings.warn(
                f"the expression in '{layer}' has negative values (lowest {lowest:.3g}), as centred data have: a gene "
                "that is not expressed then carries relevance; log-normalised counts are often kept in 'raw'; declare "
                "normalisation 'centred' if this is intended",
                stacklevel=4,
            )
        elif whole and highest > 20:
            warnings.warn(
                f"'{layer}' should hold logs, but has whole numbers up to {highest:.0f}, as counts are; declare "
                "normalisation 'log1p_cp10k' to have them normalised while they are read",
                stacklevel=4,
            )
