"""Cohorts: reading and writing them, selecting cells, and the cohort that comes with scanpy."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anndata import AnnData
from anndata.io import write_elem
from scipy import sparse

from ...domain import require_space, whole_file
from ..errors import CohortError
from .cells.selection import selected
from .files.cell_table import with_cell_table
from .files.formats import DEMO, read_format
from .files.hdf5_file import hdf5_file
from .files.on_disk import cohort_in, open_store

DEMO_LABELS = "bulk_labels"


def read_cohort(path: str | Path, *, obs: str | Path | None = None) -> AnnData:
    """Read a cohort into memory.

    Parameters
    ----------
    path
        An ``.h5ad`` file, a ``.zarr`` folder, a 10x ``.h5`` file, a folder with 10x's ``matrix.mtx`` (or that file), a
        ``.loom`` file (requires loompy), a matrix of cells x genes as ``.csv``, ``.tsv`` or ``.txt`` (also ``.gz``;
        columns of text are columns of ``obs``), or ``pbmc68k_reduced`` for the cohort that comes with scanpy.
    obs
        A table to add to the cohort's ``obs``, ``.csv`` or tab-separated: one row per cell, with its name in the first
        column.

    Examples
    --------
    >>> adata = read_cohort("filtered_feature_bc_matrix.h5", obs="cell_types.csv")
    """
    adata = demo_cohort() if str(path) == DEMO else read_format(path)
    return adata if obs is None else with_cell_table(adata, obs)


@contextmanager
def open_cohort(path: str | Path) -> Iterator[AnnData]:
    """Open a cohort whose matrices stay on disk and are read a chunk of cells at a time.

    Parameters
    ----------
    path
        As in `read_cohort`. Only matrices in ``.h5ad`` files and ``.zarr`` folders stay on disk, where they are dense
        or CSR; an ``.h5ad`` without compression is the fastest to read.

    Examples
    --------
    >>> with open_cohort("million.h5ad") as adata:
    ...     statistics = relevance(adata, model, layer=None)
    """
    with open_store(path) as store:
        yield read_cohort(path) if store is None else cohort_in(store, path)


def cohort_name(path: str | Path) -> str:
    """Return the name of a cohort, from that of its file or folder."""
    name = Path(path).name.removesuffix(".gz")
    return Path(name).stem if Path(name).suffix else name


def write_cohort(adata: AnnData, path: str | Path) -> None:
    """Write a cohort to an ``.h5ad`` file that appears whole or not at all."""
    adata.strings_to_categoricals()
    if adata.raw is not None:
        adata.strings_to_categoricals(adata.raw.var)
    require_space(path, _bytes_of_matrices(adata))
    with whole_file(path) as temporary, hdf5_file(temporary, "w") as file:
        write_elem(file, "/", adata)


def _bytes_of_matrices(adata: AnnData) -> int:
    """Return the size of the matrices of a cohort, which are most of its file."""
    matrices = [adata.X, *adata.layers.values(), *adata.obsm.values(), None if adata.raw is None else adata.raw.X]
    parts = [
        array
        for matrix in matrices
        for array in ((matrix.data, matrix.indices, matrix.indptr) if sparse.issparse(matrix) else (matrix,))
    ]
    return sum(getattr(part, "nbytes", 0) for part in parts)


def select_cells(adata: AnnData, expression: str) -> AnnData:
    """Return the cells that an expression on ``obs`` selects, such as ``er.notna()`` or ``stim == 'ctrl'``.

    Parameters
    ----------
    adata
        The cohort.
    expression
        Comparisons of columns of ``obs`` with literals, joined by ``and``, ``or``, ``not``; also ``in``, arithmetic and
        methods such as ``isin``, ``between`` and ``str.startswith``. Names with spaces or dots are in backticks, and
        ``index`` is the name of the cell. It is never executed as Python: anything else is refused.

    Examples
    --------
    >>> select_cells(adata, "cell_type in ['B', 'T'] and n_genes > 500 and not donor.str.startswith('test')")
    """
    rows = selected(adata.obs, expression)
    if not rows.any():
        raise CohortError(f"the selection '{expression}' leaves none of the {adata.n_obs} cells")
    return adata[rows]


def demo_cohort() -> AnnData:
    """Return 700 real blood cells x 765 genes with their cell types, without a download.

    They are scanpy's ``pbmc68k_reduced``, a sample of the 68,000 mononuclear cells of Zheng et al. 2017, whose types
    (``obs["bulk_labels"]``) were assigned by correlation with bulk-sorted populations. Scanpy keeps centred and scaled
    values in ``X``; here ``X`` is its ``raw``: log1p of counts per cell, sparse, zero where nothing was counted.
    """
    import scanpy  # takes seconds to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the bundled file has an old layout, which scanpy still reads
        bundled = scanpy.datasets.pbmc68k_reduced()
    matrix = bundled.raw.X.copy()
    matrix.sort_indices()
    return AnnData(
        X=matrix,
        obs=bundled.obs[[DEMO_LABELS, "n_genes", "percent_mito", "phase"]].copy(),
        var=bundled.raw.var[[]].copy(),
        obsm={"X_umap": bundled.obsm["X_umap"]},
    )
