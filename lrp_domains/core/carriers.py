"""The carriers: through which inputs of which nodes relevance may flow."""

from __future__ import annotations

from .graph import Edge, Graph, Node
from .operations import operation
from .rule import Rule, Slots, gradient
from .uses import only_multiplies


def carriers(graph: Graph, chosen: dict[Node, Rule | None]) -> dict[Node, Slots]:
    """For each node, the open slots that lead to a source; inputs first, so children are known before parents."""
    found: dict[Node, Slots] = {}
    for node in graph.order:
        if node not in chosen:
            continue
        slots = tuple(
            edge in graph.sources or (any(found.get(edge[0], ())) and not _is_constant_spread(edge, chosen, graph))
            for edge in node.next_functions
        )
        rule = chosen[node]
        if any(slots) and rule is not None and rule.opens is not None:
            opened = rule.opens(node, slots, graph)
            slots = tuple(a and b for a, b in zip(slots, opened, strict=True))
        found[node] = slots
    return found


def _is_constant_spread(edge: Edge, chosen: dict[Node, Rule | None], graph: Graph) -> bool:
    """The variance or deviation that ``var_mean`` returns beside the mean: constant where it multiplies."""
    node, number = edge
    if number != 0 or operation(node.name()).base not in ("VarMean", "StdMean") or chosen[node] is gradient:
        return False
    return only_multiplies(edge, graph)
