"""Which rule meets which node, and where relevance flows: the plan of one explanation.

A node *carries* relevance if one of its open inputs leads to a tensor to be explained. A parameter carries none, so a
weight never takes a share of a product; neither does anything behind a constant.
"""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .biases import join_biases
from .carriers import carriers
from .choice import answer_unknown, choose, is_other_layer
from .errors import RelevanceError
from .graph import Graph, Node, build_graph, edge_of
from .leaves import Leaf, follow_leaves
from .operations import operation
from .parameters import ParameterNames
from .refusals import refuse_training
from .rule import Rule, Slots
from .rulesets import RuleSet
from .saved import check_saved


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
        The additive leaves (empty unless asked for).
    """

    graph: Graph
    rules: dict[Node, Rule]
    carries: dict[Node, Slots]
    leaves: tuple[Leaf, ...]


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
    if not isinstance(rules, RuleSet):
        raise RelevanceError(f"rules={rules!r} is no rule set; pass one such as lrp_domains.ATTN_LRP")
    names = ParameterNames(model) if model is not None else None
    _check_overrides(rules, model)
    graph = build_graph(output.grad_fn, inputs)
    _check_dependence(graph, inputs)
    for node in graph.reaches:
        check_saved(node)
    chosen = {node: choose(node, graph, rules, names) for node in graph.order if node in graph.reaches}
    join_biases(graph, chosen)
    carries = carriers(graph, chosen)
    flow = _flow(output.grad_fn, graph.order, carries)
    if not any(flow.get(output.grad_fn, ())):
        raise _nothing_flows(graph, chosen, rules)
    for node in flow:
        if chosen[node] is None:
            chosen[node] = answer_unknown(node, graph, names, unknown)
    for node in chosen:
        refuse_training(node, unknown)
    _warn_of_layers(flow, graph, rules)
    if unknown == "gradient":
        _warn_of_gradients(flow, chosen, rules)
    leaves: tuple[Leaf, ...] = ()
    if with_leaves:
        leaves = follow_leaves(graph, chosen, carries, flow, rules, names)
    return Trace(graph, {node: chosen[node] for node in flow}, flow, leaves)


def _check_overrides(rules: RuleSet, model: torch.nn.Module | None) -> None:
    if rules.overrides and model is None:
        raise RelevanceError(f"rule set {rules.name} names parameters: pass model= so that they can be found")
    for glob, _ in rules.overrides:
        known = [name for name, _ in model.named_parameters(remove_duplicate=False)]
        if not fnmatch.filter(known, glob):
            raise RelevanceError(
                f"no parameter of the model matches {glob!r}; its first are {', '.join(known[:3])} "
                "(see dict(model.named_parameters()))"
            )


def _check_dependence(graph: Graph, inputs: Sequence[torch.Tensor]) -> None:
    found = {edge for node in graph.order for edge in node.next_functions}
    for number, tensor in enumerate(inputs):
        if edge_of(tensor) not in found:
            raise RelevanceError(
                f"the output does not depend on inputs[{number}] (shape {tuple(tensor.shape)}): pass the very tensor "
                "that the forward pass used, not a copy, slice or cast of it made afterwards"
            )


def _nothing_flows(graph: Graph, chosen: dict[Node, Rule | None], rules: RuleSet) -> RelevanceError:
    closing = sorted({node.name() for node, rule in chosen.items() if rule is not None and rule.opens is not None})
    return RelevanceError(
        f"no relevance flows: under {rules.name} the output depends on the inputs only through operations that count "
        f"as constant (among {', '.join(closing)}). Explain a logit rather than a probability, or choose other rules"
    )


def _flow(root: Node, order: Sequence[Node], carries: dict[Node, Slots]) -> dict[Node, Slots]:
    """The nodes that relevance comes to from the root, outputs first, with their carrying slots."""
    reached, flow = {root}, {}
    for node in reversed(order):
        if node in reached and any(carries.get(node, ())):
            flow[node] = carries[node]
            reached |= {edge[0] for edge, is_open in zip(node.next_functions, carries[node], strict=True) if is_open}
    return flow


def _warn_of_layers(flow: dict[Node, Slots], graph: Graph, rules: RuleSet) -> None:
    """Say which layers the layer rules have no formula for."""
    if getattr(rules.operations.get("dense"), "shares", None) is None:
        return
    passed = sorted({node.name() for node in flow if is_other_layer(node, graph)} - rules.operations.keys())
    if passed:
        warnings.warn(
            f"{rules.name} has no rule for {', '.join(passed)}: LRP-0, the derivative, was taken", stacklevel=4
        )


def _warn_of_gradients(flow: dict[Node, Slots], chosen: dict[Node, Rule | None], rules: RuleSet) -> None:
    taken = sorted({node.name() for node in flow if operation(node.name()).kind in ("unknown", "refused")})
    taken = [name for name in taken if name not in rules.operations]
    if taken and "unknown" not in rules.operations:
        warnings.warn(f"no rule for {', '.join(taken)}: their derivative was taken instead", stacklevel=4)
