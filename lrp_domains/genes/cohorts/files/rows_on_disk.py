"""Matrices that stay on disk, and are read some rows at a time."""

from dataclasses import dataclass, field

import numpy as np
from anndata.abc import CSRDataset
from scipy import sparse


@dataclass(frozen=True)
class RowsOnDisk:
    """Rows of a CSR matrix in an ``.h5ad`` file or a ``.zarr`` folder.

    anndata's reader takes some milliseconds per call, whatever the number of rows: as long as it takes to explain a
    hundred cells.

    Attributes
    ----------
    group
        The group with ``data`` and ``indices``.
    ends
        Where each row ends among the entries, after a 0.
    """

    group: object = field(repr=False)
    ends: np.ndarray = field(repr=False)
    shape: tuple[int, int]
    dtype: np.dtype
    format: str = "csr"

    def __getitem__(self, rows: slice) -> sparse.csr_matrix:
        """Read consecutive rows."""
        start, stop, _ = rows.indices(self.shape[0])
        ends = self.ends[start : max(start, stop) + 1]
        entries = slice(int(ends[0]), int(ends[-1]))
        part = sparse.csr_matrix((len(ends) - 1, self.shape[1]), dtype=self.dtype)
        indices = self.group["indices"][entries]
        part.data, part.indices = self.group["data"][entries], indices
        part.indptr = (ends - ends[0]).astype(indices.dtype)
        return part


def rows_on_disk(dataset: CSRDataset) -> RowsOnDisk:
    """Return the rows of a sparse matrix that anndata has opened."""
    ends = dataset.group["indptr"][:].astype(np.int64)
    return RowsOnDisk(dataset.group, ends, shape=dataset.shape, dtype=dataset.dtype)


def bytes_in_memory(stored) -> int:
    """Return the bytes that a matrix on disk takes once it is read, however well its file is compressed."""
    if isinstance(stored, SomeColumns):
        return bytes_in_memory(stored.rows)
    if not isinstance(stored, RowsOnDisk):
        return int(np.prod(stored.shape)) * stored.dtype.itemsize
    parts = [stored.group[name] for name in ("data", "indices")]
    return sum(int(part.shape[0]) * part.dtype.itemsize for part in parts) + stored.ends.nbytes


@dataclass(frozen=True)
class SomeColumns:
    """Some columns of a matrix that is read some rows at a time.

    Attributes
    ----------
    rows
        The whole matrix.
    position
        The numbers of its columns, in order.
    """

    rows: object = field(repr=False)
    position: np.ndarray = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows, and of these columns."""
        return self.rows.shape[0], len(self.position)

    @property
    def dtype(self) -> np.dtype:
        """The type of the numbers."""
        return self.rows.dtype

    def __getitem__(self, rows: slice) -> np.ndarray | sparse.csr_matrix:
        """Read consecutive rows."""
        part = self.rows[rows]
        return part[:, self.position]
