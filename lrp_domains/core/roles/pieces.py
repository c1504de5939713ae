"""Pieces: values that were concatenated and are cut out again unchanged, as in ``cat([a, b]).chunk(2)``."""

from __future__ import annotations

from ..graph.graph import Edge, Graph, Node, shape_of
from ..graph.saved import dimension, read


def pieces(graph: Graph) -> dict[Edge, Edge]:
    """Return the pieces that are cut out of a concatenation or a stack, with the values that they are."""
    originals: dict[Edge, Edge] = {}
    if "Cat" not in graph.named and "Stack" not in graph.named:
        return originals

    for node in graph.of(_PARTS):
        behind = graph.edges[node][0]
        if behind in graph.sources or behind[0] not in graph.reaching:
            continue
        if graph.operations[behind[0]].base not in ("Cat", "Stack"):
            continue

        ndim = len(shape_of(behind))
        dim = dimension(read(node, "dim"), ndim)
        if dim != dimension(read(behind[0], "dim"), ndim):
            continue

        joined = _joined(behind[0], dim, graph)
        for output, part in enumerate(_PARTS[graph.operations[node].base](node, shape_of(behind)[dim])):
            if part in joined:
                originals[node, output] = joined[part]
    return originals


Part = tuple[int, int, bool]  # start, end, and whether the dimension is kept


def _joined(node: Node, dim: int, graph: Graph) -> dict[Part, Edge]:
    """Return the values that a node joins, by their part of the dimension."""
    edges = graph.edges[node]
    if graph.operations[node].base == "Stack":
        return {(index, index + 1, False): edge for index, edge in enumerate(edges) if graph.leads_to_source(edge)}
    if any(edge[0] is None for edge in edges):
        return {}  # the size of a constant isn't known
    start, parts = 0, {}
    for edge in edges:
        end = start + (graph.sources[edge].shape if edge in graph.sources else shape_of(edge))[dim]
        if graph.leads_to_source(edge):
            parts[start, end, True] = edge
        start = end
    return parts


def _sizes(sizes: list[int]) -> list[Part]:
    ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
    return [(end - size, end, True) for end, size in zip(ends, sizes, strict=True)]


def _split(node: Node, length: int) -> list[Part]:
    size = read(node, "split_size")
    return [(start, min(start + size, length), True) for start in range(0, length, max(size, 1))]


def _select(node: Node, length: int) -> list[Part]:
    index = dimension(read(node, "index"), length)
    return [(index, index + 1, False)]


def _slice(node: Node, length: int) -> list[Part]:
    start, end = read(node, "start"), read(node, "end")
    start, end = (bound - 2**64 if bound >= 2**63 else bound for bound in (start, end))  # negative ones, see dimension
    return (
        [(start + length * (start < 0), min(end + length * (end < 0), length), True)] if read(node, "step") == 1 else []
    )


# The parts that an operation cuts a dimension into, output by output.
_PARTS = {
    "Split": _split,
    "UnsafeSplit": _split,
    "SplitWithSizes": lambda node, length: _sizes(list(read(node, "split_sizes"))),
    "Unbind": lambda node, length: [(index, index + 1, False) for index in range(length)],
    "Select": _select,
    "Slice": _slice,
}
