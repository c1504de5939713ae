"""Gates and scales: factors that count as constants, so that the signal they multiply takes all relevance.

For LSTM and GRU this is the rule of Arras et al. 2017 ("signal takes all"), for norms written by hand the LN-rule of
Ali et al. 2022, for selective state spaces MambaLRP (Jafari et al. 2024). The same function can also be an ordinary
activation (a sigmoid between two layers); what it feeds tells which it is.
"""

from __future__ import annotations

import math

import torch

from .activations import identity_backward
from .graph import Graph
from .operations import operation
from .rule import Grads, Node, Rule, Slots, factors_closed, none_open
from .saved import dimension

_BOUNDS = {"Clamp", "ClampMin", "ClampMax", "Maximum", "Minimum"}


def feeds_product(node: Node, graph: Graph) -> bool:
    """Whether all that a node's value does is to multiply or divide something else that carries relevance.

    Its value is followed through rearrangements, sums with constants and scalings, up to each operation that
    makes use of it.
    """
    pending, seen = [node], {node}
    while pending:
        users = graph.users.get(pending.pop(), ())
        if not users:
            return False  # it is (part of) the output
        for user, slot in users:
            op = operation(user.name())
            reaching = graph.reaching(user)
            partners = [other for other in op.factors if other != slot and reaching[other]]
            if slot in op.factors and (partners or op.kind == "division" or _has_constant_signal(user, slot)):
                continue  # multiplies, or is a denominator
            if op.kind in ("gate", "statistic", "softmax") or (op.kind == "power" and user._saved_exponent < 0):
                continue  # becomes part of another gate or scale, which is judged by itself
            scaling = op.kind == "division" or op.base == "Mul"
            passed_on = op.base in _BOUNDS or (op.kind == "linear" and sum(reaching) == 1)
            if not (scaling or passed_on):
                return False
            if user not in seen:
                seen.add(user)
                pending.append(user)
    return True


def _has_constant_signal(product: Node, slot: int) -> bool:
    """Whether an elementwise product's other factor is a constant of full shape: a signal that depends on no input.

    The gates of a GRU are gates also in its first step, where the state they multiply is made of parameters. A factor
    that is broadcast (a scale for each channel) is no signal, and neither is a mask of zeros and ones.
    """
    if operation(product.name()).base != "Mul":
        return False
    partner = getattr(product, f"_saved_{'self' if slot else 'other'}")
    shape = tuple(product._input_metadata[0].shape)
    if not isinstance(partner, torch.Tensor) or len(shape) < 2 or tuple(partner.shape) != shape:
        return False
    return not bool(((partner == 0) | (partner == 1)).all())


def _closed_in_products(node: Node, carries: Slots, graph: Graph) -> Slots:
    if feeds_product(node, graph):
        return none_open(node, carries, graph)
    return carries


gate = Rule("gate", opens=_closed_in_products, backward=identity_backward)
"""Constant where it feeds a product, the identity rule elsewhere (Arras et al. 2017)."""


def _statistic_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    if operation(node.name()).base not in ("VarMean", "StdMean"):
        return identity_backward(node, carries, gi, go)
    # Two outputs: the spread is constant, the mean is linear and gets its derivative.
    x, dim, g = node._saved_self, node._saved_dim, go[1]
    if g is None:
        return (None,)
    dims = range(x.ndim) if not dim else sorted(dimension(d, x.ndim) for d in dim)
    if not node._saved_keepdim:
        for d in dims:
            g = g.unsqueeze(d)
    count = math.prod(x.shape[d] for d in dims)
    return ((g / count).expand_as(x),)


def _open_beside_products(node: Node, carries: Slots, graph: Graph) -> Slots:
    if operation(node.name()).base in ("VarMean", "StdMean"):
        return carries
    return _closed_in_products(node, carries, graph)


statistic = Rule("scale", opens=_open_beside_products, backward=_statistic_backward)
"""A norm's or a distance's scale: constant where it divides or multiplies, the identity rule elsewhere."""


def _glu_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    # y = a * sigmoid(b): the derivative for a, nothing for b.
    g = gi[0].clone()
    g.chunk(2, dimension(node._saved_dim, g.ndim))[1].zero_()
    return (g,)


glu = Rule("gate", backward=_glu_backward)
"""A gated linear unit as one node: its gate is constant."""


numerator = Rule("numerator", opens=factors_closed)
"""A quotient: the denominator is constant, so the numerator takes all (LN-rule, Ali et al. 2022)."""
