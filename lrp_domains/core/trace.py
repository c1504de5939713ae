"""Which rule meets which node, and where relevance flows: the plan of one explanation.

A node *carries* relevance if one of its open inputs leads to a tensor to be explained. A parameter carries none, so a
weight never takes a share of a product; neither does anything behind a constant. For the ledger the parameters that
are added to a carrier (biases, position embeddings, ...) are followed as well: they are the account's other holders.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from .errors import RelevanceError, UnknownOperation
from .graph import Edge, Graph, Node, build_graph, edge_of, through_views
from .operations import CONVOLUTION, DENSE, REFUSED, Operation, operation
from .parameters import ParameterNames, modules
from .refusals import refuse_training
from .rule import Rule, Slots, gradient
from .rulesets import RuleSet


@dataclass(frozen=True)
class Trace:
    """The plan of one explanation.

    Attributes
    ----------
    graph
        The autograd graph behind the output.
    rules
        For each node on the way, its rule.
    carries
        For each node on the way, the input slots that relevance flows to.
    leaves
        The additive leaf tensors (empty unless asked for).
    """

    graph: Graph
    rules: dict[Node, Rule]
    carries: dict[Node, Slots]
    leaves: tuple[torch.Tensor, ...]


def trace(
    output: torch.Tensor,
    inputs: Sequence[torch.Tensor],
    rules: RuleSet,
    model: torch.nn.Module | None,
    unknown: str,
    with_leaves: bool = False,
) -> Trace:
    """Plan the backward pass from ``output`` to ``inputs``; raise where it cannot be had."""
    if unknown not in ("error", "gradient"):
        raise RelevanceError(f'unknown={unknown!r}: say "error" or "gradient"')
    if rules.overrides and model is None:
        raise RelevanceError(f"rule set {rules.name} names parameters: pass model= so that they can be found")
    graph = build_graph(output.grad_fn, inputs)
    _check_dependence(graph, inputs)
    names = ParameterNames(model) if model is not None else None
    chosen = {node: _choose(node, graph, rules, names) for node in graph.order if node in graph.reaches}
    carries = _carriers(graph, chosen, graph.sources)
    flow = _flow(output.grad_fn, graph.order, carries)
    if not any(flow.get(output.grad_fn, ())):
        raise _nothing_flows(graph, chosen, rules)
    for node in flow:
        if chosen[node] is None:
            chosen[node] = _answer_unknown(node, graph, names, unknown)
        refuse_training(node, graph, unknown)
    if unknown == "gradient":
        _warn_of_gradients(flow, chosen, rules)
    leaves: tuple[torch.Tensor, ...] = ()
    if with_leaves:
        leaves = _follow_leaves(graph, chosen, flow, rules, names)
    return Trace(graph, {node: chosen[node] for node in flow}, flow, leaves)


def _choose(node: Node, graph: Graph, rules: RuleSet, names: ParameterNames | None) -> Rule | None:
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
        if op.base in DENSE:
            return "dense"
        if op.base in CONVOLUTION and graph.reaching(node)[0]:
            return "convolution"
    return op.kind


def _reads_input(node: Node, graph: Graph) -> bool:
    """Whether a layer's input is an explained tensor itself, or a view of one."""
    for slot in operation(node.name()).factors:
        edge = node.next_functions[slot]
        if graph.leads_to_source(edge):
            return edge in graph.sources or first_source(edge, graph) is not None
    return False


def first_source(edge: Edge, graph: Graph) -> Edge | None:
    """The explained tensor that an edge is a view of, None if it is computed from it."""
    while edge not in graph.sources:
        if edge[0] is None or through_views(edge) is edge[0] or edge[0] not in graph.reaches:
            return None
        edge = edge[0].next_functions[0]
    return edge


def _carriers(graph: Graph, chosen: dict[Node, Rule | None], sources: frozenset[Edge]) -> dict[Node, Slots]:
    """For each node, the open slots that lead to a source; inputs first, so children are known before parents."""
    carries: dict[Node, Slots] = {}
    for node in graph.order:
        if node not in chosen:
            continue
        slots = tuple(
            edge in sources or (any(carries.get(edge[0], ())) and not _is_spread(edge)) for edge in node.next_functions
        )
        rule = chosen[node]
        if any(slots) and rule is not None and rule.opens is not None:
            opened = rule.opens(node, slots, graph)
            slots = tuple(a and b for a, b in zip(slots, opened, strict=True))
        carries[node] = slots
    return carries


def _is_spread(edge: Edge) -> bool:
    """The variance or deviation that ``var_mean`` returns beside the mean: a scale, and constant."""
    return edge[1] == 0 and operation(edge[0].name()).base in ("VarMean", "StdMean")


def _flow(root: Node, order: Sequence[Node], carries: dict[Node, Slots]) -> dict[Node, Slots]:
    """The nodes that relevance comes to from the root, outputs first, with their carrying slots."""
    reached, flow = {root}, {}
    for node in reversed(order):
        if node in reached and any(carries.get(node, ())):
            flow[node] = carries[node]
            reached |= {edge[0] for edge, is_open in zip(node.next_functions, carries[node], strict=True) if is_open}
    return flow


def _follow_leaves(
    graph: Graph,
    chosen: dict[Node, Rule | None],
    flow: dict[Node, Slots],
    rules: RuleSet,
    names: ParameterNames | None,
) -> tuple[torch.Tensor, ...]:
    """Open the slots where something is added to a carrier, and all that leads from there to leaf tensors.

    Changes ``chosen`` and ``flow``. Behind such a slot every parameter is a carrier: a position embedding that passes
    a norm and a projection before it is added keeps its relevance, shared with the projection's weight.
    """
    behind, roots, leaf_edges = set(), [], set()
    for node, slots in flow.items():
        for slot in _additive_slots(node, chosen[node]):
            edge = node.next_functions[slot]
            if edge[0] is not None and not graph.leads_to_source(edge):
                roots.append((node, slot, edge))
    pending = [edge[0] for _, _, edge in roots]
    while pending:
        node = pending.pop()
        if node in behind:
            continue
        behind.add(node)
        if hasattr(node, "variable"):
            leaf_edges.add((node, 0))
        pending += [child for child, _ in node.next_functions if child is not None]
    rules = replace(rules, first=None)
    leaf_graph = Graph(graph.order, frozenset(leaf_edges), frozenset(behind), graph.users)
    for node in behind:
        if not hasattr(node, "variable"):
            chosen[node] = _choose(node, leaf_graph, rules, names)
    carries = _carriers(graph, {node: chosen[node] for node in behind if node in chosen}, frozenset(leaf_edges))
    reached = set()
    for node, slot, edge in roots:
        if edge in leaf_edges or any(carries.get(edge[0], ())):
            flow[node] = tuple(carry or i == slot for i, carry in enumerate(flow[node]))
            reached.add(edge[0])
    for node in reversed(graph.order):
        if node in reached and node in carries:
            flow[node] = carries[node]
            chosen[node] = chosen[node] or _answer_unknown(node, graph, names, "error")
            reached |= {edge[0] for edge, is_open in zip(node.next_functions, carries[node], strict=True) if is_open}
    return tuple(node.variable for node in graph.order if node in reached and hasattr(node, "variable"))


def _additive_slots(node: Node, rule: Rule | None) -> list[int]:
    """The slots of a node whose value is added, not multiplied."""
    op = operation(node.name())
    if op.kind in ("attention", "unknown", "refused"):
        return []
    return [slot for slot in range(len(node.next_functions)) if slot not in op.factors]


def _check_dependence(graph: Graph, inputs: Sequence[torch.Tensor]) -> None:
    found = {edge for node in graph.order for edge in node.next_functions}
    for number, tensor in enumerate(inputs):
        if edge_of(tensor) not in found:
            raise RelevanceError(
                f"the output does not depend on inputs[{number}] (shape {tuple(tensor.shape)}): pass the very tensor that "
                "the forward pass used, not a copy, slice or cast of it made afterwards"
            )


def _nothing_flows(graph: Graph, chosen: dict[Node, Rule | None], rules: RuleSet) -> RelevanceError:
    closing = sorted({node.name() for node, rule in chosen.items() if rule is not None and rule.opens is not None})
    return RelevanceError(
        f"no relevance flows: under {rules.name} the output depends on the inputs only through operations that count as "
        f"constant (among {', '.join(closing)}). Explain a logit rather than a probability, or choose other rules"
    )


def _answer_unknown(node: Node, graph: Graph, names: ParameterNames | None, unknown: str) -> Rule:
    """Raise for a node without a rule, or accept its derivative."""
    op: Operation = operation(node.name())
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


def _warn_of_gradients(flow: dict[Node, Slots], chosen: dict[Node, Rule | None], rules: RuleSet) -> None:
    taken = sorted({node.name() for node in flow if operation(node.name()).kind in ("unknown", "refused")})
    taken = [name for name in taken if name not in rules.operations]
    if taken and "unknown" not in rules.operations:
        warnings.warn(f"no rule for {', '.join(taken)}: their derivative was taken instead", stacklevel=4)
