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

from .graph.operations import Node, operation

if TYPE_CHECKING:
    from .graph.graph import Graph
    from .roles.nested import Factor
    from .roles.shares import Shares

Slots = tuple[bool, ...]
Grads = tuple[torch.Tensor | None, ...]
Backward = Callable[[Node, Slots, Grads, Grads], Grads]


@dataclass(frozen=True)
class Rule:
    """A rule for one operation.

    Attributes
    ----------
    name
        The rule's name in tables and errors.
    opens
        ``opens(node, carries, graph) -> slots``: for every input of the node, whether relevance may flow to it.
        ``carries`` says which of them lead to an input to be explained. Without it all of those stay open.
    backward
        ``backward(node, carries, gi, go) -> gi``: from the ``g`` of the outputs (``go``) and the plain derivative
        (``gi``) to the ``g`` of the inputs. ``carries`` says for every input whether relevance flows there.
        Without it the derivative stands. This is the signature to write for an autograd Function of your own.
    arrives
        ``arrives(node, go) -> go``: what the node is handed in the place of what arrives at its outputs.
    place
        ``place(node, graph, shares) -> Rule | None``: the rule as it applies at one place of a graph, None where it has
        no answer.
    passes
        Factors of nested products that the rule hands a coefficient to, past the node's inputs, and how it is computed.
    adds
        ``adds(node, gi, go) -> (name, relevance)``: for the ledger, the constant that the operation adds by itself.
    """

    name: str
    opens: Callable[[Node, Slots, Graph], Slots] | None = field(default=None, repr=False)
    backward: Backward | None = field(default=None, repr=False)
    arrives: Callable[[Node, Grads], Grads] | None = field(default=None, repr=False)
    place: Callable[[Node, Graph, Shares], Rule | None] | None = field(default=None, repr=False)
    passes: tuple[tuple[Factor, Backward], ...] = field(default=(), repr=False)
    adds: Callable[[Node, Grads, Grads], tuple[str, float]] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.name


def none_open(node: Node, carries: Slots, graph: Graph) -> Slots:
    return (False,) * len(carries)


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

others_constant = Rule("others constant", opens=factors_closed)
"""The derivative for the argument that the operation is linear in; the other counts as constant."""
