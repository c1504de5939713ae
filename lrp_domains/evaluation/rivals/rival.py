"""What a rival is: another way to explain the same function, in the place of a rule set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

Tensors = tuple[Tensor, ...]


class Score(Protocol):
    """The function that is explained: from inputs, the first dimension of each that of samples, to a score per sample.

    It also takes k times as many samples, of which row i is sample ``i % B``.
    """

    def __call__(self, *inputs: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Problem:
    """A function with what it is explained for.

    Attributes
    ----------
    score
        The function.
    inputs, references
        What its scores are explained for, and what that is compared with, of the same shapes: samples x units, or
        samples x units x features.
    model
        The module that the function calls.
    """

    score: Score
    inputs: Tensors
    references: Tensors
    model: nn.Module

    @property
    def difference(self) -> Tensors:
        """The inputs minus the references."""
        return tuple(x - r for x, r in zip(self.inputs, self.references, strict=True))


@dataclass(frozen=True)
class Rival:
    """Another way to explain a function.

    Attributes
    ----------
    name
        Its name in tables and reports.
    relevance
        From what is explained to relevance of each input, of its shape.
    gradients
        About what it costs, in gradients; None if that depends on the number of units.
    settings
        What else its results depend on, such as a seed: an interrupted run resumes only if it is the same.
    """

    name: str
    relevance: Callable[[Problem], Sequence[Tensor]] = field(repr=False)
    gradients: float | None
    settings: tuple = ()

    @property
    def reads_reference(self) -> bool:
        """Whether a reference is needed; a rival takes zeros where there is none."""
        return False

    def table(self) -> str:
        """Return what identifies it, as `RuleSet.table` does."""
        return " ".join(map(str, (self.name, *self.settings)))
