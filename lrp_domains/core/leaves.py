"""The additive leaves: what holds relevance beside the inputs, for the ledger.

What is added to a carrier holds a part of the score: biases, position and type embeddings, the shifts of norms. A
parameter that is part of a factor (Gemma's ``1 + weight``) holds none.

What is added may also depend on the inputs and be closed to them by a rule: CP-LRP's softmax before a layer. Then the
layer's weight is all that is left to hold it, and the ledger books it apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from .carriers import carriers
from .choice import answer_unknown, choose
from .graph import Edge, Graph, Node, variable
from .operations import operation
from .parameters import ParameterNames
from .rule import Rule, Slots
from .rulesets import RuleSet
from .uses import only_multiplies


@dataclass(frozen=True)
class Leaf:
    """A tensor that holds relevance; ``closed`` if all it does is to weigh what depends on the inputs."""

    tensor: torch.Tensor
    closed: bool


def follow_leaves(
    graph: Graph,
    chosen: dict[Node, Rule | None],
    carries: dict[Node, Slots],
    flow: dict[Node, Slots],
    rules: RuleSet,
    names: ParameterNames | None,
) -> tuple[Leaf, ...]:
    """Open the slots where something is added to a carrier, and all that leads from there to leaf tensors.

    Changes ``chosen`` and ``flow``. Behind such a slot every parameter is a carrier: a position embedding that passes
    a norm and a projection before it is added keeps its relevance, shared with the projection's weight.
    """

    def carries_none(edge: tuple[Node | None, int]) -> bool:
        return edge[0] is not None and edge not in graph.sources and not any(carries.get(edge[0], ()))

    behind, roots, leaf_edges = set(), [], set()
    for node in flow:
        for slot in additive_slots(node):
            edge = node.next_functions[slot]
            if carries_none(edge):
                roots.append((node, slot, edge))
    pending = [edge[0] for _, _, edge in roots]
    while pending:
        node = pending.pop()
        if node in behind:
            continue
        behind.add(node)
        if hasattr(node, "variable"):
            leaf_edges.add((node, 0))
        pending += [edge[0] for edge in node.next_functions if carries_none(edge)]
    rules = replace(rules, first=None)
    leaf_graph = _graph_to(leaf_edges, behind, graph)
    for node in leaf_graph.reaches:
        chosen[node] = choose(node, leaf_graph, rules, names)
    leaf_carries = carriers(leaf_graph, {node: chosen[node] for node in leaf_graph.reaches})
    reached, own = set(), set()  # own: those that hold something of theirs
    for node, slot, edge in roots:
        if edge in leaf_edges or any(leaf_carries.get(edge[0], ())):
            flow[node] = tuple(carry or i == slot for i, carry in enumerate(flow[node]))
            reached.add(edge[0])
            own.add(edge[0])
    for node in reversed(graph.order):
        if node in reached and any(leaf_carries.get(node, ())):
            flow[node] = leaf_carries[node]
            chosen[node] = chosen[node] or answer_unknown(node, graph, names, "error")
            for slot, edge in enumerate(node.next_functions):
                if leaf_carries[node][slot]:
                    reached.add(edge[0])
                    if node in own and not _weighs_closed(node, slot, graph):
                        own.add(edge[0])
    leaves = (node for node in graph.order if node in reached and hasattr(node, "variable"))
    return tuple(Leaf(node.variable, node not in own) for node in leaves)


def _weighs_closed(node: Node, slot: int, graph: Graph) -> bool:
    """Whether a parameter is the weight of something that depends on the inputs, rather than a signal with a gate."""
    factors, edges = operation(node.name()).factors, node.next_functions
    if slot not in factors or variable(edges[slot]) is None:
        return False
    partners = [edges[other] for other in factors if other != slot and graph.leads_to_source(edges[other])]
    return not all(only_multiplies(edge, graph) for edge in partners)


def _graph_to(leaf_edges: set[Edge], behind: set[Node], graph: Graph) -> Graph:
    """The part of the graph behind the additive slots, with the leaves as its sources."""
    reaches: set[Node] = set()
    for node in graph.order:
        if node in behind and any(edge in leaf_edges or edge[0] in reaches for edge in node.next_functions):
            reaches.add(node)
    return Graph(graph.order, frozenset(leaf_edges), frozenset(reaches))


def additive_slots(node: Node) -> list[int]:
    """The slots of a node whose value is added, not multiplied."""
    op = operation(node.name())
    if op.kind in ("attention", "unknown", "refused"):
        return []
    return [slot for slot in range(len(node.next_functions)) if slot not in op.factors]
