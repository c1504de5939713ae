"""The relevance or expression of some genes in some cells, of a cohort in memory or on disk."""

from collections.abc import Sequence

import numpy as np
from anndata import AnnData
from scipy import sparse

from ..cohorts.values.layers import find_layer
from ..errors import CohortError, choices
from ..explanation.runs.results_in_adata import provenance_of

VALUES = ("relevance", "expression")
# The number of cells that are drawn unless asked otherwise; more can't be distinguished on paper.
MOST_CELLS = 10_000
CHUNK = 4096


def layer_of(adata: AnnData, values: str) -> str:
    """Return the layer of relevance or of expression that an explanation wrote or read; raise if there is none."""
    if values not in VALUES:
        raise CohortError(f"values='{values}' is unknown; {choices(values, VALUES)}")
    provenance = provenance_of(adata)
    if values == "expression":
        return str(provenance["layer"])
    layer = str(provenance["relevance_layer"])
    if not layer or layer not in adata.layers:
        raise CohortError(
            "the cohort has no relevance of single cells, which was not kept; explain it with layer='lrp', or draw "
            "with values='expression'"
        )
    return layer


def values_of(
    adata: AnnData, values: str, rows: np.ndarray, *, genes: Sequence[str] | None = None, layer: str | None = None
) -> np.ndarray:
    """Return the values of some genes (all if None) in some cells (rows in ascending order), cells x genes.

    Of a matrix on disk only the chunks with these rows are read, one after another.
    """
    columns = slice(None) if genes is None else columns_of(adata, genes)
    stored, parts = find_layer(adata, layer or layer_of(adata, values)), []
    for start in np.unique(rows // CHUNK) * CHUNK:
        near = rows[(rows >= start) & (rows < start + CHUNK)] - start
        part = stored[start : start + CHUNK][near]
        parts.append(part.tocsr()[:, columns].toarray() if sparse.issparse(part) else np.asarray(part)[:, columns])
    return np.concatenate(parts)


def columns_of(adata: AnnData, genes: Sequence[str]) -> np.ndarray:
    """Return the columns of some genes; raise if one is missing."""
    columns = adata.var_names.get_indexer(list(genes))
    if (columns < 0).any():
        gene = list(genes)[int((columns < 0).argmax())]
        raise CohortError(f"there is no gene '{gene}' in the cohort; {choices(gene, adata.var_names)}")
    return columns


def spaced_rows(n: int, most: int | None) -> np.ndarray:
    """Return the rows of at most `most` of `n` cells, evenly spaced; all if None."""
    if most is not None and most < 1:
        raise CohortError(f"most_cells={most} should be a whole number from 1 on, or None for all cells")
    return np.unique(np.linspace(0, n - 1, n if most is None else min(most, n)).astype(int))
