"""Cohorts: reading and writing them, and the one that comes with scanpy."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
from anndata import AnnData, read_h5ad
from anndata.io import read_elem, sparse_dataset

from ...domain.files import whole_file
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
        raise CohortError(f"there is no file '{path}'; give the path of an .h5ad file, or '{DEMO}'")
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
        An ``.h5ad`` file, or a ``.zarr`` folder. Written without compression, ``.h5ad`` is read fastest.

    Examples
    --------
    >>> with open_cohort("million.h5ad") as adata:
    ...     statistics = relevance(adata, model, layer=None)
    """
    path = Path(path)
    if not path.exists():
        raise CohortError(f"there is no file '{path}'; give the path of an .h5ad file or a .zarr folder")
    if path.suffix == ".zarr":
        import zarr  # only who has such a folder needs it

        yield _on_disk(zarr.open_group(path, mode="r"), path)
        return
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        yield _on_disk(file, path)


def _on_disk(group, path: Path) -> AnnData:
    """Give a cohort's tables, with its matrices left where they are."""

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
    return CohortError(
        f"'{path}' could not be read: {str(error).splitlines()[0] if str(error) else repr(error)}; "
        "write it again with AnnData.write_h5ad"
    )


def write_cohort(adata: AnnData, path: str | Path) -> None:
    """Write a cohort to an ``.h5ad`` file that appears whole or not at all."""
    with whole_file(path) as temporary:
        adata.write_h5ad(temporary)


def demo_cohort() -> AnnData:
    """Give 700 real blood cells x 765 genes with their cell types, without a download.

    They are scanpy's ``pbmc68k_reduced``, a sample of the 68,000 mononuclear cells of Zheng et al. 2017,
    whose types (``obs["bulk_labels"]``) were assigned by correlation with bulk-sorted populations. Scanpy
    keeps centred and scaled values in ``X``; here ``X`` is what it keeps in ``raw``: log1p of counts per
    cell, sparse, zero where nothing was counted.
    """
    import scanpy  # seconds to import, needed by few

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the bundled file has an old layout, which scanpy reads well
        bundled = scanpy.datasets.pbmc68k_reduced()
    matrix = bundled.raw.X.copy()
    matrix.sort_indices()
    return AnnData(
        X=matrix,
        obs=bundled.obs[[DEMO_LABELS, "n_genes", "percent_mito", "phase"]].copy(),
        var=bundled.raw.var[[]].copy(),
        obsm={"X_umap": bundled.obsm["X_umap"]},
    )
