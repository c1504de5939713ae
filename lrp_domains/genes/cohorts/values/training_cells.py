"""The cells that a model was trained on: known by their content, and the fold of each."""

import hashlib
import warnings
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class TrainingCells:
    """The cells that a model was trained on.

    Attributes
    ----------
    names
        Their names.
    folds
        The fold of each, whose networks have not seen it.
    contents
        A hash of each cell's values, see `lrp_domains.genes.cohorts.values.content`.
    moments
        For z-scores, the mean and the standard deviation of each gene in the cells that the networks of a fold were
        trained on, each folds x genes; else None.
    """

    names: np.ndarray = field(repr=False)
    folds: np.ndarray = field(repr=False)
    contents: np.ndarray = field(repr=False)
    moments: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)

    def folds_of(self, contents: np.ndarray, names: np.ndarray) -> np.ndarray:
        """Return the fold of each cell, -1 for a cell that no network has seen.

        Parameters
        ----------
        contents
            The hash of each cell's values.
        names
            The names of the cells, which distinguish only training cells of the same values.
        """
        order, ordered = self._order
        first = np.searchsorted(ordered, contents)
        candidate = order[np.minimum(first, len(order) - 1)]
        seen = self.contents[candidate] == contents
        folds = np.where(seen, self.folds[candidate], -1)

        if len(self._repeated):
            for cell in np.flatnonzero(seen & self._is_repeated[candidate]):
                folds[cell] = self._repeated.get((int(contents[cell]), str(names[cell])), folds[cell])
        return folds

    def namesakes(self, names: np.ndarray, folds: np.ndarray) -> int:
        """Count the cells with the name of a training cell, but other values: those whose fold is -1."""
        others = np.asarray(names)[folds < 0]
        return int((self._index.get_indexer(others) >= 0).sum()) if len(others) else 0

    def digest(self) -> str:
        """Return a hash of all that decides which networks explain a cell, and what they read of it."""
        digest = hashlib.sha256("\0".join(map(str, self.names)).encode())
        for array in (self.folds, self.contents, *(self.moments or ())):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        """The cells ordered by content, and their contents in this order."""
        order = np.argsort(self.contents, kind="stable")
        return order, self.contents[order]

    @cached_property
    def _is_repeated(self) -> np.ndarray:
        """Whether another cell has the same values."""
        return pd.Series(self.contents).duplicated(keep=False).to_numpy()

    @cached_property
    def _repeated(self) -> dict[tuple[int, str], int]:
        """The fold by content and name of the cells that share their values with others."""
        return {
            (int(self.contents[cell]), str(self.names[cell])): int(self.folds[cell])
            for cell in np.flatnonzero(self._is_repeated)
        }

    @cached_property
    def _index(self) -> pd.Index:
        return pd.Index(np.asarray(self.names, dtype=object)).unique()


def warn_of_namesakes(namesakes: int, cells: int) -> None:
    """Warn if cells have names of training cells, but other values; such cells count as unseen."""
    if namesakes:
        warnings.warn(
            f"{namesakes} of {cells} cells have the name of a cell that the model was trained on, but other values: "
            "they count as cells that no network has seen. If they are training cells, the expression has changed "
            "since: another layer, other genes, or a new normalisation; explain the cohort as it was trained on",
            stacklevel=3,
        )
