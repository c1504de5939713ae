"""A table of cells from another file, added to a cohort whose format has no columns about its cells."""

import warnings
from pathlib import Path

from anndata import AnnData
from scipy import sparse

from ...errors import CohortError, listed
from .text_matrix import as_text, named_rows, read_delimited


def with_cell_table(adata: AnnData, path: str | Path) -> AnnData:
    """Return a cohort with the columns of a table in ``obs``, matched by the names of cells.

    Parameters
    ----------
    adata
        The cohort. If the table's cells are its columns, as in a matrix of genes x cells, it is transposed.
    path
        The table, ``.csv`` or tab-separated (also ``.gz``), one row per cell, with its name in the first column. Cells
        that it lacks have no value.
    """
    path = Path(path)
    if not path.is_file():
        raise CohortError(f"there is no table of cells '{path}'; pass a .csv or .tsv file, one row per cell")
    table = named_rows(read_delimited(path), path)
    table.index = table.index.astype(str)
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()].unique()
        raise CohortError(f"'{path}' has {len(twice)} cell(s) more than once: {listed(twice, 3)}; keep one row of each")

    if not table.index.isin(adata.obs_names).any() and table.index.isin(adata.var_names).any():
        warnings.warn(
            f"the cells of '{path.name}' are columns of the matrix, which is read as genes x cells", stacklevel=3
        )
        adata = adata.T
        adata.X = sparse.csr_matrix(adata.X) if sparse.issparse(adata.X) else adata.X
    known = adata.obs_names.isin(table.index)
    if not known.any():
        raise CohortError(
            f"no cell of '{path}' ({listed(table.index, 3)}) is in the cohort ({listed(adata.obs_names, 3)}); its "
            "first column should have their names"
        )
    if not known.all():
        warnings.warn(
            f"{int((~known).sum())} of {adata.n_obs} cells are not in '{path.name}', and have no value in its columns",
            stacklevel=3,
        )
    table = as_text(table.reindex(adata.obs_names))
    adata = adata.copy()
    adata.obs = adata.obs.drop(columns=[name for name in table if name in adata.obs]).join(table)
    return adata
