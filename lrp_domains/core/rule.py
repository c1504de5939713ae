"""What a rule is: which of a node's inputs relevance may flow to, and the coefficient that goes there.

At a tensor x relevance is written ``R = x * g``. A rule says how the ``g`` of a node's inputs follows from the ``g``
of its outputs. Autograd has computed the plain derivative already when a rule is asked, so a rule that rescales the
derivative (`uniform`) is as cheap as one that replaces it (`identity`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from .operations import operation

if TYPE_CHECKING:
    from .graph import Graph

Node = torch.autograd.graph.Node
Slots = tuple[bool, ...]
Grads = tuple[torch.Tensor | None, ...]


@dataclass(frozen=True)
class Rule:
    """A rule for one operation.

    Attributes
    ----------
    name
        How the rule is called in tables and errors.
    opens
        ``opens(node, carries, graph) -> slots``: for every input of the node, whether relevance may flow to it.
        ``carries`` says which of them lead to an input to be explained. Without it all of those stay open.
    backward
        ``backward(node, carries, gi, go) -> gi``: from the ``g`` of the outputs (``go``) and the plain derivative
        (``gi``) to the ``g`` of the inputs. ``carries`` says for every input whether relevance flows there.
        Without it the derivative stands. This is the signature to write for an autograd Function of your own.
    absolute
        The rule yields relevance itself, not relevance / input: fit for the layer next to the input only.
    shares
        Of a layer rule (layers.py): the coefficients of a layer's input and bias. It tells that the rule is one.
    """

    name: str
    opens: Callable[[Node, Slots, Graph], Slots] | None = field(default=None, compare=False)
    backward: Callable[[Node, Slots, Grads, Grads], Grads] | None = field(default=None, compare=False)
    absolute: bool = False
    shares: Callable | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return self.name


def none_open(node: Node, carries: Slots, graph: Graph) -> Slots:
    return (False,) * len(node.next_functions)


def factors_closed(node: Node, carries: Slots, graph: Graph) -> Slots:
    """Open but for the slots that scale: a norm's weight, a denominator."""
    factors = operation(node.name()).factors
    return tuple(slot not in factors for slot in range(len(carries)))


gradient = Rule("gradient")
"""The plain derivative. For a linear operation this is LRP-0."""

winner = Rule("winner takes all", opens=factors_closed)
"""The derivative of what is linear piece by piece: ReLU, max, top-k, max-pool."""

constant = Rule("constant", opens=none_open)
"""The operation's value counts as a constant: no relevance flows through it."""
