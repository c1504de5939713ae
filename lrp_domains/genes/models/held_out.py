"""How well held-out rows are predicted, beside what chance gives."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HeldOut:
    """A measure of the predictions of all held-out rows, with its error.

    Attributes
    ----------
    measure
        ``"balanced accuracy"``, ``"rank correlation"`` or ``"concordance"``.
    value, error
        The measure, and half the width of its 95 % interval.
    chance
        What it is if nothing was learnt.
    """

    measure: str
    value: float
    error: float
    chance: float

    @property
    def at_chance(self) -> bool:
        """Whether the measure is within its error of chance, or below it."""
        return not self.value - self.error > self.chance

    @property
    def warning(self) -> str:
        """What users are told if the measure is at chance; else empty."""
        if not self.at_chance:
            return ""
        return (
            f"held-out {self.measure} {self.value:.2f} ± {self.error:.2f} is within error of chance "
            f"({self.chance:.2f}): the networks have learnt nothing that holds for other rows; rankings show "
            "noise, don't read them as markers"
        )
