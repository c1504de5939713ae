"""Products of carriers: the highest rank takes all, equal ranks share.

The uniform rule (AttnLRP, Achtibat et al. 2024, Prop. 3.2) gives each of N factors the same share 1/N of the
derivative, however the product is bracketed. A factor of lower rank (roles/roles.py) counts as constant: a gate next to
a signal (Arras et al. 2017), a norm's scale (the LN-rule of Ali et al. 2022). AttnLRP and CP-LRP differ only in the
rank from which factors count as equal: under AttnLRP an activation and a signal share, under CP-LRP the signal takes
all (gated MLPs).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from ..graph.elementwise import argument
from ..graph.graph import Edge, Graph
from ..graph.operations import operation_of
from ..graph.replay import pulled
from ..graph.saved import dimension, has, read
from ..roles.common_origin import lifted_origins
from ..roles.factors import factors_of
from ..roles.forms import Form, Rank
from ..roles.nested import Factor, taker
from ..roles.roles import Roles
from ..roles.shares import ProductRule, Shares, ranks_of
from ..roles.softmaxes import softmaxes
from ..rule import Grads, Node, Rule, Slots, share_rule


def open_factors(node: Node, graph: Graph, carrying: Slots, least: Rank, keeps_derivative: bool) -> Slots:
    """Return for each factor of a product whether relevance flows to it; ``carrying`` marks which ones carry any."""
    roles, op = graph.once(Roles), graph.operations[node]
    if carrying.count(True) < 2 or node in graph.once(softmaxes).parts:
        return carrying
    factors = factors_of(node, graph)

    if parts := roles.together(node):  # the factors are functions of one tensor
        if keeps_derivative:
            return carrying
        reaching = [index for index, edge in enumerate(factors) if graph.leads_to_source(edge)]
        parts = parts[len(parts) - len(reaching) :]  # the terms that are added come first
        if op.base == "Div" and parts[1].is_pure:
            index = 0  # a pure denominator is 0 at the origin's 0, so there is nothing to share from
        else:
            index = taker(parts if op.base != "Div" else parts[:1])
        if index is None or not carrying[reaching[index]]:
            return carrying
        return tuple(i == reaching[index] for i in range(len(factors)))

    ranks = ranks_of(node, graph, carrying)
    top = min(max(rank for rank in ranks if rank is not None), least)
    return tuple(rank is not None and (rank >= top or rank == Rank.PROBABILITY) for rank in ranks)


def _opens(least: Rank, keeps_derivative: bool, node: Node, carries: Slots, graph: Graph) -> Slots:
    if carries.count(True) < 2:
        return carries
    factors = [slot for slot in graph.operations[node].factors if slot < len(carries)]
    carrying = tuple(carries[slot] for slot in factors)
    is_open = open_factors(node, graph, carrying, least, keeps_derivative) if factors else ()
    by_slot = dict(zip(factors, is_open, strict=True))
    return tuple(by_slot.get(slot, True) for slot in range(len(carries)))


def _placed(name: str, keeps_derivative: bool, node: Node, graph: Graph, shares: Shares) -> Rule:
    """Return the rule of a product as it applies to a node: the shares of its factors, or a composition's split."""
    roles, op = graph.once(Roles), graph.operations[node]
    if op.base in ("Prod", "Cumprod"):
        return Rule(name, backward=partial(_running_backward, list(shares.of.get(node, {}).values())))
    if node in shares.nested:
        factors = [(replace(f, is_inverse=f.is_inverse and not keeps_derivative), n) for f, n in shares.nested[node]]
        passes = [(f, partial(_nested_backward, f, share, graph)) for f, share in factors]
        return Rule(f"{name}, of nested factors", passes=tuple(passes))

    of_slots = dict(shares.of.get(node, {}))
    if len(of_slots) > 1 and op.base in ("Mul", "Div") and roles.together(node):
        references = [roles.values.reference(edge, lifted_origins(node, roles)) for edge in graph.edges[node]]
        if all(value is not None for pair in references for value in pair):
            backward, adds = partial(_split_backward, *references), partial(_left_over, *references)
            return Rule(f"{name}, of a composition", backward=backward, adds=adds)

    is_inverse = op.base == "Div" and shares.carries[node][1]
    if is_inverse and not keeps_derivative and node not in graph.once(softmaxes).parts:
        of_slots[1] = of_slots.get(1, 1.0) * _of_denominator(graph.edges[node][1], roles)
    if any(isinstance(share, torch.Tensor) for share in of_slots.values()):
        return Rule(name, shares=of_slots)
    return share_rule(name, tuple((slot, share) for slot, share in of_slots.items() if share != 1))


def _nested_backward(
    factor: Factor, share: float, graph: Graph, node: Node, carries: Slots, gi: Grads, go: Grads
) -> Grads:
    """Return the derivative for a factor of a nested product, times its share."""
    g = gi[factor.slot]
    for at, slot in factor.way:
        g = pulled(at, slot, g, graph)
    if factor.is_inverse:
        share = share * _of_denominator(factor.edge, graph.once(Roles))
    return (g * share,)


def _of_denominator(edge: Edge, roles: Roles) -> torch.Tensor | float:
    """Return the factor from the derivative of ``1 / y`` to its identity rule: -1, or y over its value at 0."""
    role = roles.of(edge)
    if role.is_pure or role.form == Form.POWER:
        return -1.0
    y, y0 = roles.values.reference(edge)
    return -1.0 if y is None or y0 is None else y / y0


def _split_backward(x: tuple, y: tuple, node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    """Split ``x y - x0 y0`` or ``x / y - x0 / y0`` between x and y.

    Every exact split is valid, as both factors are functions of one tensor. Where x is near x0, it is the mean of the
    two in which one factor moves after the other; elsewhere those would cancel, and x takes all.
    """
    op = operation_of(node)
    (x, x0), (y, y0) = x, y
    of_x, of_y = (y + y0) / 2, (x + x0) / 2
    rise = x * y - x0 * y0
    if op.base == "Div":
        of_x, of_y, rise = (1 / y + 1 / y0) / 2, -of_y / (y * y0), x / y - x0 / y0

    is_far = (x - x0).abs() > x0.abs()
    of_x = torch.where(is_far, rise / (x - x0).masked_fill(~is_far, 1.0), of_x)
    of_y = torch.where(is_far, 0.0, of_y)
    return tuple(
        None if g is None else (coefficient * go[0]).sum_to_size(g.shape).to(g.dtype)
        for g, coefficient in zip(gi, (of_x, of_y), strict=True)
    )


def _left_over(x: tuple, y: tuple, node: Node, gi: Grads, go: Grads) -> tuple[str, torch.Tensor]:
    """Return the relevance of the product's value at its origin's 0, less what its factors' constants account for."""
    of_factors = sum((value * g).double().sum() for (value, _), g in zip((x, y), gi, strict=True) if g is not None)
    whole = x[0] / y[0] if operation_of(node).base == "Div" else x[0] * y[0]
    return "product at 0", (whole * go[0]).double().sum() - of_factors


def product(name: str, least: Rank, keeps_derivative: bool = False) -> ProductRule:
    """Return the rule of products in which all factors of rank ``least`` and above count as equal.

    Functions of one tensor follow the identity rule as one factor, or keep their derivative.
    """
    opens, place = partial(_opens, least, keeps_derivative), partial(_placed, name, keeps_derivative)
    return ProductRule(name, opens=opens, place=place, least=least, keeps_derivative=keeps_derivative)


uniform = product("uniform", Rank.ACTIVATED)
"""Equal shares for the factors that carry relevance (Achtibat et al. 2024, Prop. 3.2); gates and scales carry none."""

uniform_with_derivatives = product("uniform, derivative of compositions", Rank.ACTIVATED, keeps_derivative=True)
"""Like `uniform`, but an activation written as a product, such as ``x sigmoid(x)``, keeps its derivative (GIM)."""

signal = product("signal takes all", Rank.SIGNAL)
"""Like `uniform`, but an activation next to a signal is a gate too, and constant (CP-LRP's gated MLP)."""


# ---- prod and cumprod, along a dimension of n factors


def _running_backward(weights: list[float], node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    x = argument(node)
    if not has(node, "dim"):
        return (gi[0] / x.numel(), *gi[1:])

    dim = dimension(read(node, "dim"), x.ndim)
    along = [-1 if d == dim else 1 for d in range(x.ndim)]
    n = x.shape[dim]
    shares = torch.tensor(weights or [1 / n] * n, dtype=x.dtype, device=x.device).view(along)
    if operation_of(node).base == "Prod":
        return (gi[0] * shares, *gi[1:])

    # y_k is the product of x_1 .. x_k, which share its relevance: g_k is divided by the sum of their shares.
    total = shares.cumsum(dim)
    g = go[0] / total.masked_fill(total == 0, 1.0)
    return (torch.ops.aten.cumprod_backward(g, x, dim, read(node, "result")) * shares,)
