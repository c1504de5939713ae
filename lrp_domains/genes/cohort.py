"""Cohorts: reading and writing them, and the one that comes with scanpy."""

import warnings
from pathlib import Path

from anndata import AnnData, read_h5ad

from .errors import CohortError
from .files import whole_file

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
        raise CohortError(
            f"'{path}' could not be read as .h5ad: {str(error).splitlines()[0] if str(error) else repr(error)}; "
            "write it again with AnnData.write_h5ad"
        ) from error


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
