"""What a rule is: to which of a node's inputs relevance may flow, and with which coefficient.

The relevance of a tensor x is written ``R = x * g``. A rule computes the ``g`` of a node's inputs from the ``g`` of its
outputs. When a rule is called, autograd has already computed the plain derivative, so a rule that rescales it
(`uniform`) is as cheap as one that replaces it (`identity`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from .graph.operations import Node, operation_of

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
        ``opens(node, carries, graph) -> slots``: for each input of the node, whether relevance may flow to it.
        ``carries`` marks which of them lead to a tensor that is explained. By default all of those are open.
    backward
        ``backward(node, carries, gi, go) -> gi``: from the ``g`` of the outputs (``go``) and the plain derivative
        (``gi``) to the ``g`` of the inputs. ``carries`` marks for each input whether relevance flows to it. By default
        the derivative is kept. A rule for your own autograd Function has this signature.
    shares
        What the derivative at each slot is multiplied by, if that is all that differs from it.
    bounded
        Whether ``backward`` returns finite coefficients for finite ones, so that it is never the first to lose them.
    arrives
        ``arrives(node, go) -> go``: replaces what arrives at the node's outputs.
    place
        ``place(node, graph, shares) -> Rule | None``: the rule as it applies to one node of a graph, None if it can't
        be applied there.
    passes
        Factors of nested products that the rule hands a coefficient to, past the node's inputs, each with the function
        that computes the coefficient.
    adds
        ``adds(node, gi, go) -> (name, relevance)``: for the ledger, the constant that the operation itself adds, whose
        relevance is a scalar tensor.
    """

    name: str
    opens: Callable[[Node, Slots, Graph], Slots] | None = field(default=None, repr=False)
    backward: Backward | None = field(default=None, repr=False)
    shares: Mapping[int, float | torch.Tensor] = field(default_factory=dict, repr=False, hash=False)
    bounded: bool = field(default=False, repr=False)
    arrives: Callable[[Node, Grads], Grads] | None = field(default=None, repr=False)
    place: Callable[[Node, Graph, Shares], Rule | None] | None = field(default=None, repr=False)
    passes: tuple[tuple[Factor, Backward], ...] = field(default=(), repr=False)
    adds: Callable[[Node, Grads, Grads], tuple[str, torch.Tensor]] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.name


@lru_cache
def share_rule(name: str, shares: tuple[tuple[int, float], ...]) -> Rule:
    """Return the rule that multiplies the derivative at some slots by a number: one object for many nodes."""
    return Rule(name, shares=dict(shares))


def none_open(node: Node, carries: Slots, graph: Graph) -> Slots:
    """Open no slot."""
    return (False,) * len(carries)


def factors_closed(node: Node, carries: Slots, graph: Graph) -> Slots:
    """Open all slots except those that scale, such as a norm's weight or a denominator."""
    factors = operation_of(node).factors
    return tuple(slot not in factors for slot in range(len(carries)))


gradient = Rule("gradient")
"""The plain derivative. For a linear operation this is LRP-0."""

winner = Rule("winner takes all", opens=factors_closed)
"""The derivative of a piecewise linear operation: ReLU, max, top-k, max-pool."""

constant = Rule("constant", opens=none_open)
"""The operation's value counts as a constant: no relevance flows through it."""

others_constant = Rule("others constant", opens=factors_closed)
"""The derivative for the argument that the operation is linear in; the others count as constant."""
