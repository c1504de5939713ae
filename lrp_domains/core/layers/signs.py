"""Values that can't be negative, as the operations before them tell: their layers have half as many contributions."""

from __future__ import annotations

from ..graph.graph import Edge, Graph, Node
from ..graph.operations import VIEWS
from ..graph.saved import read

_NEVER_NEGATIVE = frozenset("Relu Sigmoid Softmax SafeSoftmax Exp Abs Softplus Hardsigmoid".split())
_LOWEST = {"Hardtanh": "min_val", "Clamp": "min", "ClampMin": "min"}  # what the result is at least, if it is a number
# Results that are entries of what goes in at slot 0, or means of them with weights that aren't negative.
_OF_ENTRIES = VIEWS | frozenset(
    """Index UnsafeIndex IndexSelect Gather PixelShuffle PixelUnshuffle ChannelShuffle Im2Col
    ReflectionPad1D ReflectionPad2D ReflectionPad3D ReplicationPad1D ReplicationPad2D ReplicationPad3D
    Sum Mean AvgPool2D AvgPool3D AdaptiveAvgPool2D AdaptiveAvgPool3D
    Max Amax Min Amin Topk Sort MaxPool2DWithIndices MaxPool3DWithIndices AdaptiveMaxPool2D AdaptiveMaxPool3D
    UpsampleNearest1D UpsampleNearest2D UpsampleNearest3D UpsampleNearestExact1D UpsampleNearestExact2D
    UpsampleNearestExact3D UpsampleLinear1D UpsampleBilinear2D UpsampleTrilinear3D""".split()
)  # fmt: skip
_OF_ALL = frozenset("Cat Stack Add Mul".split())


def is_nonnegative(edge: Edge, graph: Graph) -> bool:
    """Return whether the values at an edge can't be negative; False where the graph doesn't tell."""
    seen, pending = set(), [edge]
    while pending:
        node = (edge := pending.pop())[0]
        if edge in seen:
            continue
        seen.add(edge)
        if node not in graph.reaching:  # a constant, a parameter, or an input
            return False
        base, edges = graph.operations[node].base, graph.edges[node]
        if base in _NEVER_NEGATIVE or _is_bounded(node, base):
            continue
        if base in _OF_ENTRIES:
            pending.append(edges[0])
        elif base in _OF_ALL and read(node, "alpha", 1) >= 0:
            pending += edges
        else:
            return False
    return True


def _is_bounded(node: Node, base: str) -> bool:
    """Return whether a node cuts off what is negative."""
    lowest = read(node, _LOWEST[base], None) if base in _LOWEST else None
    return isinstance(lowest, int | float) and lowest >= 0
