"""Two graphs of one function: that of the inputs, and its twin, that of the reference.

Node by node they hold the same operations. What a rule reads in one of them, it finds in the other under the same name.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..errors import RelevanceError
from .checkpoints import Rereading
from .graph import Edge, Graph, Node


@dataclass(frozen=True)
class Twin:
    """The graph of the reference.

    Attributes
    ----------
    graph
        The graph.
    nodes
        For each node of the inputs' graph, the node that computed the same for the reference.
    rereading
        Recomputed checkpoints, for reading what the reference's nodes saved.
    """

    graph: Graph
    nodes: dict[Node, Node]
    rereading: Rereading = field(default_factory=Rereading)

    def edge(self, edge: Edge) -> Edge:
        """Return the edge that holds the reference's value."""
        return self.nodes[edge[0]], edge[1]


def with_twin(graph: Graph, root: Node, twin: Graph, twin_root: Node) -> Graph:
    """Return a graph that knows its twin.

    Raises
    ------
    RelevanceError
        The function ran other operations for the reference, or its tensors had other shapes.
    """
    nodes, pending, visited = {root: twin_root}, [(root, twin_root)], {root}
    while pending:
        node, other = pending.pop()
        edges, other_edges = graph.edges[node], twin.edges.get(other, ())
        if node.name() != other.name() or len(edges) != len(other_edges) or _shapes(node) != _shapes(other):
            raise _differs(node, other)

        for edge, other_edge in zip(edges, other_edges, strict=True):
            child, other_child = edge[0], other_edge[0]
            is_source = edge in graph.sources
            unequal = child is not None and nodes.setdefault(child, other_child) is not other_child
            if unequal or (child is None) != (other_child is None) or edge[1] != other_edge[1]:
                raise _differs(node, other)
            if is_source != (other_edge in twin.sources):
                raise _differs(node, other)
            if child is not None and not is_source and child not in visited:
                visited.add(child)
                pending.append((child, other_child))
    return replace(graph, twin=Twin(twin, nodes))


def _shapes(node: Node) -> list[tuple[int, ...]]:
    # A nested tensor has no shape.
    return [() if meta.is_cpp_nested_tensor else tuple(meta.shape) for meta in node._input_metadata]


def _differs(node: Node, other: Node) -> RelevanceError:
    return RelevanceError(
        f"the function runs other operations for the references than for the inputs: {node.name()} with results of "
        f"shape {_shapes(node)} against {other.name()} with {_shapes(other)}. A difference of scores can only be "
        "shared along one path: choose references that take the same one, or hold what the inputs select "
        "(selections='held')"
    )
