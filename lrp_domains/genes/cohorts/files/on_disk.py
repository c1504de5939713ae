"""Cohorts whose matrices stay on disk, and are read a chunk of cells at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
from anndata import AnnData
from anndata.io import read_elem, sparse_dataset

from .formats import DEMO, format_of, unreadable


@contextmanager
def open_store(path: str | Path) -> Iterator[object | None]:
    """Open the groups of an ``.h5ad`` file or a ``.zarr`` folder; None where a cohort can only be read as a whole.

    These are all other formats, and ``.h5ad`` files of an old layout, which anndata converts while it reads them.
    """
    kind = "demo" if str(path) == DEMO else format_of(path)
    if kind == "zarr":
        import zarr  # only required for such folders

        group = zarr.open_group(path, mode="r")
        yield group if _is_current(group) else None
    elif kind == "h5ad":
        try:
            file = h5py.File(path, "r")
        except OSError as error:
            raise unreadable(path, kind, error) from error
        with file:
            yield file if _is_current(file) else None
    else:
        yield None


def stays_on_disk(path: str | Path) -> bool:
    """Return whether a cohort's matrices can be read a chunk at a time."""
    with open_store(path) as store:
        return store is not None


def cohort_in(store, path: str | Path) -> AnnData:
    """Read a cohort's tables, and leave its matrices in their store."""
    try:
        return AnnData(
            X=_matrix(store["X"]) if "X" in store else None,
            obs=read_elem(store["obs"]),
            var=read_elem(store["var"]),
            layers={name: _matrix(store[f"layers/{name}"]) for name in store["layers"]} if "layers" in store else {},
            obsm={name: read_elem(store[f"obsm/{name}"]) for name in store["obsm"]} if "obsm" in store else {},
            uns=read_elem(store["uns"]) if "uns" in store else {},
            raw={"X": _matrix(store["raw/X"]), "var": read_elem(store["raw/var"])} if "raw/X" in store else None,
        )
    except Exception as error:  # h5py, zarr and anndata raise a dozen kinds for a foreign file
        raise unreadable(path, "zarr" if Path(path).is_dir() else "h5ad", error) from error


def _matrix(element) -> object:
    """Return a matrix that stays in its store."""
    kind = element.attrs.get("encoding-type", "array")
    if kind not in ("csr_matrix", "csc_matrix"):
        return element
    if element["data"].dtype == "float16":
        raise TypeError("a sparse matrix is of float16, which scipy doesn't know; convert it to float32")
    return sparse_dataset(element)


def _is_current(store) -> bool:
    """Return whether a store has the layout of anndata 0.7 or later, or no layout that was ever written."""
    old_matrix = "X" in store and "h5sparse_format" in store["X"].attrs
    old_tables = any(name in store and not hasattr(store[name], "keys") for name in ("obs", "var"))
    return not (old_matrix or old_tables or "raw.X" in store)
