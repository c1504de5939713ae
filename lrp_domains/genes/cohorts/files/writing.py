"""Writing a cohort to another file, with at most a piece of its matrices in memory."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from anndata import AnnData
from anndata.abc import CSCDataset
from anndata.io import read_elem, sparse_dataset, write_elem
from scipy import sparse

from .hdf5_file import hdf5_file
from .on_disk import cohort_in, open_store, stays_on_disk

PIECE = 8_000_000  # dense numbers at a time, if a cohort changes its format


@contextmanager
def copied(path: Path | None, out: Path, *, suffix: str, adata: AnnData) -> Iterator:
    """Copy a cohort, and yield the copy open for writing.

    Parameters
    ----------
    path
        The cohort: copied unchanged to a file of its format, matrix by matrix to one of the other, and written from
        `adata` where only the whole cohort can be read. None for a file without matrices.
    out
        Where to write.
    suffix
        The format, ``".h5ad"`` or ``".zarr"``, which a temporary name doesn't end in.
    adata
        The cohort's tables; with its matrices, where they are in memory.
    """
    same = path is not None and stays_on_disk(path) and path.is_dir() == (suffix == ".zarr")
    if same:
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, out)
    if suffix == ".zarr":
        import zarr  # only required for such folders

        # The summary of a store's metadata would hide a change, so it is written anew afterwards.
        group = zarr.open_group(out, mode="r+" if same else "w", use_consolidated=False)
        if not same:
            _write(group, path, adata)
        yield group
        zarr.consolidate_metadata(group.store)
    else:
        with hdf5_file(out, "r+" if same else "w") as group:
            if not same:
                _write(group, path, adata)
            yield group


def write_tables(group, adata: AnnData) -> None:
    """Write everything but the matrices again."""
    for name in {"layers", "obsm"} - set(group):  # a file may lack groups that would be empty
        write_elem(group, name, {})
    write_elem(group, "obs", adata.obs)
    write_elem(group, "uns", dict(adata.uns))
    for name in set(group["obsm"]) - set(adata.obsm):
        del group[f"obsm/{name}"]
    for name in adata.obsm:
        write_elem(group["obsm"], name, adata.obsm[name])


def append(group, name: str, pieces: Iterable, *, shape: tuple[int, int]) -> None:
    """Write a matrix piece by piece, in anndata's encoding."""
    done = 0
    for piece in pieces:
        if sparse.issparse(piece):
            if not done:
                piece.indptr = piece.indptr.astype(np.int64)  # more than 2,147,483,647 entries must fit
                write_elem(group, name, piece)
            else:
                sparse_dataset(group[name]).append(piece)
        else:
            if not done:
                create = getattr(group, "create_array", group.create_dataset)
                create(name, shape=shape, dtype=piece.dtype)
                group[name].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
            group[name][done : done + len(piece)] = piece
        done += piece.shape[0]


def _write(group, path: Path | None, adata: AnnData) -> None:
    """Write a cohort's tables, and its matrices a piece at a time."""
    if path is None:
        write_elem(group, "/", AnnData(obs=adata.obs, var=adata.var, uns=dict(adata.uns)))
        return
    with open_store(path) as store:
        if store is None:
            write_elem(group, "/", adata)
            return
        whole = cohort_in(store, path)
        write_elem(group, "/", AnnData(obs=whole.obs, var=whole.var, uns=dict(whole.uns), obsm=dict(whole.obsm)))
        for name in {"varm", "obsp", "varp"}.intersection(store):
            write_elem(group, name, read_elem(store[name]))
        for name, matrix in [("X", whole.X), *((f"layers/{name}", matrix) for name, matrix in whole.layers.items())]:
            _write_matrix(group, name, matrix)
        if whole.raw is not None:
            write_elem(group, "raw", {"var": whole.raw.var})
            group["raw"].attrs.update({"encoding-type": "raw", "encoding-version": "0.1.0"})
            _write_matrix(group, "raw/X", whole.raw.X)
            write_elem(group, "raw/varm", read_elem(store["raw/varm"]) if "raw/varm" in store else {})


def _write_matrix(group, name: str, matrix) -> None:
    """Write a matrix a piece at a time; one of sparse columns, which has no pieces of rows, as a whole."""
    if matrix is None:
        return
    if isinstance(matrix, CSCDataset):
        write_elem(group, name, matrix.to_memory())
        return
    rows = max(1, PIECE // matrix.shape[1])
    pieces = (matrix[start : start + rows] for start in range(0, matrix.shape[0], rows))
    append(group, name, pieces, shape=matrix.shape)
