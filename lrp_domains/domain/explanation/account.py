"""The ledger of many samples, summed batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ... import Ledger


@dataclass
class Account:
    """Summed ledgers: ``score = units + rest + sum(leaves) + residue``.

    Attributes
    ----------
    score
        The sum of the scores.
    units
        The relevance of the domain's units: genes, tokens, pixels.
    rest
        The relevance of inputs that belong to no unit, such as special tokens.
    leaves
        The relevance of biases and other leaves, by name.
    residue
        What the ledgers couldn't assign.
    """

    score: float = 0.0
    units: float = 0.0
    rest: float = 0.0
    leaves: dict[str, float] = field(default_factory=dict)
    residue: float = 0.0

    def add(self, ledger: Ledger, units: float | None = None) -> None:
        """Add the ledger of a batch whose units have the relevance `units`; None if that is of all inputs."""
        inputs = sum(ledger.inputs)
        held = inputs if units is None else units
        self._add(ledger.score, held, inputs - held, ledger.leaves, ledger.residue)

    def merge(self, other: Account) -> None:
        """Add another account."""
        self._add(other.score, other.units, other.rest, other.leaves, other.residue)

    def to_slot(self) -> dict[str, object]:
        """Return a dictionary of numbers and arrays, which files of all kinds can store."""
        names, amounts = list(self.leaves), list(self.leaves.values())
        return dict(vars(self)) | {"leaves": np.array(amounts, float), "leaf_names": np.array(names, dtype=object)}

    @classmethod
    def from_slot(cls, slot: Mapping[str, object]) -> Account:
        """Convert the dictionary of `to_slot` back."""
        sums = {name: float(slot[name]) for name in ("score", "units", "rest", "residue")}
        leaves = zip(map(str, slot["leaf_names"]), map(float, slot["leaves"]), strict=True)
        return cls(**sums, leaves=dict(leaves))

    def _add(self, score: float, units: float, rest: float, leaves: dict[str, float], residue: float) -> None:
        self.score += score
        self.units += units
        self.rest += rest
        self.residue += residue
        for name, amount in leaves.items():
            self.leaves[name] = self.leaves.get(name, 0.0) + amount
