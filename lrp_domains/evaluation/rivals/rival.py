"""What a rival is: another way to explain the same function, in the place of a rule set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Protocol

import torch
from torch import Tensor, nn

from ...domain import DomainError

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
        What its scores are explained for, and what that is compared with, of the same shapes: samples x units, samples
        x units x features, or of any shape if a rival knows no units or `units` has them.
    model
        The module that the function calls.
    units
        For inputs of other shapes, such as pictures, samples x channels x height x width: which unit each entry of a
        sample belongs to, numbered from 0, of a sample's shape or of its last dimensions, such as
        `lrp_domains.evaluation.patches`.
    """

    score: Score
    inputs: Tensors
    references: Tensors
    model: nn.Module
    units: Tensor | None = None

    @property
    def difference(self) -> Tensors:
        """The inputs minus the references."""
        return tuple(x - r for x, r in zip(self.inputs, self.references, strict=True))

    def units_of(self, x: Tensor) -> Tensor:
        """Return which unit each entry of a sample of an input belongs to; it broadcasts to a sample's shape."""
        dimensions = x.ndim - 1
        if self.units is not None:
            return self.units.to(x.device).view(*[1] * (dimensions - self.units.ndim), *self.units.shape)
        if dimensions > 2:
            raise DomainError(
                f"inputs have shape {tuple(x.shape)}, of which it is unknown what a unit is: pass "
                "Problem(units=...), such as patches(height, width, size)"
            )
        return torch.arange(x.shape[1], device=x.device).view(-1, *[1] * (dimensions - 1))


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


def as_inputs(of: Problem, relevance: Tensor) -> Tensors:
    """Return the relevance of units, B x U, as that of the first input, spread over a unit's entries; 0 for the
    others."""
    first = of.inputs[0]
    units = of.units_of(first)
    entries = units.flatten().bincount(minlength=relevance.shape[1]) * (first[0].numel() // units.numel())
    spread = (relevance.to(first) / entries.clamp(min=1))[:, units]
    return (spread.expand_as(first), *[torch.zeros_like(x) for x in of.inputs[1:]])


def check_count(name: str, value: int) -> None:
    """Raise if a number of steps or samples is none."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise DomainError(f"{name} is {value!r}: pass a whole number from 1")
