"""The account of many texts."""

from collections import defaultdict


class Books:
    """What the leaves and the residue hold, summed over batches."""

    def __init__(self) -> None:
        self.leaves: defaultdict[str, float] = defaultdict(float)
        self.residue = 0.0

    def add(self, leaves: dict[str, float], residue: float) -> None:
        """Take the account of a batch."""
        self.residue += residue
        for name, amount in leaves.items():
            self.leaves[name] += amount
