"""The content of a cell as a number, by which a model knows the cells that it was trained on, whatever their names."""

import hashlib
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from .normalisation import Matrix

_FACTOR = np.uint64(0xBF58476D1CE4E5B9)  # of SplitMix64 (Steele et al. 2014)
_SHIFT = np.uint64(31)
_NUMBERS = 500_000  # of a dense matrix at a time, so that they stay in the caches


def gene_keys(names: Sequence[str]) -> np.ndarray:
    """Return an odd number of 64 bits per gene, which follows from its name."""
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64) | np.uint64(1)


def contents_of(stored: Matrix, keys: np.ndarray) -> np.ndarray:
    """Compute a hash of 64 bits of each cell's values.

    ``sum_g mix(bits(x_g) k_g) mod 2^64`` *where* ``bits`` are those of the value as float32, ``k_g`` is the key of the
    gene, and ``mix(y) = (y xor y >> 31) c``. A value of 0 adds nothing, so that it doesn't matter in which order genes
    are stored, and whether zeros are.

    Parameters
    ----------
    stored
        Cells x genes, as the cohort stores them.
    keys
        The key of each column; 0 for a column that is not read.
    """
    if sparse.issparse(stored):
        sums = np.zeros(stored.nnz + 1, np.uint64)
        np.cumsum(_mixed(stored.data, keys[stored.indices]), out=sums[1:])
        return sums[stored.indptr[1:]] - sums[stored.indptr[:-1]]

    contents = np.empty(len(stored), np.uint64)
    rows = max(1, _NUMBERS // max(1, stored.shape[1]))
    for start in range(0, len(stored), rows):
        contents[start : start + rows] = _mixed(stored[start : start + rows], keys).sum(1, dtype=np.uint64)
    return contents


def _mixed(values: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return a number of 64 bits per value; 0 for the value 0, also for -0."""
    numbers = (np.asarray(values).astype(np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64)
    numbers *= keys
    numbers ^= numbers >> _SHIFT
    numbers *= _FACTOR
    return numbers
