"""The plan of an explanation: which rule applies to which node, and where relevance flows.

A node *carries* relevance if one of its open inputs leads to a tensor that is explained. A parameter carries none, so a
weight never takes a share of a product; neither does anything behind a constant.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import torch

from ..errors import RelevanceError
from ..graph.graph import Edge, Graph, Node, build_graph, edge_of
from ..graph.parameters import ParameterNames
from ..graph.saved import check_saved
from ..graph.twins import with_twin
from ..graph.weights import CONVOLUTIONS, DENSE, weight_slot
from ..layers.first_layers import ends_of_way
from ..roles.roles import Roles
from ..roles.shares import Shares, count_shares
from ..rule import Grads, Rule, Slots, gradient
from ..rules.layers import LayerRule
from ..rules.rulesets import RuleSet
from ..rules.state_spaces import state_space, state_spaces
from ..warn import warn
from .choice import answer_unknown, choose, choose_all, meets
from .layer_pass import place_layers
from .refusals import NOISY, refuse_training


@dataclass(frozen=True)
class Plan:
    """The plan of one explanation.

    Attributes
    ----------
    graph
        The autograd graph behind the output.
    rules
        For each node that relevance flows through, its rule.
    carries
        For each of them, the input slots that relevance flows to.
    shares
        The shares that the factors of products get.
    delivered
        Relevance that first-layer rules yield for the inputs during the pass, by the input's edge.
    """

    graph: Graph
    rules: dict[Node, Rule]
    carries: dict[Node, Slots]
    shares: Shares
    delivered: dict[Edge, torch.Tensor]


@dataclass(frozen=True)
class Recorded:
    """A forward pass: its output, its inputs, and values that autograd doesn't keep, by their edges."""

    output: torch.Tensor
    inputs: Sequence[torch.Tensor]
    values: Mapping[Edge, torch.Tensor]


def make_plan(
    output: torch.Tensor,
    inputs: Sequence[torch.Tensor],
    rules: RuleSet,
    model: torch.nn.Module | None,
    unknown: str,
    values: Mapping[Edge, torch.Tensor] = MappingProxyType({}),
    reference: Recorded | None = None,
    names: ParameterNames | None = None,
) -> Plan:
    """Plan the backward pass from ``output`` to ``inputs``; raise if it can't be explained.

    ``values`` are values that autograd doesn't keep, ``reference`` is the forward pass of the same function for a
    reference; ``names`` are those of the model's parameters, if they are known already.
    """
    if unknown not in ("error", "gradient"):
        raise RelevanceError(f'unknown={unknown!r}: expected "error" or "gradient"')
    if not isinstance(rules, RuleSet):
        raise RelevanceError(f"rules={rules!r} is not a rule set; pass one such as lrp_domains.ATTN_LRP")
    names = ParameterNames(model) if model is not None and names is None else names
    _check_overrides(rules, model)

    graph = build_graph(output.grad_fn, inputs)
    _check_dependence(graph, inputs)
    if reference is not None:
        twin = build_graph(reference.output.grad_fn, reference.inputs)
        twin.once(Roles).values.given.update(reference.values)
        graph = with_twin(graph, output.grad_fn, twin, reference.output.grad_fn)
    graph.once(Roles).values.given.update({**values, edge_of(output): output.detach()})
    for node in {type(node): node for node in graph.reaching}.values():
        check_saved(node)

    plan = plan_graph(graph, output.grad_fn, rules, names, unknown)
    if not any(plan.carries.get(output.grad_fn, ())):
        raise _nothing_flows(graph, rules, names)
    for node in graph.of(NOISY):
        refuse_training(node, graph, unknown)
    _warn_of_overrides(graph, rules, names)
    _warn_of_layers(plan, rules)
    if unknown == "gradient":
        _warn_of_gradients(plan, rules)
    return plan


def plan_graph(graph: Graph, root: Node | None, rules: RuleSet, names: ParameterNames | None, unknown: str) -> Plan:
    """Return the plan for a graph from a root, or from all of its nodes if there is no root."""
    chosen = choose_all(graph, rules, names)
    chosen |= state_spaces(chosen, graph, rules, names)
    carries = carriers(graph, chosen)
    shares = Shares(carries) if rules.reads_reference else count_shares(graph, carries, chosen)
    flow = carries if root is None else flow_from(root, graph, carries, shares)

    placed: dict[Node, Rule] = {}
    for node in flow:
        rule = chosen[node]
        if rule is not None and rule.place is not None:
            rule = rule.place(node, graph, shares)
        placed[node] = answer_unknown(node, graph, names, unknown) if rule is None else rule

    apart = {factor.edge for factors in shares.nested.values() for factor, _ in factors}
    of_layers, delivered = place_layers(placed, flow, graph, rules, apart)
    placed |= of_layers

    for node, number in graph.once(Roles).values.numbers.items():
        if node in placed and placed[node].name == gradient.name:
            placed[node] = replace(placed[node], adds=partial(_number_added, number))
    graph.once(Roles).values.forget()  # free what was computed for planning
    return Plan(graph, placed, flow, shares, delivered)


def _number_added(number: torch.Tensor, node: Node, gi: Grads, go: Grads) -> tuple[str, torch.Tensor]:
    return "number added", (number * go[0]).double().sum()


def carriers(graph: Graph, chosen: dict[Node, Rule | None]) -> dict[Node, Slots]:
    """Return for each node the open slots that lead to a source."""
    carries: dict[Node, Slots] = {}
    behind_constants: set[Node] = set()  # nodes that lead to a source, but through no open slot
    for node, rule in chosen.items():  # inputs first, so that children come before parents
        slots = graph.reaching[node]
        if behind_constants:
            edges = zip(graph.edges[node], slots, strict=True)
            slots = tuple([ok and (edge in graph.sources or edge[0] not in behind_constants) for edge, ok in edges])
        if rule is not None and rule.opens is not None and True in slots:
            opened = rule.opens(node, slots, graph)
            if opened is not slots:
                slots = tuple([a and b for a, b in zip(slots, opened, strict=True)])
        if True not in slots:
            behind_constants.add(node)
        carries[node] = slots
    return carries


def flow_from(root: Node, graph: Graph, carries: dict[Node, Slots], shares: Shares) -> dict[Node, Slots]:
    """Return the nodes that relevance reaches from the root, outputs first, with their carrying slots."""
    reached, flow = {root}, {}
    for node, slots in reversed(carries.items()):
        if node in reached and True in slots:
            flow[node] = slots
            for (child, _), is_open in zip(graph.edges[node], slots, strict=True):
                if is_open:
                    reached.add(child)
            if node in shares.nested:
                reached.update(factor.edge[0] for factor, _ in shares.nested[node])
    return flow


# ---- Checks and warnings


def _check_overrides(rules: RuleSet, model: torch.nn.Module | None) -> None:
    if rules.overrides and model is None:
        raise RelevanceError(f"rule set {rules.name} names parameters: pass model= so that they can be found")
    for glob, _ in rules.overrides:
        names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
        if not fnmatch.filter(names, glob):
            raise RelevanceError(
                f"no parameter of the model matches {glob!r}; its first are {', '.join(names[:3])} "
                "(see dict(model.named_parameters()))"
            )


def _warn_of_overrides(graph: Graph, rules: RuleSet, names: ParameterNames | None) -> None:
    rows = [row for row in rules.overrides if row[1] is not state_space]
    idle = [glob for glob, rule in rows if not any(meets((glob, rule), node, graph, names) for node in graph.reaching)]
    if idle:
        warn(
            f"{rules.name}: no operation between output and inputs that the rule applies to uses a parameter named "
            f"{', '.join(map(repr, idle))}. Layer rules apply only to dense layers and convolutions; a copy of a "
            "frozen parameter can't be distinguished from other constants",
        )


def _check_dependence(graph: Graph, inputs: Sequence[torch.Tensor]) -> None:
    ends = {node for node, _ in graph.sources}
    reached = {edge for edges in graph.edges.values() for edge in edges if edge[0] in ends}
    for number, tensor in enumerate(inputs):
        if edge_of(tensor) not in reached:
            raise RelevanceError(
                f"the output does not depend on inputs[{number}] (shape {tuple(tensor.shape)}): pass the very tensor "
                "that the forward pass used, not a copy, slice or cast of it made afterwards"
            )


def _nothing_flows(graph: Graph, rules: RuleSet, names: ParameterNames | None) -> RelevanceError:
    chosen = {node: choose(node, graph, rules, names) for node in graph.reaching}
    closing = sorted({node.name() for node, rule in chosen.items() if rule is not None and rule.opens is not None})
    return RelevanceError(
        f"no relevance flows: under {rules.name} the output depends on the inputs only through operations that count "
        f"as constant (among {', '.join(closing)}). Explain a logit rather than a probability, or choose other rules"
    )


def _warn_of_layers(plan: Plan, rules: RuleSet) -> None:
    """Warn of layers that the layer rules have no formula for, and if no first layer was found."""
    graph = plan.graph
    if isinstance(rules.operations.get("dense"), LayerRule):
        layers = {node for node in plan.carries if weight_slot(node, graph) is not None}
        others = {node.name() for node in layers if graph.operations[node].base not in DENSE | CONVOLUTIONS}
        if others := sorted(others - rules.operations.keys()):
            warn(
                f"{rules.name} has no rule for {', '.join(others)}: LRP-0, the derivative, was used",
            )

    if rules.first is not None and not any(rule.name == rules.first.name for rule in plan.rules.values()):
        layers = (node for node in plan.carries if isinstance(plan.rules[node], LayerRule))
        inputs = (edge for node in layers for edge in graph.edges[node] if graph.leads_to_source(edge))
        ends = [end[0].name() for edge in inputs for end in ends_of_way(edge, graph) if end not in graph.sources]
        warn(
            f"{rules.name}: no layer reads an input through padding, scaling or normalisation alone, so {rules.first} "
            f"was not used; {ends[-1] if ends else 'no layer'} comes before the first layer",
        )


def _warn_of_gradients(plan: Plan, rules: RuleSet) -> None:
    kinds = ("unknown", "refused")
    names = sorted({node.name() for node in plan.carries if plan.graph.operations[node].kind in kinds})
    names = [name for name in names if name not in rules.operations]
    if names and "unknown" not in rules.operations:
        warn(f"no rule for {', '.join(names)}: their derivative was used instead")
