"""What genes and their decoys score in each group."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class DecoyScores:
    """What genes and their decoys score in each group.

    Attributes
    ----------
    groups, genes
        Names of the groups, and of the genes as the model knows them.
    scores, decoys
        Draws x groups x genes: mean relevance of a gene, and of its decoy, over the group's counted cells; NaN for a
        group without one.
    mean, deviation
        Of each gene's expression over all cells.
    cells
        Folds x groups: the number of cells that were learnt, by which the cohort is recognised; empty if no classes
        were.
    """

    groups: np.ndarray
    genes: np.ndarray
    scores: np.ndarray = field(repr=False)
    decoys: np.ndarray = field(repr=False)
    mean: np.ndarray = field(repr=False)
    deviation: np.ndarray = field(repr=False)
    cells: np.ndarray = field(repr=False)

    @property
    def draws(self) -> int:
        """The number of draws."""
        return len(self.scores)

    def of_genes(self, numbers: np.ndarray, names: np.ndarray) -> "DecoyScores":
        """Return the scores of some genes, by other names."""
        kept = {name: getattr(self, name)[..., numbers] for name in ("scores", "decoys", "mean", "deviation")}
        return replace(self, genes=names, **kept)

    def to_slot(self) -> dict[str, np.ndarray]:
        """Return a dictionary that an AnnData file can store in ``uns``."""
        return dict(vars(self))

    @classmethod
    def from_slot(cls, slot: Mapping[str, object]) -> "DecoyScores":
        """Convert the dictionary of `to_slot` back."""
        values = {name: np.asarray(slot[name]) for name in cls.__dataclass_fields__}
        for name in ("groups", "genes"):  # zarr has its own type of strings
            values[name] = np.array([str(value) for value in values[name]], dtype=object)
        return cls(**values)


def cells_of(folds: np.ndarray, labels: pd.Categorical | None) -> np.ndarray:
    """Return the number of cells of each group in each fold, folds x groups; empty without labels."""
    if labels is None:
        return np.zeros((0, 0), np.int64)
    counts = np.zeros((int(folds.max()) + 1, len(labels.categories)), np.int64)
    np.add.at(counts, (folds, labels.codes), 1)
    return counts
