"""A sparse matrix that stays on disk, and is read some rows at a time."""

from dataclasses import dataclass, field

import numpy as np
from anndata.abc import CSRDataset
from scipy import sparse


@dataclass(frozen=True)
class RowsOnDisk:
    """Rows of a CSR matrix in an ``.h5ad`` file or a ``.zarr`` folder.

    anndata's own reading takes some milliseconds a call, whatever the number of rows: as long as a hundred cells take
    to be explained.

    Attributes
    ----------
    group
        The group that holds ``data`` and ``indices``.
    ends
        Where each row ends among the entries, after a 0.
    """

    group: object = field(repr=False)
    ends: np.ndarray = field(repr=False)
    shape: tuple[int, int]
    dtype: np.dtype
    format: str = "csr"

    def __getitem__(self, rows: slice) -> sparse.csr_matrix:
        start, stop, _ = rows.indices(self.shape[0])
        ends = self.ends[start : max(start, stop) + 1]
        entries = slice(int(ends[0]), int(ends[-1]))
        found = sparse.csr_matrix((len(ends) - 1, self.shape[1]), dtype=self.dtype)
        indices = self.group["indices"][entries]
        found.data, found.indices = self.group["data"][entries], indices
        found.indptr = (ends - ends[0]).astype(indices.dtype)
        return found


def rows_on_disk(dataset: CSRDataset) -> RowsOnDisk:
    """Give the rows of a sparse matrix that anndata has opened."""
    return RowsOnDisk(dataset.group, dataset.group["indptr"][:].astype(np.int64), dataset.shape, dataset.dtype)
