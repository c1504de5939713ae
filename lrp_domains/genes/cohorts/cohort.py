"""Cohorts: reading and writing them, selecting cells, and the cohort that comes with scanpy."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
from anndata import AnnData, read_h5ad
from anndata.io import read_elem, sparse_dataset

from ...domain import reason, whole_file
from ..errors import CohortError

DEMO = "pbmc68k_reduced"
DEMO_LABELS = "bulk_labels"


def read_cohort(path: str | Path) -> AnnData:
    """Read a cohort from an ``.h5ad`` file.

    Parameters
    ----------
    path
        The file, or ``pbmc68k_reduced`` for the cohort that comes with scanpy.
    """
    if str(path) == DEMO:
        return demo_cohort()
    if not Path(path).is_file():
        raise CohortError(f"there is no file '{path}'; pass the path of an .h5ad file, or '{DEMO}'")
    try:
        return read_h5ad(path)
    except Exception as error:  # h5py and anndata raise a dozen kinds for a truncated or foreign file
        raise _unreadable(path, error) from error


@contextmanager
def open_cohort(path: str | Path) -> Iterator[AnnData]:
    """Open a cohort whose matrices stay on disk and are read a chunk of cells at a time.

    Parameters
    ----------
    path
        An ``.h5ad`` file, or a ``.zarr`` folder. An ``.h5ad`` without compression is the fastest to read.

    Examples
    --------
    >>> with open_cohort("million.h5ad") as adata:
    ...     statistics = relevance(adata, model, layer=None)
    """
    path = Path(path)
    if not path.exists():
        raise CohortError(f"there is no file '{path}'; pass the path of an .h5ad file or a .zarr folder")
    if path.suffix == ".zarr":
        import zarr  # only required for such folders

        yield _on_disk(zarr.open_group(path, mode="r"), path)
        return
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        yield _on_disk(file, path)


def _on_disk(group, path: Path) -> AnnData:
    """Read a cohort's tables, and leave its matrices on disk."""

    def matrix(element):
        kind = element.attrs.get("encoding-type", "array")
        return sparse_dataset(element) if kind in ("csr_matrix", "csc_matrix") else element

    try:
        return AnnData(
            X=matrix(group["X"]) if "X" in group else None,
            obs=read_elem(group["obs"]),
            var=read_elem(group["var"]),
            layers={name: matrix(group[f"layers/{name}"]) for name in group["layers"]} if "layers" in group else {},
            obsm={name: read_elem(group[f"obsm/{name}"]) for name in group["obsm"]} if "obsm" in group else {},
            uns=read_elem(group["uns"]) if "uns" in group else {},
        )
    except Exception as error:  # h5py and anndata raise a dozen kinds for a foreign file
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: Exception) -> CohortError:
    return CohortError(f"'{path}' could not be read: {reason(error)}; write it again with AnnData.write_h5ad")


def write_cohort(adata: AnnData, path: str | Path) -> None:
    """Write a cohort to an ``.h5ad`` file that appears whole or not at all."""
    with whole_file(path) as temporary:
        adata.write_h5ad(temporary)


def select_cells(adata: AnnData, query: str) -> AnnData:
    """Return the cells that a query on ``obs`` selects, such as ``er.notna()`` or ``stim == 'ctrl'``."""
    try:
        kept = adata.obs.query(query, engine="python").index
    except Exception as error:  # pandas raises whatever the expression raises
        raise CohortError(
            f"the selection '{query}' is not a valid query on obs: {reason(error)}; write it as for "
            "pandas.DataFrame.query, names with dots in backticks"
        ) from error
    if len(kept) == 0:
        raise CohortError(f"the selection '{query}' leaves none of the {adata.n_obs} cells")
    return adata[adata.obs_names.isin(kept)]


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
