"""A pair of nodes, one of the inputs' graph and one of the reference's, and the form of a secant rule.

Where the derivative says how a small change of x changes y, a secant says how the whole difference between the inputs
and the reference does: with ``R = (x1 - x0) g`` at every tensor, a rule computes the ``g`` of a node's inputs such that
``sum of (x1 - x0) g_x = (y1 - y0) g_y``. Values with a 1 are of the inputs, values with a 0 of the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..errors import RelevanceError
from ..graph.functions import wide
from ..graph.graph import Edge, Graph
from ..graph.operations import Operation
from ..graph.replay import Values, dtype_at, made
from ..graph.saved import keeps, read
from ..roles.roles import Roles
from ..roles.shares import Shares
from ..rule import Grads, Node, Rule, Slots

Tensor = torch.Tensor
# The name of the rule of operations that have no exact secant.
INEXACT = "mean of the derivatives"
Both = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Pair:
    """A node of the inputs' graph, with the node that computed the same for the reference."""

    node: Node
    graph: Graph

    @property
    def operation(self) -> Operation:
        return self.graph.operations[self.node]

    @property
    def other(self) -> Node:
        """The reference's node."""
        return self.graph.twin.nodes[self.node]

    @property
    def edges(self) -> tuple[Edge, ...]:
        return self.graph.edges[self.node]

    def read(self, name: str, *default: object) -> tuple[object, object]:
        """Return what both nodes kept under a name."""
        return self.each(lambda node: read(node, name, *default), name)

    def each(self, function: Callable[[Node], object], *names: str) -> tuple[object, object]:
        """Return what a function of each node returns that reads what the node kept, under some names or all."""
        rereading = self.graph.twin.rereading
        with rereading.once_more(self.node, *names):
            result = function(self.node)
        with rereading.once_more(self.other, *names):
            return result, function(self.other)

    def keeps(self, name: str | None) -> bool:
        """Return whether both nodes keep a tensor under a name."""
        return keeps(self.node, name) and keeps(self.other, name)

    def kept(self, name: str) -> Both:
        """Return the tensors that both nodes kept under a name, in float32 or wider."""
        x1, x0 = self.read(name)
        return wide(x1.detach()), wide(x0.detach())

    def values(self, slot: int) -> Both | None:
        """Return the values at a slot, None if they are not available."""
        name = self.operation.slot_kept(slot)
        return self.kept(name) if self.keeps(name) else self.at(self.edges[slot])

    def result(self) -> Both | None:
        """Return the node's results, None if they are not available."""
        return self.at((self.node, 0))

    def at(self, edge: Edge) -> Both | None:
        """Return the values at an edge, None if they are not available."""
        if edge[0] is None:
            return None
        twin, is_planning = self.graph.twin, torch._C._current_graph_task_id() == -1
        values, others = (graph.once(Roles).values for graph in (self.graph, twin.graph))
        x1 = values.value(edge) if is_planning else values.available(edge)
        x0 = None if x1 is None else others.value(twin.edge(edge)) if is_planning else others.available(twin.edge(edge))
        return None if x0 is None else (x1.detach(), x0.detach())

    def prepare(self, edge: Edge) -> None:
        """Compute the values at an edge while planning, if they will be needed in the pass and aren't kept."""
        if (values := self.at(edge)) is not None:
            twin = self.graph.twin
            self.graph.once(Roles).values.given[edge] = values[0]
            twin.graph.once(Roles).values.given[twin.edge(edge)] = values[1]

    def is_prepared(self, edge: Edge) -> bool:
        """Return whether the values at an edge were recorded or computed while planning."""
        twin = self.graph.twin
        given, others = (graph.once(Roles).values.given for graph in (self.graph, twin.graph))
        return (edge in given or edge in self.graph.sources) and (
            twin.edge(edge) in others or edge in self.graph.sources
        )

    def derivative(self, go: Grads, *, of_reference: bool) -> Values:
        """Return what one of the two nodes passes back for g at its outputs, by its derivative."""
        node = self.other if of_reference else self.node
        arriving = [None if g is None else g.to(dtype_at((node, output))) for output, g in enumerate(go)]
        with self.graph.twin.rereading.once_more(node):
            result = node(*arriving)
        return result if isinstance(result, tuple) else (result,)

    def repeated(self, slot: int, x: Both, outputs: list[int]) -> list[Both]:
        """Apply a linear or piecewise linear operation to x at a slot, each half with its node's choices."""
        y1, y0 = (made(node, slot, x, outputs) for node, x in zip((self.node, self.other), x, strict=True))
        return list(zip(y1, y0, strict=True))

    def refuse(self, why: str) -> RelevanceError:
        """Return the error for a node whose difference can't be shared."""
        return RelevanceError(
            f"{self.node.name()}: {why}. Choose other references, or give it another rule (rules.for_nodes)"
        )


SecantBackward = Callable[[Pair, Slots, Grads, Grads], Grads]


def secant_rule(
    name: str,
    backward: SecantBackward,
    *,
    simplest: Callable[[Pair, Slots], Rule | None] | None = None,
    opens: Callable[[Node, Slots, Graph], Slots] | None = None,
) -> Rule:
    """Return the rule that applies a secant to pairs of nodes; ``simplest`` may return a simpler rule for a pair."""

    def place(node: Node, graph: Graph, shares: Shares) -> Rule:
        if graph.twin is None:  # to list the rules, no reference is needed
            return Rule(name)
        pair = Pair(node, graph)
        rule = simplest(pair, shares.carries[node]) if simplest is not None else None
        return rule or bound(name, backward, pair)

    return Rule(name, opens=opens, place=place)


def bound(name: str, backward: SecantBackward, pair: Pair) -> Rule:
    """Return the rule of one pair."""
    return Rule(name, backward=lambda node, carries, gi, go: backward(pair, carries, gi, go))


def mean_of_derivatives(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    """Return the mean of both nodes' derivatives: exact where each output is linear in each input (a product of two
    tensors), or a sum of squares."""
    of_reference = pair.derivative(go, of_reference=True)
    return tuple(
        (g + other.sum_to_size(g.shape).to(g.dtype)) / 2 if is_open and g is not None else g
        for g, other, is_open in zip(gi, of_reference, carries, strict=True)
    )


def put(gi: Grads, by_slot: dict[int, Tensor]) -> Grads:
    """Return gi with other tensors at some slots, each summed to the shape of the one it replaces."""
    return tuple(
        cast(by_slot[slot].sum_to_size(g.shape), g.dtype) if slot in by_slot and g is not None else g
        for slot, g in enumerate(gi)
    )


def cast(g: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert g to the dtype of what it arrives at: of a real number the real part."""
    return (g.real if g.is_complex() and not dtype.is_complex else g).to(dtype)
