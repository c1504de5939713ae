"""The file formats of cohorts: how each is recognised, and read into memory."""

import gzip
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
from anndata import AnnData, read_h5ad
from scipy import sparse

from ....domain import reason
from ...errors import CohortError, listed
from .text_matrix import read_text_matrix

DEMO = "pbmc68k_reduced"
FORMATS = (
    ".h5ad files, .zarr folders, 10x .h5 files and folders with matrix.mtx, .loom files, and matrices of cells x genes "
    "as .csv, .tsv or .txt (also .gz)"
)
TEXT = (".csv", ".tsv", ".txt", ".tab")


def format_of(path: str | Path) -> str:
    """Return the format of a cohort: ``"h5ad"``, ``"zarr"``, ``"10x_h5"``, ``"10x_mtx"``, ``"loom"`` or ``"text"``.

    HDF5 files are recognised by their content, because ``.h5`` may be any of them.
    """
    path = Path(path)
    if not path.exists():
        raise CohortError(f"there is no file '{path}'; pass a path, or '{DEMO}'. Read are {FORMATS}")
    if path.is_dir():
        if path.suffix == ".zarr" or any((path / name).is_file() for name in (".zgroup", "zarr.json")):
            return "zarr"
        if _matrices(path):
            return "10x_mtx"
        raise CohortError(f"the folder '{path}' has no matrix.mtx and is not a .zarr folder. Read are {FORMATS}")

    if h5py.is_hdf5(path):
        return _format_of_hdf5(path)
    plain = path.name.lower().removesuffix(".gz")
    if plain.endswith(".mtx"):
        return "10x_mtx"
    if plain.endswith(TEXT):
        return "text"
    if path.suffix in (".h5ad", ".h5", ".hdf5", ".loom"):
        raise CohortError(f"'{path}' could not be read: it is not an HDF5 file, or not a whole one; write it again")
    raise CohortError(f"'{path}' has no format that is read. Read are {FORMATS}")


def read_format(path: str | Path) -> AnnData:
    """Read a cohort of any format into memory."""
    kind = format_of(path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)  # about readers, and about old layouts
            warnings.filterwarnings("ignore", message="(Variable|Observation) names are not unique")
            adata = READERS[kind](Path(path))
    except CohortError:
        raise
    except Exception as error:  # each reader raises a dozen kinds for a truncated or foreign file
        raise unreadable(path, kind, error) from error
    if kind not in ("h5ad", "zarr"):
        if sparse.issparse(adata.X):
            adata.X = sparse.csr_matrix(adata.X)  # 10x stores genes x cells, whose transpose is columns
        if not adata.var_names.is_unique:
            _make_unique(adata)
    return adata


def unreadable(path: str | Path, kind: str, error: Exception) -> CohortError:
    """Return the error for a file that couldn't be read, with the remedy for its format."""
    remedy = REMEDIES.get(kind, "is it whole?")
    return CohortError(f"'{path}' could not be read as {NAMES[kind]}: {reason(error)}; {remedy}")


def _format_of_hdf5(path: Path) -> str:
    try:
        with h5py.File(path, "r") as file:
            keys = set(file)
    except OSError as error:
        raise unreadable(path, "h5ad", error) from error
    if {"obs", "var"} & keys:
        return "h5ad"
    if "row_attrs" in keys:
        return "loom"
    if "matrix" in keys or any("barcodes" in _keys(path, name) for name in keys):
        return "10x_h5"
    raise CohortError(
        f"'{path}' could not be read: it is an HDF5 file with {listed(sorted(keys), 5) or 'nothing'}, but neither an "
        f".h5ad, a .loom nor a 10x file; write it again. Read are {FORMATS}"
    )


def _keys(path: Path, name: str) -> set[str]:
    """Return the names in a group of an HDF5 file; none of a dataset."""
    with h5py.File(path, "r") as file:
        return set(file[name]) if isinstance(file[name], h5py.Group) else set()


def _read_zarr(path: Path) -> AnnData:
    from anndata import read_zarr  # zarr is only required for such folders

    return read_zarr(path)


def _read_10x_h5(path: Path) -> AnnData:
    import scanpy  # takes seconds to import

    return scanpy.read_10x_h5(path, gex_only=False)


def _read_10x_mtx(path: Path) -> AnnData:
    """Read a folder, or the matrix in it, with the prefix that its three files share."""
    import scanpy  # takes seconds to import

    matrices = _matrices(path) if path.is_dir() else [path]
    if len(matrices) > 1:
        raise CohortError(
            f"the folder '{path}' has several matrices: {listed(m.name for m in matrices)}; pass one of them"
        )
    folder, name = matrices[0].parent, matrices[0].name
    prefix = name.removesuffix(".gz").removesuffix("matrix.mtx")
    if f"{prefix}matrix.mtx" != name.removesuffix(".gz"):
        raise CohortError(
            f"'{matrices[0]}' should be named matrix.mtx, or end in matrix.mtx, with features.tsv (or genes.tsv) and "
            "barcodes.tsv of the same prefix in its folder"
        )
    if name.endswith(".gz") or (folder / f"{prefix}genes.tsv").is_file():
        return scanpy.read_10x_mtx(folder, prefix=prefix, make_unique=False, gex_only=False)

    # scanpy reads a table of features only if all three files are compressed; other tools write them uncompressed.
    with tempfile.TemporaryDirectory() as temporary:
        for part in ("matrix.mtx", "features.tsv", "barcodes.tsv"):
            compressed = Path(temporary) / f"{part}.gz"
            with open(folder / f"{prefix}{part}", "rb") as source, gzip.open(compressed, "wb", 1) as target:
                shutil.copyfileobj(source, target)
        return scanpy.read_10x_mtx(temporary, make_unique=False, gex_only=False)


def _read_loom(path: Path) -> AnnData:
    from anndata.io import read_loom

    try:
        import loompy  # noqa: F401  (anndata reads the file with it)
    except ModuleNotFoundError as error:
        raise CohortError(
            f"reading the .loom file '{path}' requires the package '{error.name}': pip install loompy"
        ) from error
    names = {
        axis: next((name for name in candidates if name in _keys(path, attributes)), candidates[0])
        for axis, attributes, candidates in (
            ("obs_names", "col_attrs", ("CellID", "obs_names", "cell_names")),
            ("var_names", "row_attrs", ("Gene", "var_names", "gene_names")),
        )
    }
    return read_loom(path, X_name="", **names)  # X_name: the main matrix, not a layer


def _matrices(folder: Path) -> list[Path]:
    """Return the .mtx files of a folder in 10x's layout."""
    named = [folder / name for name in ("matrix.mtx.gz", "matrix.mtx") if (folder / name).is_file()]
    return named[:1] or sorted([*folder.glob("*matrix.mtx"), *folder.glob("*matrix.mtx.gz")])


def _make_unique(adata: AnnData) -> None:
    """Number gene names that are used twice, as scanpy does: these formats name genes by symbols."""
    twice = adata.var_names[adata.var_names.duplicated()].unique()
    warnings.warn(
        f"{len(twice)} gene name(s) are used more than once and are numbered: {listed(twice, 3)} "
        f"('{twice[0]}', '{twice[0]}-1')",
        stacklevel=4,
    )
    adata.var_names_make_unique()


READERS: dict[str, Callable[[Path], AnnData]] = {
    "h5ad": read_h5ad,
    "zarr": _read_zarr,
    "10x_h5": _read_10x_h5,
    "10x_mtx": _read_10x_mtx,
    "loom": _read_loom,
    "text": read_text_matrix,
}
NAMES = {
    "h5ad": ".h5ad",
    "zarr": ".zarr",
    "10x_h5": "a 10x .h5 file",
    "10x_mtx": "a 10x folder (matrix.mtx, features.tsv or genes.tsv, barcodes.tsv)",
    "loom": ".loom",
    "text": "a matrix of cells x genes",
}
REMEDIES = {
    "h5ad": "write it again with AnnData.write_h5ad",
    "zarr": "write it again with AnnData.write_zarr",
    "10x_h5": "was it written by cellranger?",
    "text": "expected a header of genes, then one row per cell, with its name in the first column",
}
