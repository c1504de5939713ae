"""Nested elementwise products, ``(a b) c``, split as one product of all their factors, however they are bracketed.

Factors that are functions of one tensor are one factor. A norm that is written out, ``x * rsqrt(mean(x^2))``, stays
whole: fused it is one factor too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import partial

import torch

from ..graph.functions import wide
from ..graph.graph import Edge, Graph
from ..roles.nested import MOST_FACTORS, Factor
from ..roles.roles import Roles
from ..roles.softmaxes import softmaxes
from ..rule import Grads, Node, Rule, Slots
from .pairs import Both, Pair, cast
from .quadrature import points_for
from .scales import scale_slot

Tensor = torch.Tensor
Way = tuple[tuple[Edge, int], ...]


@dataclass(frozen=True)
class Constant:
    """A factor that carries nothing: the node that multiplies by it, the name that it kept it under (None for a change
    of sign), and whether it divides."""

    node: Node
    name: str | None
    is_inverse: bool


@dataclass(frozen=True)
class Factors:
    """The factors of a nested product: those that carry, by their origin, and the constants."""

    groups: tuple[tuple[Factor, ...], ...]
    constants: tuple[Constant, ...]


def nested_factors(pair: Pair) -> Factors | None:
    """Return the factors of a product of products, None if it has only two."""
    graph, is_div = pair.graph, pair.operation.base == "Div"
    pending = [Factor(pair.edges[slot], slot, (), is_div and slot == 1) for slot in (0, 1)]
    factors: list[Factor] = []
    constants: list[Constant] = []

    while pending:
        if len(factors) + len(pending) > MOST_FACTORS:
            return None
        factor = pending.pop()
        way, product, between = _product_behind(factor, graph)
        if product is None:
            factors.append(factor)
            continue
        constants += between
        for slot, edge in enumerate(graph.edges[product[0]]):
            inverse = factor.is_inverse != (graph.operations[product[0]].base == "Div" and slot == 1)
            pending.append(Factor(edge, factor.slot, (*factor.way, *way, (product, slot)), inverse))
    if len(factors) < 3:
        return None

    groups: dict[object, list[Factor]] = defaultdict(list)
    for factor in factors:
        groups[graph.once(Roles).origin(factor.edge)].append(factor)
    return Factors(tuple(map(tuple, groups.values())), tuple(constants))


def _product_behind(factor: Factor, graph: Graph) -> tuple[Way, Edge | None, list[Constant]]:
    """Return the product of two carriers that a factor is, up to constants, and the way to it; None if it isn't one."""
    edge, way, constants = factor.edge, [], []
    while edge not in graph.sources and edge[0] in graph.reaching:
        node, op, slots = edge[0], graph.operations[edge[0]], graph.carried[edge[0]]
        if op.base in ("Mul", "Div") and len(slots) == 2:
            is_whole = node in graph.once(softmaxes).parts or scale_slot(node, graph) is not None
            return tuple(way), None if is_whole else edge, constants
        if op.base not in ("Mul", "Div", "Neg", "Scale") or (slots != [0] and op.base == "Div"):
            break
        name = None if op.base == "Neg" else "other" if slots == [0] else "self"
        constants.append(Constant(node, name, factor.is_inverse != node.name().startswith("Div")))
        way.append((edge, slots[0]))
        edge = graph.edges[node][slots[0]]
    return (), None, []


# ---- The rule


def nested_rule(pair: Pair, factors: Factors) -> Rule:
    """Return the rule that hands each factor its part of the difference, past the products between."""
    passes = tuple((factor, partial(_of_factor, pair, factors, factor)) for group in factors.groups for factor in group)
    return Rule("secant, exact split of nested factors", passes=passes)


def _of_factor(
    pair: Pair, factors: Factors, factor: Factor, node: Node, carries: Slots, gi: Grads, go: Grads
) -> tuple[Tensor]:
    (own,) = (group for group in factors.groups if factor in group)
    others = [_product([_value(pair, other) for other in group]) for group in factors.groups if group is not own]
    constants = [_constant(pair, constant) for constant in factors.constants]
    # Within functions of one tensor any exact split yields the same for that tensor.
    slope = _integral([*others, *constants]) * _integral([_value(pair, f) for f in own if f is not factor])
    if factor.is_inverse:
        x1, x0 = pair.at(factor.edge)
        slope = -slope / (x1 * x0)
    g = wide(go[0]) * torch.as_tensor(slope).conj()

    source = pair.graph.sources.get(factor.edge)
    meta = factor.edge[0]._input_metadata[factor.edge[1]]
    shape, dtype = (source.shape, source.dtype) if source is not None else (meta.shape, meta.dtype)
    return (cast(g.sum_to_size(tuple(shape)), dtype),)


def _value(pair: Pair, factor: Factor) -> Both:
    values = pair.at(factor.edge)
    return _inverse(values) if factor.is_inverse else values


def _constant(pair: Pair, constant: Constant) -> Both:
    if constant.name is None:
        return torch.tensor(-1.0), torch.tensor(-1.0)
    values = tuple(torch.as_tensor(value) for value in Pair(constant.node, pair.graph).read(constant.name))
    return _inverse(values) if constant.is_inverse else values


def _inverse(values: Both) -> Both:
    return 1 / values[0], 1 / values[1]


def _product(factors: list[Both]) -> Both:
    return math.prod(x1 for x1, _ in factors), math.prod(x0 for _, x0 in factors)


def _integral(factors: list[Both]) -> Tensor | float:
    """Return the integral of a product along the line from the reference's factors to those of the inputs."""
    points = points_for(len(factors) + 1)
    return sum(weight * math.prod(x0 + point * (x1 - x0) for x1, x0 in factors) for point, weight in points)
