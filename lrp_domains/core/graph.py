"""The autograd graph behind an output: its nodes in order, who uses whom, and what leads to the inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch

from .operations import operation

Node = torch.autograd.graph.Node
Edge = tuple[Node, int]
T = TypeVar("T")

# Nodes that only rearrange, copy or cast their one input: a parameter seen through them is still that parameter.
VIEWS = frozenset(
    """
    T Transpose Permute View UnsafeView Reshape ReshapeAlias Expand Squeeze Unsqueeze Slice Select Split
    SplitWithSizes UnsafeSplit Unbind Chunk ToCopy Clone Alias AsStrided Contiguous Unfold Repeat Flatten Movedim
    """.split()
)


@dataclass(frozen=True)
class Graph:
    """The nodes between an output and the inputs to be explained.

    Attributes
    ----------
    order
        All nodes behind the output; a node stands after everything it was computed from.
    sources
        The edges that end in the inputs.
    reaches
        The nodes from which an input can be reached, whatever stands on the way.
    """

    order: tuple[Node, ...]
    sources: frozenset[Edge]
    reaches: frozenset[Node]
    _known: dict = field(default_factory=dict, repr=False, compare=False)

    def leads_to_source(self, edge: tuple[Node | None, int]) -> bool:
        return edge in self.sources or edge[0] in self.reaches

    def reaching(self, node: Node) -> tuple[bool, ...]:
        """For every input slot of the node: can an input be reached through it?"""
        if node not in self._known:
            self._known[node] = tuple(self.leads_to_source(edge) for edge in node.next_functions)
        return self._known[node]

    def once(self, find: Callable[[Graph], T]) -> T:
        """What a function finds out about the whole graph, asked the first time only."""
        if find not in self._known:
            self._known[find] = find(self)
        return self._known[find]


def edge_of(tensor: torch.Tensor) -> Edge:
    """Where a tensor's gradient arrives."""
    edge = torch.autograd.graph.get_gradient_edge(tensor)
    return edge.node, edge.output_nr


def build_graph(root: Node, inputs: Sequence[torch.Tensor]) -> Graph:
    sources = frozenset(edge_of(tensor) for tensor in inputs)
    order = _inputs_first(root)
    reaches = set()
    for node in order:
        if any(edge in sources or edge[0] in reaches for edge in node.next_functions):
            reaches.add(node)
    return Graph(order, sources, frozenset(reaches))


def _inputs_first(root: Node) -> tuple[Node, ...]:
    """Depth first without recursion: graphs are deeper than Python's stack."""
    order, seen, stack = [], {root}, [(root, iter(root.next_functions))]
    while stack:
        node, children = stack[-1]
        for child, _ in children:
            if child is not None and child not in seen:
                seen.add(child)
                stack.append((child, iter(child.next_functions)))
                break
        else:
            order.append(node)
            stack.pop()
    return tuple(order)


def through_views(edge: tuple[Node | None, int]) -> Node | None:
    """The node behind an edge, once views of it are looked through."""
    node = edge[0]
    while node is not None and operation(node.name()).base in VIEWS:
        node = node.next_functions[0][0]
    return node


def variable(edge: tuple[Node | None, int]) -> torch.Tensor | None:
    """The leaf tensor (such as a parameter) behind an edge, views looked through; None where there is none."""
    return getattr(through_views(edge), "variable", None)
