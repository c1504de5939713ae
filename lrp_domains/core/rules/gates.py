"""Gates in one node: a factor that counts as constant, so that the signal gets all (Arras et al. 2017)."""

from __future__ import annotations

from ..graph.graph import Graph
from ..graph.saved import dimension, read
from ..roles.roles import Roles
from ..rule import Grads, Node, Rule, Slots


def _glu_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    # y = a * sigmoid(b): the derivative for a, nothing for b.
    g = gi[0].clone()
    g.chunk(2, dimension(read(node, "dim"), g.ndim))[1].zero_()
    return (g,)


glu = Rule("gate constant", backward=_glu_backward)
"""A gated linear unit in one node: its gate is constant."""

SELF, END, WEIGHT = range(3)


def _open_to_ends(node: Node, carries: Slots, graph: Graph) -> Slots:
    """Open the two ends, and the weight between them only where its rank is as high."""
    roles, edges = graph.once(Roles), graph.edges[node]
    ends = [roles.rank(edges[slot]) for slot in (SELF, END) if carries[slot]]
    is_equal = not ends or (carries[WEIGHT] and roles.rank(edges[WEIGHT]) >= max(ends))
    return (True, True, is_equal)


def _interpolation_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    # y = x + w (end - x): the factors w and end - x share the product's relevance, if both carry any.
    if not (carries[WEIGHT] and any(carries[:WEIGHT])):
        return gi
    of_end = gi[END] if gi[END] is not None else read(node, "weight") * go[0]
    of_self = None if gi[SELF] is None else go[0] - of_end / 2
    return (of_self, None if gi[END] is None else of_end / 2, gi[WEIGHT] / 2)


interpolation = Rule("weight constant", opens=_open_to_ends, backward=_interpolation_backward)
"""``lerp(x, end, w)``: the weight is a gate, unless its rank is as high as that of the ends."""
