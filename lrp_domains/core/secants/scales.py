"""The split of a value times a scale that is computed from it, as in a norm.

For every weight w and with ``m = w r1 + (1 - w) r0``

    c1 r1 - c0 r0 = m (c1 - c0) + (w c0 + (1 - w) c1) (r1 - r0)

The symmetric split has w = 1/2. But the scale of a row whose deviation is 0 is huge, and so would be the two parts,
which cancel. Therefore m is at most 4 times the smaller scale: for a reference of zeros and a scale of 1, it is 4, not
158.
"""

from __future__ import annotations

import torch

from ..graph.graph import Edge, Graph
from ..roles.forms import Rank
from ..roles.roles import Roles
from ..rule import Node
from .pairs import Both
from .quotients import quotient

Tensor = torch.Tensor
# The largest coefficient of a value, relative to the smaller of the two scales.
_MOST = 4.0
# The largest number of operations that are searched for what a scale is computed from.
_NEAR = 24


def split_by_scale(c: Both, r: Both) -> Both:
    """Return the coefficients of the value's difference and of the scale's."""
    (c1, c0), (r1, r0) = c, r
    mean, smaller = (r1 + r0) / 2, torch.minimum(r1, r0)
    is_bounded = (smaller > 0) & (mean > _MOST * smaller)
    m = torch.where(is_bounded, _MOST * smaller, mean)
    run = r1 - r0
    weight = torch.where(is_bounded, quotient(m - r0, run, 0.5), 0.5)
    other = torch.where(is_bounded, quotient(r1 - m, run, 0.5), 0.5)  # 1 - weight would lose its digits
    return m, weight * c0 + other * c1


def scale_slot(node: Node, graph: Graph) -> int | None:
    """Return the slot of the scale in a product or quotient of two carriers, if it is computed from the other one."""
    roles, edges, is_div = graph.once(Roles), graph.edges[node], graph.operations[node].base == "Div"
    # Of functions of one tensor the secant doesn't depend on the split.
    if node._input_metadata[0].dtype.is_complex or roles.together(node):
        return None
    for slot in (1,) if is_div else (0, 1):
        # A divisor may be bounded from below, and so isn't a pure scale.
        if not is_div and roles.rank(edges[slot]) != Rank.SCALE:
            continue
        value, near = edges[1 - slot], _behind(edges[slot], _NEAR, graph)
        if near & (_behind(value, 3, graph) | {value}):
            return slot
    return None


def _behind(edge: Edge, most: int, graph: Graph) -> set[Edge]:
    """Return the carrying edges behind an edge, the nearest ones."""
    edges, seen = [edge], {edge}
    for current in edges:  # the list grows
        if len(edges) > most:
            break
        if current in graph.sources or current[0] not in graph.reaching:
            continue
        for child in graph.edges[current[0]]:
            if child not in seen and graph.leads_to_source(child):
                seen.add(child)
                edges.append(child)
    return seen - {edge}
