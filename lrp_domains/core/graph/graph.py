"""The autograd graph behind an output: its nodes in order, and which of them lead to the inputs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import torch

from .operations import VIEWS, Operation, operation_of
from .questions import question

if TYPE_CHECKING:
    from .twins import Twin

Tensor = torch.Tensor
Node = torch.autograd.graph.Node
Edge = tuple[Node, int]
Slots = tuple[bool, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Graph:
    """The nodes between an output and the inputs to be explained.

    Attributes
    ----------
    order
        All nodes behind the output; each node comes after everything it was computed from.
    edges
        For each node, what it was computed from, slot by slot.
    operations
        For each node, its row of the vocabulary.
    sources
        The edges that end in the inputs, with the inputs.
    reaching
        For each node from which an input can be reached, whether it can be reached through each slot.
    carried
        The slots of `reaching` through which an input can be reached, as a list.
    named
        The nodes from which an input can be reached, by the base of their name.
    twin
        The graph of the reference, if there is one (see twins.py).
    """

    order: tuple[Node, ...]
    edges: dict[Node, tuple[Edge, ...]]
    operations: dict[Node, Operation]
    sources: dict[Edge, Tensor]
    reaching: dict[Node, Slots]
    twin: Twin | None = field(default=None, repr=False)
    carried: dict[Node, list[int]] = field(init=False, repr=False)
    named: dict[str, list[Node]] = field(init=False, repr=False)
    _once: dict[Callable, object] = field(default_factory=dict, repr=False, compare=False)

    def leads_to_source(self, edge: tuple[Node | None, int]) -> bool:
        """Return whether an input is at or behind an edge."""
        return edge[0] in self.reaching or edge in self.sources

    def __post_init__(self) -> None:
        # Nodes share these lists, as a graph has few patterns: the garbage collector visits every list there is.
        lists = {slots: [slot for slot, leads in enumerate(slots) if leads] for slots in set(self.reaching.values())}
        carried = {node: lists[slots] for node, slots in self.reaching.items()}
        named: dict[str, list[Node]] = defaultdict(list)
        for node in self.reaching:
            named[self.operations[node].base].append(node)

        # The class is frozen.
        object.__setattr__(self, "carried", carried)
        object.__setattr__(self, "named", dict(named))

    def of(self, bases: Iterable[str]) -> list[Node]:
        """Return the nodes of some bases from which an input can be reached, base by base."""
        return [node for base in bases for node in self.named.get(base, ())]

    def once(self, find: Callable[[Graph], T]) -> T:
        """Return the result of a function of the whole graph, which is computed only the first time."""
        if find not in self._once:
            self._once[find] = find(self)
        return self._once[find]

    def through(self, edge: Edge, bases: frozenset[str] = VIEWS) -> Edge:
        """Return the edge behind operations of one input, which are views by default."""
        while edge not in self.sources and edge[0] in self.edges and self.operations[edge[0]].base in bases:
            edges = self.edges[edge[0]]
            carrying = [behind for behind in edges if self.leads_to_source(behind)] if len(edges) > 1 else edges
            if len(carrying) != 1:
                break
            edge = carrying[0]
        return edge

    def leaf(self, edge: Edge) -> Node | None:
        """Return the node of the leaf (such as a parameter) behind an edge, also through views."""
        node = edge[0]
        while node in self.operations and self.operations[node].base in VIEWS:
            node = self.edges[node][0][0]
        return node if hasattr(node, "variable") else None

    def variable(self, edge: Edge) -> Tensor | None:
        """Return the leaf tensor (such as a parameter) behind an edge, also through views."""
        leaf = self.leaf(edge)
        return None if leaf is None else leaf.variable


def edge_of(tensor: Tensor) -> Edge:
    """Return the edge at which a tensor's gradient arrives."""
    edge = torch.autograd.graph.get_gradient_edge(tensor)
    return edge.node, edge.output_nr


def build_graph(root: Node, inputs: Sequence[Tensor]) -> Graph:
    """Return the graph between an output's node and the inputs."""
    sources = {edge_of(tensor): tensor for tensor in inputs}
    edges = _edges_inputs_first(root)
    operations = {node: operation_of(node) for node in edges}
    return Graph(tuple(edges), edges, operations, sources, slots_reaching(edges, sources))


def slots_reaching(edges: Mapping[Node, tuple[Edge, ...]], sources: Mapping[Edge, Tensor]) -> dict[Node, Slots]:
    """Return the nodes from which a source can be reached, in the same order, and through which slots."""
    ends = {node for node, _ in sources}
    reaching: dict[Node, Slots] = {}
    shared: dict[Slots, Slots] = {}
    for node, behind in edges.items():
        slots = tuple([child in reaching or (child in ends and (child, n) in sources) for child, n in behind])
        if True in slots:
            reaching[node] = shared.setdefault(slots, slots)
    return reaching


def _edges_inputs_first(root: Node) -> dict[Node, tuple[Edge, ...]]:
    """Return the edges of all nodes, inputs first."""
    order: dict[Node, tuple[Edge, ...]] = {}
    entered: dict[Node, tuple[Edge, ...]] = {}

    # Depth first without recursion: graphs are deeper than Python's stack.
    pending = [root]
    while pending:
        node = pending[-1]
        if node in entered:  # all children are done
            order[node] = entered[node]
            pending.pop()
            continue
        entered[node] = edges = node.next_functions
        for child, _ in reversed(edges):
            if child is not None and child not in entered:
                pending.append(child)
    return order


def shape_of(edge: Edge) -> tuple[int, ...]:
    """Return the shape of the value at an edge."""
    return _shape(*edge)


@question
def _shape(node: Node, output: int) -> tuple[int, ...]:
    return tuple(node._input_metadata[output].shape)


def dtype_of(edge: Edge) -> torch.dtype:
    """Return the dtype of the value at an edge."""
    return _dtype(*edge)


@question
def _dtype(node: Node, output: int) -> torch.dtype:
    return node._input_metadata[output].dtype
