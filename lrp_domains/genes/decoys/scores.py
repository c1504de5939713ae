"""What genes and their decoys score in each group."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


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
    """

    groups: np.ndarray
    genes: np.ndarray
    scores: np.ndarray = field(repr=False)
    decoys: np.ndarray = field(repr=False)
    mean: np.ndarray = field(repr=False)
    deviation: np.ndarray = field(repr=False)

    @property
    def draws(self) -> int:
        """The number of draws."""
        return len(self.scores)

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
