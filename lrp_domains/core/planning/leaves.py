"""The additive leaves: what has relevance in addition to the inputs, for the ledger.

What is added to a carrier accounts for a part of the score: biases, position and type embeddings, the shifts of norms.
A parameter in a factor (Gemma's ``1 + weight``) has no relevance. Behind a term that is added, every parameter is a
carrier: a position embedding that passes a norm and a projection shares its relevance with the projection's weight.

A term may also depend on the inputs but be constant under a rule, such as CP-LRP's softmax before a layer. Only the
layer's weight is left to account for it then, and the ledger lists it separately.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..graph.graph import Edge, Graph, Node
from ..graph.operations import Operation
from ..graph.parameters import ParameterNames
from ..rule import Slots
from ..rules.rulesets import RuleSet
from ..rules.state_spaces import state_space
from .plan import Plan, plan_graph


@dataclass(frozen=True)
class Leaf:
    """A tensor that has relevance; ``closed`` if it only weighs what depends on the inputs."""

    tensor: torch.Tensor
    closed: bool


def add_leaves(plan: Plan, rules: RuleSet, names: ParameterNames | None) -> tuple[Plan, tuple[Leaf, ...]]:
    """Return the plan with open slots where terms are added, and the leaf tensors behind them."""
    graph = plan.graph
    roots = [
        (node, slot)
        for node, carries in plan.carries.items()
        for slot in additive_slots(graph.operations[node], len(carries))
        if not carries[slot] and graph.edges[node][slot][0] is not None and graph.edges[node][slot] not in graph.sources
    ]

    behind = _behind([graph.edges[node][slot][0] for node, slot in roots], plan)
    leaf_graph = _graph_to_leaves(graph, behind)
    overrides = tuple(row for row in rules.overrides if row[1] is not state_space)  # parameters carry, D included
    leaf_plan = plan_graph(leaf_graph, None, replace(rules, first=None, overrides=overrides), names, "gradient")

    # From the added terms down to the leaves; `holding` are the nodes that do more than weigh closed terms.
    carries, chosen = dict(plan.carries), dict(plan.rules)
    reached: set[Node] = set()
    holding: set[Node] = set()
    for node, slot in roots:
        edge = graph.edges[node][slot]
        if edge in leaf_graph.sources or True in leaf_plan.carries.get(edge[0], ()):
            carries[node] = tuple(is_open or i == slot for i, is_open in enumerate(carries[node]))
            reached.add(edge[0])
            holding.add(edge[0])

    for node in reversed(graph.order):
        slots = leaf_plan.carries.get(node, ())
        if node not in reached or True not in slots:
            continue
        carries[node], chosen[node] = slots, leaf_plan.rules[node]
        for slot, (child, _) in enumerate(graph.edges[node]):
            if slots[slot]:
                reached.add(child)
                if node in holding and not _weighs_closed(node, slot, graph):
                    holding.add(child)

    leaves = [Leaf(node.variable, node not in holding) for node in graph.order if node in reached and _is_leaf(node)]
    return replace(plan, rules=chosen, carries=carries), tuple(leaves)


def _is_leaf(node: Node) -> bool:
    return hasattr(node, "variable")


def _behind(pending: list[Node], plan: Plan) -> set[Node]:
    """Return all nodes behind the given ones, up to those that carry relevance already."""
    visited: set[Node] = set()
    while pending:
        node = pending.pop()
        if node in visited or True in plan.carries.get(node, ()):
            continue
        visited.add(node)
        edges = plan.graph.edges[node]
        pending += [edge[0] for edge in edges if edge[0] is not None and edge not in plan.graph.sources]
    return visited


def _weighs_closed(node: Node, slot: int, graph: Graph) -> bool:
    """Return whether a slot is a parameter that weighs something that depends on the inputs."""
    factors, edges = graph.operations[node].factors, graph.edges[node]
    if slot not in factors or graph.variable(edges[slot]) is None:
        return False
    return any(graph.leads_to_source(edges[other]) for other in factors if other != slot and other < len(edges))


def _graph_to_leaves(graph: Graph, behind: set[Node]) -> Graph:
    """Return the part of the graph behind the added terms, with the leaves as its sources."""
    sources: dict[Edge, torch.Tensor] = {(node, 0): node.variable for node in behind if _is_leaf(node)}
    reaching: dict[Node, Slots] = {}
    for node in graph.order:
        if node in behind:
            slots = tuple(edge in sources or edge[0] in reaching for edge in graph.edges[node])
            if True in slots:
                reaching[node] = slots
    return Graph(graph.order, graph.edges, graph.operations, sources, reaching)


def additive_slots(op: Operation, count: int) -> list[int]:
    """Return the slots of an operation whose values are added, not multiplied."""
    if op.kind in ("attention", "activation", "unknown", "refused"):
        return []
    return [slot for slot in range(count) if slot not in op.factors]
