"""Secants of operations that hold a product in one node: gated linear units, interpolations, scalings, slices."""

from __future__ import annotations

import torch

from ..graph.functions import wide
from ..graph.saved import dimension, read
from ..rule import Grads, Slots
from .elementwise import secant_of
from .pairs import Pair, mean_of_derivatives, put, secant_rule


def _glu(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    # y = a sigmoid(b)
    dim = dimension(read(pair.node, "dim"), go[0].ndim)
    (a1, b1), (a0, b0) = (values.chunk(2, dim) for values in pair.kept("self"))
    g, s1, s0 = wide(go[0]), b1.sigmoid(), b0.sigmoid()
    of_gate = g * (a1 + a0) / 2
    of_b = secant_of((b1, b0), (s1, s0), of_gate, of_gate * s1 * (1 - s1))
    return put(gi, {0: torch.cat([g * (s1 + s0) / 2, of_b], dim)})


def _scaling(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    if pair.operation.base != "Addcdiv":
        return mean_of_derivatives(pair, carries, gi, go)
    # y = x + value a / b
    g, (a1, a0), (b1, b0) = wide(go[0]) * read(pair.node, "value"), pair.kept("tensor1"), pair.kept("tensor2")
    return put(gi, {1: g * (1 / b1 + 1 / b0) / 2, 2: -g * (a1 + a0) / (2 * b1 * b0)})


def _slice(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    of_reference = pair.derivative(go, of_reference=True)
    for g1, g0, is_open in zip(gi, of_reference, carries, strict=True):
        if is_open and g1 is not None and not torch.allclose(g1, g0.sum_to_size(g1.shape).to(g1.dtype)):
            raise pair.refuse("a slice was changed in place by a function that isn't linear; write it out of place")
    return gi


glu = secant_rule("secant, exact split", _glu)
interpolation = secant_rule("secant, exact split", mean_of_derivatives)
scaling = secant_rule("mean of the derivatives", _scaling)
slice_write_secant = secant_rule("gradient, if linear", _slice)
