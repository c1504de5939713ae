"""The factors of a product."""

from __future__ import annotations

from ..graph.graph import Edge, Graph, Node, shape_of
from ..graph.saved import dimension, read


def factors_of(node: Node, graph: Graph) -> list[Edge]:
    """Return the factors of a product; if it runs along a stack, these are the tensors of the stack."""
    op, edges = graph.operations[node], graph.edges[node]
    if op.base not in ("Prod", "Cumprod"):
        return [edges[slot] for slot in op.factors if slot < len(edges)]

    stack = edges[0][0]
    if edges[0] in graph.sources or graph.operations[stack].base != "Stack" or read(node, "dim", None) is None:
        return []

    ndim = len(shape_of(edges[0]))
    is_along_stack = dimension(read(node, "dim"), ndim) == dimension(read(stack, "dim"), ndim)
    return list(graph.edges[stack]) if is_along_stack else []
