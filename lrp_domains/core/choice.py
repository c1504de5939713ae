"""The choice of a rule for one node: by parameter name, by node name, by place, by operation."""

from __future__ import annotations

import torch

from .checkpoints import unpacking
from .errors import UnknownOperation
from .graph import Edge, Graph, Node, through_views, variable
from .layers import LAYER_FACTORS
from .operations import CONVOLUTION, DENSE, REFUSED, operation
from .parameters import ParameterNames, modules
from .rule import Rule, gradient
from .rulesets import RuleSet


def choose(node: Node, graph: Graph, rules: RuleSet, names: ParameterNames | None) -> Rule | None:
    """The rule for a node; None where the rule set has no answer."""
    if names is not None and rules.overrides and (rule := rules.override(names.of(node))) is not None:
        return rule
    if (rule := rules.operations.get(node.name())) is not None:
        return rule
    kind = kind_at(node, graph)
    if kind in ("dense", "convolution") and rules.first is not None and _reads_input(node, graph):
        return rules.first
    return rules.operations.get(kind)


def kind_at(node: Node, graph: Graph) -> str:
    """The row of the rule set for a node, as it stands in this graph."""
    op = operation(node.name())
    if op.kind == "power":
        return "activation" if node._saved_exponent > 0 else "statistic"
    if op.kind == "product" and sum(graph.reaching(node)[slot] for slot in op.factors) < 2:
        if op.base in DENSE and _has_weight(node, graph):
            return "dense"
        if op.base in CONVOLUTION and graph.reaching(node)[0]:
            return "convolution"
    return op.kind


def is_other_layer(node: Node, graph: Graph) -> bool:
    """Whether a node is a layer with weights that the layer rules know no formula of."""
    op = operation(node.name())
    if op.kind != "product" or op.base in {"Mul", "Addcmul"} | DENSE | CONVOLUTION or sum(graph.reaching(node)) != 1:
        return False
    weights = (node.next_functions[slot] for slot in op.factors if not graph.reaching(node)[slot])
    return not (op.base in CONVOLUTION and graph.reaching(node)[0]) and any(
        variable(edge) is not None for edge in weights
    )


def _has_weight(node: Node, graph: Graph) -> bool:
    """Whether the factor that carries nothing is made of parameters: a constant matrix, as of a graph, is no layer."""
    factors = operation(node.name()).factors
    for slot, name in zip(factors, LAYER_FACTORS[operation(node.name()).base], strict=True):
        if graph.reaching(node)[slot] or node.next_functions[slot][0] is not None:
            continue
        kept = None if unpacking(node, name) is not None else getattr(node, f"_saved_{name}")
        whole = getattr(kept, "_base", None) if getattr(kept, "_base", None) is not None else kept
        return whole is None or isinstance(whole, torch.nn.Parameter)
    return True


def _reads_input(node: Node, graph: Graph) -> bool:
    """Whether a layer's input is an explained tensor itself, or a view of one, and not computed from another."""
    for slot in operation(node.name()).factors:
        edge = node.next_functions[slot]
        if graph.leads_to_source(edge):
            source = first_source(edge, graph)
            return source is not None and source[0] not in graph.reaches
    return False


def first_source(edge: Edge, graph: Graph) -> Edge | None:
    """The explained tensor that an edge is a view of, None if it is computed from it."""
    while edge not in graph.sources:
        if edge[0] is None or through_views(edge) is edge[0] or edge[0] not in graph.reaches:
            return None
        edge = edge[0].next_functions[0]
    return edge


def answer_unknown(node: Node, graph: Graph, names: ParameterNames | None, unknown: str) -> Rule:
    """Raise for a node without a rule, or accept its derivative."""
    op = operation(node.name())
    if unknown == "gradient":
        return gradient
    where = modules(graph, names).get(node) if names is not None else None
    place = f" (at or after module {where!r})" if where else "" if names else " (pass model= to see where)"
    if op.kind == "refused":
        raise UnknownOperation(f"{node.name()}{place} cannot be explained: {REFUSED[op.base]}")
    raise UnknownOperation(
        f"{node.name()}{place} has no rule and is not known to be linear. Either give it one, "
        f'rules.for_nodes({{"{node.name()}": rule}}), or accept its derivative with unknown="gradient"'
    )
